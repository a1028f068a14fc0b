import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Logger, Random, References, Scope, Stream } from "effect"
import { type HerdEvent, PoolClosed } from "../../src/index.ts"
import { forEverySeed } from "../../src/testing/index.ts"
import {
  conserved,
  fork,
  hold,
  listen,
  type Pool,
  poolOf,
  Server,
  settled,
  timed
} from "../support/connections.ts"

/** Borrows now, until somebody gives it back. */
const lend = (pool: Pool) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const connection = yield* Effect.provideService(pool.acquire(), Scope.Scope, scope)
    return { connection, release: Scope.close(scope, Exit.void) }
  })

const count = (events: ReadonlyArray<HerdEvent>, tag: HerdEvent["_tag"]) =>
  events.filter(({ _tag }) => _tag === tag).length

/** Whether nothing will ever happen again: virtual time refuses to wait for it. */
const atRest = <E>(program: Effect.Effect<unknown, E, Scope.Scope>) =>
  Effect.map(Effect.exit(timed(Effect.andThen(program, Effect.never))), (exit) =>
    String(exit._tag === "Failure" ? exit.cause : exit).includes("no timer is set")
  )

describe("tarn: release", () => {
  it.effect("what is given back is idle, and lent again before anything new is made", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("10 millis") })
        const pool = yield* poolOf(server, { size: { min: 0, max: 4 }, scaling: "instant" })
        const loans = yield* Effect.forEach([1, 2, 3], () => lend(pool), { concurrency: "unbounded" })
        for (const { release } of loans.slice(1)) yield* release
        assert.include(yield* pool.stats, { active: 1, idle: 2, waiting: 0, total: 3 })
        const again = yield* Effect.forEach([1, 2, 3], () => lend(pool), { concurrency: "unbounded" })
        assert.sameMembers(
          again.map(({ connection }) => connection.id),
          [2, 3, 4]
        )
        assert.include(yield* pool.stats, { active: 4, idle: 0, created: 4 })
      })
    )
  )

  it.effect("a release wakes those who wait, one each, in their order", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 2 })
        const loans = yield* Effect.forEach([1, 2], () => lend(pool))
        const order: Array<number> = []
        const waiters = yield* Effect.forEach([1, 2, 3], (n) =>
          fork(
            pool.use(() =>
              Effect.andThen(
                Effect.sync(() => order.push(n)),
                Effect.sleep("10 millis")
              )
            )
          )
        )
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(order, [])
        yield* loans[0]?.release ?? Effect.void
        assert.deepStrictEqual(order, [1])
        yield* loans[1]?.release ?? Effect.void
        assert.deepStrictEqual(order, [1, 2])
        yield* Effect.forEach(waiters, Fiber.join)
        assert.deepStrictEqual(order, [1, 2, 3])
      })
    )
  )

  it.effect("a resource of nobody is not ours to invalidate", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 2 })
        const { connection } = yield* lend(pool)
        const alike = { ...connection }
        assert.isFalse(yield* pool.invalidate(alike))
        assert.include(yield* pool.stats, { active: 1, idle: 1, destroyed: 0 })
        assert.deepStrictEqual(server.openIds, [1, 2])
      })
    )
  )
})

describe("tarn: destroy", () => {
  it.effect.each([
    ["at once", Effect.void],
    ["after a while", Effect.sleep("200 millis")]
  ] as const)("closing waits for what is created and what is lent, and destroys it %s", ([, closing]) =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("50 millis"), closing })
        const pool = yield* poolOf(server, { size: { min: 0, max: 10 }, scaling: "instant" })
        const [first, second] = yield* Effect.all([lend(pool), lend(pool)], { concurrency: 2 })
        const third = yield* fork(pool.use(({ id }) => Effect.succeed(id)))
        yield* fork(Effect.andThen(Effect.sleep("10 millis"), first.release))
        yield* fork(Effect.andThen(Effect.sleep("100 millis"), second.release))
        const began = yield* Clock.currentTimeMillis
        yield* pool.close()
        const destroying = (yield* Clock.currentTimeMillis) - began - 100
        // The connection that nobody waits for any more is not waited for either, but closed when it is there.
        assert.isTrue(destroying >= 0 && destroying <= 200, `${destroying} ms after the last release`)
        assert.strictEqual(yield* Fiber.join(third), first.connection.id)
        assert.deepStrictEqual(server.openIds, [])
        assert.deepStrictEqual(server.mistakes, [])
        assert.include(yield* pool.stats, { active: 0, idle: 0, waiting: 0, alive: 0 })
      })
    )
  )

  it.effect("closing waits for creations that cannot be interrupted, and destroys what they make", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.uninterruptible(Effect.sleep("100 millis")) })
        const pool = yield* poolOf(server, { size: 3 })
        yield* settled
        yield* pool.close()
        assert.strictEqual(yield* Clock.currentTimeMillis, 100)
        assert.deepStrictEqual(server.openIds, [])
        conserved(yield* pool.stats)
      })
    )
  )

  it.live("in no order of events does closing miss a creation that follows a failed ready", () =>
    forEverySeed(300, (seed) =>
      Effect.gen(function* () {
        let asked = 0
        const server = new Server({ opening: Effect.sleep("100 millis") })
        yield* Effect.gen(function* () {
          const pool = yield* poolOf(server, {
            size: 1,
            ready: () => Effect.suspend(() => (++asked === 2 ? Effect.fail("not ready") : Effect.void))
          })
          yield* pool.use(() => Effect.void)
          // In the middle of the creation, or at the very moment when it ends.
          yield* Effect.sleep(seed % 2 === 0 ? "50 millis" : "100 millis")
          assert.strictEqual(server.attempts, 2)
        }).pipe(Effect.scoped)
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(server.openIds, [])
      })
    )
  )

  it.live("in no order of events does who leaves take along what was lent at that moment", () =>
    forEverySeed(300, () =>
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, acquireTimeout: "1 second" })
        const { release } = yield* lend(pool)
        const leaving = yield* fork(Effect.scoped(Effect.andThen(pool.acquire(), Effect.never)))
        yield* settled
        yield* Effect.all([release, Fiber.interrupt(leaving)], { concurrency: 2 })
        assert.include(yield* pool.stats, { active: 0, waiting: 0 })
        assert.strictEqual(yield* pool.use(({ id }) => Effect.succeed(id)), 1)
      }).pipe(Effect.scoped)
    )
  )

  it.live("in no order of events is lent what a closing pool has taken back before", () =>
    Effect.gen(function* () {
      let dead = 0
      yield* forEverySeed(500, () =>
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 1, shutdown: { drain: 0, interrupt: 0 } })
          yield* settled
          const borrow = Effect.map(pool.acquire(), ({ closed }) => {
            if (closed) dead++
          })
          const borrower = yield* Effect.forkChild(Effect.exit(Effect.scoped(borrow)))
          yield* pool.close()
          const exit = yield* Fiber.join(borrower)
          if (exit._tag === "Failure")
            assert.instanceOf(exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error, PoolClosed)
        }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))
      )
      // Between the end of acquire and the borrower's next step no pool can tell.
      assert.isAtMost(dead, 3)
    })
  )

  it.effect("while a pool closes, every onDestroy sees stats that add up", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const seen: Array<number> = []
        let stats: Pool["stats"] | undefined
        const pool = yield* poolOf(server, {
          size: 3,
          onDestroy: () =>
            Effect.gen(function* () {
              const now = yield* stats ?? Effect.die("no pool yet")
              conserved(now)
              seen.push(now.total)
            })
        })
        stats = pool.stats
        yield* settled
        yield* pool.close()
        // Promise 19: all are sent away and counted in one step, before the user's code runs for the first of them.
        assert.deepStrictEqual(seen, [0, 0, 0])
        assert.strictEqual((yield* pool.stats).destroyFailures, 0)
      })
    )
  )

  it.effect("a slow destruction is waited for, and a hanging one is not", () =>
    timed(
      Effect.gen(function* () {
        for (const [closing, leaked] of [
          [Effect.sleep("1 second"), 0],
          [Effect.never, 2]
        ] as const) {
          const server = new Server({ closing: Effect.uninterruptible(closing) })
          const pool = yield* poolOf(server, { size: 2, shutdown: { destroy: "2 seconds" } })
          const seen = yield* listen(pool)
          yield* settled
          const began = yield* Clock.currentTimeMillis
          const report = yield* pool.close()
          assert.strictEqual(report.leaked, leaked)
          assert.strictEqual((yield* Clock.currentTimeMillis) - began, leaked === 0 ? 1_000 : 2_000)
          yield* settled
          assert.strictEqual(count(seen, "ResourceDestroyFailed"), leaked)
        }
      })
    )
  )

  it.effect("closing waits for destructions that had begun before", () =>
    timed(
      Effect.gen(function* () {
        let closings = 0
        const server = new Server({
          closing: Effect.suspend(() => Effect.sleep(200 - 50 * closings++))
        })
        const pool = yield* poolOf(server, {
          size: { min: 0, max: 4 },
          idleTimeToLive: "1 second",
          scaling: "instant"
        })
        yield* Effect.replicateEffect(
          pool.use(() => Effect.sleep("10 millis")),
          4,
          { concurrency: "unbounded", discard: true }
        )
        assert.strictEqual(server.open.length, 4)
        yield* Effect.sleep("1020 millis")
        // They go, and are not there yet.
        assert.include(yield* pool.stats, { total: 0, destroyed: 0 })
        assert.strictEqual(server.open.length, 4)
        yield* pool.close()
        assert.deepStrictEqual(server.openIds, [])
        assert.strictEqual((yield* pool.stats).destroyed, 4)
      })
    )
  )

  it.effect.each([
    ["fails", Effect.fail("still in use")],
    ["throws", Effect.die(new Error("still in use"))],
    ["fails after a while", Effect.andThen(Effect.sleep("10 millis"), Effect.fail("still in use"))]
  ] as const)("an onDestroy that %s is reported and logged, and harms nobody", ([, broken]) => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") lines.push(String(message))
    })
    return timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, onDestroy: () => broken, maxUses: 1 })
        const seen = yield* listen(pool)
        yield* pool.use(() => Effect.void)
        assert.strictEqual(yield* pool.use(({ id }) => Effect.succeed(id)), 2)
        yield* pool.close()
        yield* settled
        const failures = seen.filter((event) => event._tag === "ResourceDestroyFailed")
        const { created, destroyed } = yield* pool.stats
        assert.isAtLeast(created, 2)
        assert.strictEqual(created, destroyed)
        assert.strictEqual(failures.length, destroyed)
        for (const { error, leaked } of failures) {
          assert.isFalse(leaked)
          assert.include(String(error), "still in use")
        }
        assert.include(yield* pool.stats, { destroyFailures: destroyed, leaked: 0, alive: 0 })
        assert.strictEqual(lines.filter((line) => line.includes("onDestroy failed")).length, destroyed)
        assert.deepStrictEqual(server.openIds, [])
      })
    ).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("those who wait while the pool closes are told so", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        yield* lend(pool)
        const waiting = yield* fork(Effect.flip(pool.use(() => Effect.void)))
        yield* settled
        yield* pool.close({ drain: "1 second", interrupt: 0 })
        assert.instanceOf(yield* Fiber.join(waiting), PoolClosed)
      })
    )
  )
})

describe("tarn: idle resources", () => {
  // Sooner than the policy would let them go, which takes 30 seconds.
  it.effect("idle ones are let go after their time, down to the minimum, and what is lent is kept", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: { min: 2, max: 6 }, idleTimeToLive: "10 seconds" })
        const seen = yield* listen(pool)
        const loans = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => lend(pool), {
          concurrency: "unbounded"
        })
        for (const { release } of loans.slice(1)) yield* release
        yield* Effect.sleep("9 seconds")
        assert.include(yield* pool.stats, { active: 1, idle: 5 })
        yield* Effect.sleep("2 seconds")
        assert.include(yield* pool.stats, { active: 1, idle: 1 })
        assert.include(server.openIds, loans[0]?.connection.id ?? 0)
        yield* loans[0]?.release ?? Effect.void
        yield* Effect.sleep("20 minutes")
        assert.include(yield* pool.stats, { idle: 2, total: 2, alive: 2 })
        const reasons = seen.flatMap((event) => (event._tag === "ResourceRecycled" ? [event.reason] : []))
        assert.deepStrictEqual(reasons, ["idle", "idle", "idle", "idle"])
      })
    )
  )

  it.effect("an empty pool sets no timer, and housekeeping begins again with the next resource", () =>
    Effect.gen(function* () {
      const once = (pool: Pool) =>
        Effect.gen(function* () {
          yield* pool.use(() => Effect.void)
          assert.strictEqual((yield* pool.stats).idle, 1)
          yield* Effect.sleep("11 seconds")
          assert.include(yield* pool.stats, { total: 0, alive: 0 })
        })
      const options = { size: { min: 0, max: 2 }, idleTimeToLive: "10 seconds" } as const
      assert.isTrue(
        yield* atRest(
          Effect.gen(function* () {
            const pool = yield* poolOf(new Server(), options)
            yield* once(pool)
            yield* once(pool)
          })
        )
      )
      // The reverse: a pool that keeps something looks after it.
      assert.isFalse(yield* atRest(Effect.andThen(poolOf(new Server(), { size: 1 }), settled)))
    })
  )

  it.effect("resources that are used again and again stay, and those that are not go", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: { min: 0, max: 4 }, idleTimeToLive: "10 seconds" })
        const loans = yield* Effect.forEach([1, 2, 3, 4], () => lend(pool), { concurrency: "unbounded" })
        for (const { release } of loans) yield* release
        const pause = Effect.flatMap(Random.nextIntBetween(1, 500), (n) => Effect.sleep(n))
        const turn = Effect.andThen(pool.use(server.work(pause)), pause)
        yield* Effect.replicateEffect(Effect.replicateEffect(turn, 50, { discard: true }), 2, {
          concurrency: 2,
          discard: true
        })
        assert.isAbove(yield* Clock.currentTimeMillis, 15_000)
        assert.isBelow(yield* Clock.currentTimeMillis, 30_000)
        assert.strictEqual(server.open.length, 2)
        assert.strictEqual(server.attempts, 4)
      })
    ).pipe(Random.withSeed("again and again"))
  )
})

describe("tarn: events", () => {
  it.effect("a resource's life and its borrowers are told in their order", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: 1,
          start: "lazy",
          acquireTimeout: "1 second"
        })
        const seen = yield* listen(pool)
        server.down = true
        yield* Effect.flip(pool.use(() => Effect.void))
        server.down = false
        yield* Effect.sleep("10 seconds")
        yield* pool.use(() => Effect.void)
        yield* pool.close()
        yield* settled
        const told = seen.flatMap((event) => {
          if (event._tag === "TaskFinished") return [event.outcome]
          if (event._tag === "StateChanged") return [event.state]
          return event._tag === "Resized" ? [] : [event._tag]
        })
        const attempts = told.filter((tag) => tag === "ResourceCreateFailed").length
        assert.isAbove(attempts, 2)
        assert.deepStrictEqual(
          told.filter((tag) => tag !== "ResourceCreateFailed"),
          ["TaskAccepted", "WorkerStarted", "TaskAccepted", "TaskStarted", "succeeded"].concat([
            "draining",
            "interrupting",
            "WorkerStopped",
            "closed"
          ])
        )
        const [first, second] = seen.filter((event) => event._tag === "TaskAccepted")
        const started = seen.find((event) => event._tag === "TaskStarted")
        assert.notStrictEqual(first?.taskId, second?.taskId)
        assert.strictEqual(started?.taskId, second?.taskId)
      })
    )
  )

  it.effect("time-outs of creating, borrowing and destroying are told, too", () =>
    timed(
      Effect.gen(function* () {
        const slow = { create: 100, destroy: 0 }
        const server = new Server({
          opening: Effect.suspend(() => Effect.sleep(slow.create)),
          closing: Effect.suspend(() => Effect.sleep(slow.destroy))
        })
        const pool = yield* poolOf(server, {
          size: { min: 0, max: 1 },
          createTimeout: 20,
          acquireTimeout: 25,
          idleTimeToLive: 50,
          shutdown: { destroy: 20 }
        })
        const seen = yield* listen(pool)
        yield* Effect.flip(pool.use(() => Effect.void))
        assert.strictEqual(count(seen, "ResourceCreateFailed"), 1)
        assert.strictEqual((yield* pool.stats).timeouts, 1)
        slow.create = 1
        yield* Effect.sleep("1 second")
        const holder = yield* hold(pool)
        yield* settled
        yield* Effect.flip(pool.use(() => Effect.void))
        assert.strictEqual((yield* pool.stats).timeouts, 2)
        yield* Fiber.interrupt(holder)
        yield* Effect.sleep("200 millis")
        assert.strictEqual(count(seen, "ResourceDestroyFailed"), 0)
        slow.destroy = 100
        yield* pool.use(() => Effect.void)
        yield* Effect.sleep("200 millis")
        const [failed, ...others] = seen.filter((event) => event._tag === "ResourceDestroyFailed")
        assert.isTrue(failed?.leaked)
        assert.deepStrictEqual(others, [])
      })
    )
  )

  it.effect("a listener that fails disturbs neither the pool nor other listeners", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        const broken = yield* fork(
          Effect.exit(Stream.runForEach(pool.events, () => Effect.die(new Error("broken"))))
        )
        const seen = yield* listen(pool)
        yield* Effect.replicateEffect(
          pool.use(() => Effect.void),
          3
        )
        yield* settled
        assert.strictEqual((yield* Fiber.join(broken))._tag, "Failure")
        assert.strictEqual(count(seen, "TaskFinished"), 3)
      })
    )
  )

  it.effect("closing a pool ends what its listeners read", () =>
    timed(
      Effect.gen(function* () {
        const reader = yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* poolOf(new Server(), { size: 1 })
            const reading = yield* Effect.forkDetach(Stream.runCount(pool.events), { startImmediately: true })
            yield* pool.use(() => Effect.void)
            return reading
          })
        )
        assert.isAbove(yield* Fiber.join(reader), 3)
      })
    )
  )
})
