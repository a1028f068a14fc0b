/** A server of connections that remembers what was done with them, for the tests of the resource pool. */
import { assert } from "@effect/vitest"
import { type Duration, Effect, type Scope, Stream } from "effect"
import { type HerdEvent, type PoolStats, ResourcePool } from "../../src/index.ts"
import { virtual } from "../../src/testing/index.ts"

export interface Connection {
  readonly id: number
  readonly madeAt: number
  /** What `validate` says of it. */
  valid: boolean
  closed: boolean
  /** Borrowers that have it now. */
  borrowers: number
  uses: number
}

interface Life {
  /** What opening a connection takes. It fails before or succeeds after that, as the server is down or up. */
  readonly opening?: Effect.Effect<unknown, unknown> | undefined
  readonly closing?: Effect.Effect<unknown, unknown> | undefined
  readonly checking?: Effect.Effect<unknown, unknown> | undefined
}

export class Server {
  down = false
  /** Calls of `onCreate`, those that fail included. */
  attempts = 0
  checks: Array<number> = []
  mostOpen = 0
  mostOpening = 0
  mistakes: Array<string> = []
  readonly made: Array<Connection> = []
  private opening = 0
  private readonly life: Life

  constructor(life: Life = {}) {
    this.life = life
  }
  get open(): ReadonlyArray<Connection> {
    return this.made.filter(({ closed }) => !closed)
  }
  get openIds(): ReadonlyArray<number> {
    return this.open.map(({ id }) => id)
  }

  readonly onCreate: Effect.Effect<Connection, unknown, Scope.Scope> = Effect.suspend(() => {
    this.attempts++
    this.mostOpening = Math.max(this.mostOpening, ++this.opening)
    return Effect.ensuring(
      this.life.opening ?? Effect.void,
      Effect.sync(() => this.opening--)
    )
  }).pipe(Effect.andThen(Effect.acquireRelease(this.connect(), (connection) => this.disconnect(connection))))

  readonly validate = (connection: Connection): Effect.Effect<boolean, unknown> =>
    Effect.suspend(() => {
      this.checks.push(connection.id)
      if (connection.borrowers > 0) this.mistakes.push(`${connection.id} checked while it is lent`)
      return Effect.map(this.life.checking ?? Effect.void, () => connection.valid)
    })

  /** Has the connection for as long as the work takes, and notes what should not happen meanwhile. */
  readonly work =
    <A, E, R>(during: Effect.Effect<A, E, R>) =>
    (connection: Connection): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          connection.uses++
          if (connection.closed) this.mistakes.push(`${connection.id} lent after it was closed`)
          if (++connection.borrowers > 1) this.mistakes.push(`${connection.id} lent twice`)
        }),
        () => during,
        () =>
          Effect.sync(() => {
            connection.borrowers--
            if (connection.closed) this.mistakes.push(`${connection.id} closed while it was lent`)
          })
      )

  private connect() {
    return Effect.flatMap(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      (madeAt) =>
        Effect.suspend(() => {
          if (this.down) return Effect.fail("the server is down")
          const connection: Connection = {
            id: this.made.length + 1,
            madeAt,
            valid: true,
            closed: false,
            borrowers: 0,
            uses: 0
          }
          this.made.push(connection)
          this.mostOpen = Math.max(this.mostOpen, this.open.length)
          return Effect.succeed(connection)
        })
    )
  }

  private disconnect(connection: Connection) {
    return Effect.ensuring(
      Effect.ignore(this.life.closing ?? Effect.void),
      Effect.sync(() => {
        if (connection.closed) this.mistakes.push(`${connection.id} closed twice`)
        connection.closed = true
      })
    )
  }
}

export type Options = Omit<ResourcePool.PoolOptions<Connection>, "onCreate" | "validate"> & {
  /** Connections are validated only where the test is about that. */
  readonly validated?: boolean | undefined
}

export const poolOf = (server: Server, { validated = false, ...options }: Options) =>
  ResourcePool.make("db", {
    ...options,
    onCreate: server.onCreate,
    validate: validated ? server.validate : undefined
  })

/** Runs a test in virtual time, its pools included. */
export const timed = <A, E>(
  program: Effect.Effect<A, E, Scope.Scope>,
  options?: { readonly seed?: number; readonly limit?: Duration.Input }
) => virtual(Effect.scoped(program), options)

/** Lets every fiber go as far as it can in this instant, or nearly. */
export const settled = Effect.sleep(1)

/** Borrows until somebody gives it back, in a fiber of its own. */
export const hold = (pool: Pool, options?: ResourcePool.BorrowOptions) =>
  Effect.forkChild(
    pool.use(() => Effect.never, options),
    { startImmediately: true }
  )

export const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true })

export type Pool = ResourcePool.ResourcePool<Connection>

/** The number of the connection that a borrower gets. */
export const idOf = (pool: Pool, options?: ResourcePool.BorrowOptions) =>
  pool.use(({ id }) => Effect.succeed(id), options)

/** Everything that the pool says from now on. */
export const listen = (pool: Pool) =>
  Effect.gen(function* () {
    const seen: Array<HerdEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEach(pool.events, (event) => Effect.sync(() => seen.push(event))),
      { startImmediately: true }
    )
    return seen
  })

/** Why resources had to go from now on. */
export const recycled = (pool: Pool) =>
  Effect.map(
    listen(pool),
    (seen) => () => seen.flatMap((event) => (event._tag === "ResourceRecycled" ? [event.reason] : []))
  )

/** What holds of a pool at every step. */
export const conserved = (stats: PoolStats): void => {
  const { active, alive, created, destroyed, idle, max, starting, total } = stats
  assert.strictEqual(total, idle + active + starting, "total = idle + active + starting")
  assert.strictEqual(alive, created - destroyed, "alive = created - destroyed")
  for (const [name, value] of Object.entries({ idle, active, starting, waiting: stats.waiting, alive }))
    assert.isAtLeast(value, 0, name)
  assert.isAtMost(active, max, "active <= max")
  assert.isAtMost(total, max, "total <= max")
}
