/** A pool to which everything happens that may go wrong, drawn at random, and a ledger of what must not. */
import { assert } from "@effect/vitest"
import { Clock, Effect, type Exit, Random } from "effect"
import type { PoolStats, ResourcePool } from "../../src/index.ts"
import { type Connection, conserved, type Options, poolOf, Server } from "./connections.ts"

/** How one step in a resource's life may go. Chances from 0 to 1; it takes up to `most` milliseconds. */
export interface Hazard {
  readonly most: number
  readonly fails: number
  readonly throws: number
  readonly hangs: number
}

/** Takes a while, and then succeeds, fails, throws, or never ends. */
export const suffer = ({ fails, hangs, most, throws }: Hazard): Effect.Effect<void, string> =>
  Effect.gen(function* () {
    yield* Effect.sleep(yield* upTo(most))
    const luck = yield* Random.next
    if (luck < fails) return yield* Effect.fail("bad luck")
    if (luck < fails + throws) return yield* Effect.die("worse luck")
    if (luck < fails + throws + hangs) return yield* Effect.never
  })

export const upTo = (most: number) => Effect.map(Random.next, (n) => Math.round(n * most))
export const chance = (of: number) => Effect.map(Random.next, (n) => n < of)
export const oneOf = <const A extends readonly [unknown, ...ReadonlyArray<unknown>]>(
  ...choices: A
): Effect.Effect<A[number]> => Effect.map(Random.next, (n) => choices[Math.floor(n * choices.length)])

const hazard = (most: number, failing: number, hanging: number): Effect.Effect<Hazard> =>
  Effect.gen(function* () {
    const calm = yield* chance(0.3)
    const risk = (of: number) => Effect.map(Random.next, (n) => (calm ? 0 : n * of))
    return {
      most: yield* upTo(most),
      fails: yield* risk(failing),
      throws: yield* risk(0.1),
      hangs: yield* risk(hanging)
    }
  })

const settings = Effect.gen(function* () {
  const min = yield* Random.nextIntBetween(0, 4)
  const max = yield* Random.nextIntBetween(Math.max(1, min), 8)
  const validated = yield* chance(0.8)
  return {
    size: { min, max },
    validated,
    validateAfter: yield* oneOf(0, 20),
    validateTimeout: 15,
    keepAlive: validated ? yield* oneOf("never", 30) : undefined,
    createTimeout: 45,
    maxCreating: yield* oneOf(1, 2, 8),
    acquireTimeout: yield* oneOf(50, 500, 2_000),
    maxWaiting: yield* oneOf("unbounded", 0, 5, 100),
    maxUses: yield* oneOf("unlimited", 1, 5),
    idleTimeToLive: yield* oneOf(20, 200),
    maxLifetime: yield* oneOf(60, 1_000),
    reuse: yield* oneOf("lifo", "fifo"),
    start: yield* oneOf("background", "lazy"),
    scaling: yield* oneOf("auto", "instant", "fixed"),
    leakAfter: yield* oneOf("never", 30),
    onLeak: yield* oneOf("report", "interrupt"),
    shutdown: {
      drain: yield* oneOf(0, 100, 2_000),
      interrupt: yield* oneOf(0, 50, 1_000),
      destroy: yield* oneOf(20, 60, 1_000)
    }
  } satisfies Options
})

/** What a pool and its borrowers are put through. */
export const weather = Effect.gen(function* () {
  return {
    settings: yield* settings,
    create: yield* hazard(50, 0.5, 0.1),
    ready: (yield* chance(0.3)) ? yield* hazard(10, 0.3, 0) : undefined,
    check: yield* hazard(20, 0.5, 0.1),
    destroy: yield* hazard(40, 0.5, 0.1),
    task: yield* hazard(60, 0.4, 0),
    spoils: yield* Effect.map(Random.next, (n) => n * 0.5),
    borrowers: yield* Random.nextIntBetween(10, 80),
    leaves: yield* Effect.map(Random.next, (n) => n * 0.4),
    closesEarly: yield* chance(0.4),
    meddled: yield* chance(0.5)
  }
})

/** How a resource is lent, and whether its borrower can be interrupted. */
type How = "use" | "stubborn use" | "acquire"

/** A pool, and who has which of its connections. */
export class Ledger {
  readonly server: Server
  private readonly lent = new Map<Connection, How>()
  private readonly going = new Set<Connection>()
  /** Since when they should not be lent again. */
  private readonly condemned = new Map<Connection, number>()
  private readonly mistakes: Array<string> = []
  private readonly weather: Effect.Success<typeof weather>
  /** The largest `max` that there was. */
  private most: number
  private pool: ResourcePool.ResourcePool<Connection> | undefined

  constructor(given: Effect.Success<typeof weather>) {
    this.weather = given
    this.most = given.settings.size.max
    this.server = new Server({ opening: suffer(given.create), checking: suffer(given.check) })
  }

  readonly open = Effect.suspend(() => {
    const { destroy, ready, settings, spoils } = this.weather
    // Without a random number, which a predicate has not: of every so many failures one spoils the resource.
    let failures = 0
    const made = poolOf(this.server, {
      ...settings,
      ready: ready === undefined ? undefined : () => suffer(ready),
      checkHealth: () => (++failures * spoils) % 1 > spoils,
      onDestroy: (connection) => Effect.andThen(this.leaves(connection), suffer(destroy))
    })
    return Effect.tap(made, (pool) =>
      Effect.sync(() => {
        this.pool = pool
      })
    )
  })

  /** From now on `max` may be this. */
  readonly widen = (max: number) =>
    Effect.sync(() => {
      this.most = Math.max(this.most, max)
    })

  /** Has the pool replace it, which must not lend it again, unless at this very moment. */
  readonly condemn = (connection: Connection) =>
    Effect.gen({ self: this }, function* () {
      if (this.pool === undefined || !(yield* this.pool.invalidate(connection))) return
      this.condemned.set(connection, yield* Clock.currentTimeMillis)
    })

  /** What holds at every step. Where the pool calls, nobody hears of a failure: it is noted, too. */
  readonly check: Effect.Effect<PoolStats | undefined> = Effect.suspend(() => this.holding())

  private holding(max?: number): Effect.Effect<PoolStats | undefined> {
    if (this.pool === undefined) return Effect.succeed(undefined)
    return Effect.tap(this.pool.stats, (stats) => this.holds({ ...stats, max: max ?? stats.max }))
  }
  private holds(stats: PoolStats) {
    return Effect.sync(() => {
      try {
        conserved(stats)
        const { length } = [...this.lent.keys()].filter((connection) => !this.going.has(connection))
        assert.isAtMost(length, this.most, "lent <= max")
        assert.isAtMost(this.server.open.length, this.most, "open <= max")
      } catch (broken) {
        this.mistakes.push(String(broken))
      }
      const wrong = [...this.mistakes, ...this.server.mistakes].join("; ")
      assert.isTrue(wrong === "", wrong)
    })
  }

  /** Has the connection for as long as the work takes. */
  readonly work = <A, E>(how: How, work: Effect.Effect<A, E>) => {
    const watched = Effect.andThen(this.check, Effect.ensuring(work, this.check))
    return (connection: Connection) =>
      Effect.acquireUseRelease(
        Effect.map(Effect.zip(this.check, Clock.currentTimeMillis), ([stats, now]) => {
          const had = this.lent.get(connection)
          if (had !== undefined) this.mistakes.push(`${connection.id} lent twice`)
          if (this.going.has(connection) && !this.mayTake(how, stats))
            this.mistakes.push(`${connection.id} lent although it goes`)
          if (now > (this.condemned.get(connection) ?? Infinity))
            this.mistakes.push(`${connection.id} lent although it was condemned`)
          this.lent.set(connection, how)
        }),
        () => (how === "stubborn use" ? Effect.uninterruptible(watched) : watched),
        () => Effect.sync(() => this.lent.delete(connection))
      )
  }

  private leaves(connection: Connection) {
    // A pool whose max was lowered calls while some have still to go.
    return Effect.map(this.holding(this.most), (stats) => {
      if (this.going.has(connection)) this.mistakes.push(`${connection.id} destroyed twice`)
      this.going.add(connection)
      const how = this.lent.get(connection)
      if (how !== undefined && !this.mayTake(how, stats))
        this.mistakes.push(`${connection.id} destroyed while it was lent (${how}, ${stats?.state})`)
    })
  }

  /** Whether a pool may destroy what is lent in this way: beyond its limits, from whom it cannot interrupt. */
  private mayTake(how: How, stats: PoolStats | undefined): boolean {
    const { leakAfter, onLeak, shutdown } = this.weather.settings
    const leaks = leakAfter !== "never" && onLeak === "interrupt" && how === "acquire"
    const closes = stats?.state === "interrupting" || stats?.state === "closed"
    return leaks || (closes && (how !== "use" || shutdown.interrupt === 0))
  }
}

/** How a borrower fared, in one word. */
export const outcome = (exit: Exit.Exit<unknown, unknown>): string => {
  if (exit._tag === "Success") return "served"
  const [reason] = exit.cause.reasons
  if (reason?._tag === "Interrupt") return "interrupted"
  const error: unknown = reason?._tag === "Fail" ? reason.error : reason?.defect
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)
}
