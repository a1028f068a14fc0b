import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Random, Scope } from "effect"
import { forEverySeed } from "../../src/testing/index.ts"
import { conserved, fork, hold, idOf, poolOf, Server, settled, timed } from "../support/connections.ts"

const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const value = yield* effect
    return { value, millis: (yield* Clock.currentTimeMillis) - began }
  })

describe("HikariCP TestConnectionTimeoutRetry", () => {
  it.effect("testConnectionRetries: while creation fails a borrower waits its time out, and learns why", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: { min: 0, max: 1 }, acquireTimeout: "2800 millis" })
        const { millis, value } = yield* took(Effect.flip(idOf(pool)))
        assert.include(value, {
          _tag: "AcquireTimeout",
          lastCreateError: "the server is down",
          waiting: 1,
          active: 0
        })
        assert.strictEqual(millis, 2800)
        assert.isAbove(server.attempts, 5)
      })
    )
  )

  it.effect("testConnectionRetries2: a server that comes up in time serves who waits", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: { min: 0, max: 1 }, acquireTimeout: "10 seconds" })
        const waiting = yield* fork(took(idOf(pool)))
        yield* Effect.sleep("2 seconds")
        server.down = false
        const { millis, value } = yield* Fiber.join(waiting)
        assert.strictEqual(value, 1)
        assert.isAbove(millis, 2000)
        // The attempts are at most doubling apart.
        assert.isAtMost(millis, 5000)
      })
    )
  )

  it.effect("testConnectionRetries3: one that is given back serves who waits, although creation fails", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: { min: 1, max: 2 }, acquireTimeout: "5 seconds" })
        yield* settled
        const lent = yield* fork(pool.use(() => Effect.sleep("2 seconds")))
        server.down = true
        const { millis, value } = yield* took(idOf(pool))
        yield* Fiber.join(lent)
        assert.deepStrictEqual([value, millis], [1, 2000])
      })
    )
  )

  it.effect("testConnectionRetries4: of several in use each that comes back serves one who waits", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 5 })
        yield* settled
        yield* Effect.forEach([1, 2, 3, 4, 5], (n) => fork(pool.use(() => Effect.sleep(100 * n))))
        const waits = yield* Effect.all(
          Array.from({ length: 5 }, () =>
            took(pool.use(() => Effect.never).pipe(Effect.timeoutOption(1000)))
          ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          waits.map(({ millis }) => millis),
          [1000, 1000, 1000, 1000, 1000]
        )
        assert.include(yield* pool.stats, { active: 0, idle: 5, borrowed: 10 })
      })
    )
  )

  it.effect("creation backs off from 10 ms to 5 s, and stops when nobody needs it any more", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: { min: 0, max: 1 }, acquireTimeout: "1 minute" })
        const waiting = yield* fork(Effect.exit(idOf(pool)))
        const at: Array<number> = []
        for (let seen = 0; seen < 60_000; seen += 5) {
          if (server.attempts > at.length) at.push(seen)
          yield* Effect.sleep(5)
        }
        yield* Fiber.join(waiting)
        const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0))
        assert.isAtMost(gaps[0] ?? Infinity, 20)
        assert.isAtLeast(Math.max(...gaps), 4000)
        assert.isAtMost(Math.max(...gaps), 6010)
        assert.isAtMost(at.length, 25)

        yield* Effect.sleep("10 seconds")
        const { attempts } = server
        yield* Effect.sleep("1 hour")
        assert.strictEqual(server.attempts, attempts)
        assert.include(yield* pool.stats, { total: 0, starting: 0 })
      }).pipe(Random.withSeed("backoff"))
    )
  )

  it.effect("testConnectionIdleFill: a pool whose connections all went fills up to min by itself", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(20) })
        const pool = yield* poolOf(server, { size: { min: 5, max: 10 }, checkHealth: () => false })
        yield* Effect.sleep(30)
        const broken = pool.use(() => Effect.andThen(Effect.sleep(10), Effect.fail("reset")))
        yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.ignore(broken)),
          { concurrency: 5 }
        )
        assert.deepInclude(yield* pool.stats, { idle: 0, starting: 5 })
        yield* Effect.sleep(30)
        assert.deepInclude(yield* pool.stats, { idle: 5, starting: 0, created: 10, destroyed: 5 })
      })
    )
  )
})

describe("HikariCP ShutdownTest", () => {
  const limits = { drain: "1 second", interrupt: "1 second", destroy: "1 second" } as const

  it.effect("testShutdown1: connections in creation and lent ones end with the pool", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(250) })
        const pool = yield* poolOf(server, { size: 10, maxCreating: 4 })
        const borrowers = yield* Effect.forEach([1, 2, 3], () =>
          fork(Effect.exit(pool.use(() => Effect.never)))
        )
        yield* Effect.sleep(400)
        assert.include(yield* pool.stats, { active: 3, idle: 1, starting: 6 })
        const { millis, value } = yield* took(pool.close(limits))
        assert.include(value, { interrupted: 3, leaked: 0 })
        assert.isAtMost(millis, 3000)
        assert.strictEqual(server.open.length, 0)
        assert.include(yield* pool.stats, { total: 0, alive: 0, active: 0 })
        for (const borrower of borrowers) assert.isTrue(Exit.isFailure(yield* Fiber.join(borrower)))
      })
    )
  )

  it.effect("testShutdown2: an idle pool closes in the same instant, and again", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 10 })
        yield* settled
        const { millis } = yield* took(pool.close(limits))
        assert.strictEqual(millis, 0)
        assert.strictEqual(server.open.length, 0)
        assert.deepStrictEqual(yield* pool.close(), { completed: 0, interrupted: 0, abandoned: 0, leaked: 0 })
      })
    )
  )

  it.effect("testShutdown3: closing while the pool fills up leaves none behind", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(100) })
        const pool = yield* poolOf(server, { size: 10, maxCreating: 2 })
        yield* Effect.sleep(250)
        assert.include(yield* pool.stats, { idle: 4 })
        yield* pool.close(limits)
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual([server.made.length, server.open.length], [4, 0])
      })
    )
  )

  it.effect("testShutdown4: closing while the server is down ends the attempts", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: 10 })
        yield* Effect.sleep("1 second")
        yield* pool.close(limits)
        const { attempts } = server
        yield* Effect.sleep("1 hour")
        assert.strictEqual(server.attempts, attempts)
      })
    )
  )

  it.effect("testShutdown5: what comes back after closing goes nowhere", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 5 })
        const scope = yield* Scope.make()
        yield* Scope.provide(Effect.replicateEffect(pool.acquire(), 5), scope)
        yield* pool.close(limits)
        assert.strictEqual(server.open.length, 0)
        yield* Scope.close(scope, Exit.void)
        assert.include(yield* pool.stats, { total: 0, idle: 0, active: 0, created: 5, destroyed: 5 })
        assert.deepStrictEqual(server.mistakes, [])
      })
    )
  )

  it.effect("testAfterShutdown: a closed pool lends nothing and says that it is closed", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 5 })
        yield* pool.close(limits)
        const used = yield* took(Effect.flip(idOf(pool)))
        const acquired = yield* Effect.flip(Effect.scoped(pool.acquire()))
        assert.strictEqual(used.millis, 0)
        for (const error of [used.value, acquired])
          assert.include(error, { _tag: "PoolClosed", pool: "db", state: "closed" })
      })
    )
  )

  it.effect("testShutdownDuringInit: closing while an eager pool starts leaves nothing behind", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("3 seconds") })
        const scope = yield* Scope.make()
        const starting = yield* fork(Scope.provide(poolOf(server, { size: 5, start: "eager" }), scope))
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(starting)
        yield* Scope.close(scope, Exit.void)
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual([server.attempts, server.open.length], [5, 0])
      })
    )
  )

  it.effect("testThreadedShutdown: many borrow while the pool closes, and each is served or told", () =>
    forEverySeed(15, (seed) =>
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(10) })
        const pool = yield* poolOf(server, { size: { min: 2, max: 5 } })
        const borrow = Effect.gen(function* () {
          yield* Effect.sleep(Math.ceil(100 * (yield* Random.next)))
          const during = server.work(Effect.sleep(Math.ceil(50 * (yield* Random.next))))
          const used = pool.use(during)
          const acquired = Effect.scoped(Effect.flatMap(pool.acquire(), during))
          return yield* Effect.result((yield* Random.nextBoolean) ? used : acquired)
        })
        const all = yield* fork(
          Effect.all(
            Array.from({ length: 60 }, () => borrow),
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.sleep(50)
        const reports = yield* Effect.all(
          Array.from({ length: 3 }, () => pool.close({ drain: "10 seconds", interrupt: 100, destroy: 100 })),
          { concurrency: "unbounded" }
        )
        const results = yield* Fiber.join(all)
        assert.deepStrictEqual(reports[0], reports[2])
        assert.include(reports[0], { interrupted: 0, abandoned: 0, leaked: 0 })
        for (const result of results)
          if (result._tag === "Failure") assert.include(result.failure, { _tag: "PoolClosed" })
        assert.deepStrictEqual([server.open.length, server.mistakes], [0, []])
        assert.include(yield* pool.stats, { total: 0, active: 0, waiting: 0, alive: 0 })
      }).pipe(Effect.scoped, Random.withSeed(seed))
    )
  )
})

describe("HikariCP under load", () => {
  it.effect(
    "the spike: 50 callers at once, 150 ms to create and 2 ms of work end with 7 connections at most",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ opening: Effect.sleep(150) })
          const pool = yield* poolOf(server, { size: { min: 5, max: 50 } })
          yield* Effect.sleep("1 second")
          const { millis } = yield* took(
            Effect.all(
              Array.from({ length: 50 }, () => pool.use(server.work(Effect.sleep(2)))),
              {
                concurrency: "unbounded"
              }
            )
          )
          yield* Effect.sleep("1 second")
          assert.isAtMost(server.made.length, 7)
          assert.isAtMost((yield* pool.stats).total, 7)
          // Ten rounds of five: to wait for a new connection would take longer.
          assert.isAtMost(millis, 30)
        })
      )
  )

  it.effect(
    "the spike on a pool that has just begun doubles it at most: nobody knows how long the work is",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ opening: Effect.sleep(150) })
          const pool = yield* poolOf(server, { size: { min: 5, max: 50 } })
          yield* Effect.all(
            Array.from({ length: 50 }, () => pool.use(server.work(Effect.sleep(2)))),
            {
              concurrency: "unbounded"
            }
          )
          yield* Effect.sleep("1 second")
          assert.isAtMost(server.made.length, 10)
        })
      )
  )

  it.effect("ConnectionPoolSizeVsThreads: bursts of short work do not make a connection each", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(100) })
        const pool = yield* poolOf(server, { size: { min: 2, max: 50 } })
        yield* Effect.sleep("1 second")
        for (let burst = 0; burst < 30; burst++) {
          yield* Effect.all(
            Array.from({ length: 20 }, () => pool.use(server.work(Effect.sleep(2)))),
            {
              concurrency: "unbounded"
            }
          )
          yield* Effect.sleep(50)
        }
        assert.isAtMost(server.made.length, 8)
        conserved(yield* pool.stats)
      })
    )
  )

  it.effect("ConnectionPoolSizeVsThreads: long work gets the connections that it needs", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(20) })
        const pool = yield* poolOf(server, { size: { min: 1, max: 30 } })
        const { millis } = yield* took(
          Effect.all(
            Array.from({ length: 30 }, () => pool.use(server.work(Effect.sleep("2 seconds")))),
            {
              concurrency: "unbounded"
            }
          )
        )
        assert.isAtMost(millis, 4100)
        assert.isAtLeast(server.made.length, 15)
      })
    )
  )

  it.effect("TestSaturatedPool830: a pool that was saturated recovers when the load is over", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(10) })
        const pool = yield* poolOf(server, { size: { min: 1, max: 5 }, acquireTimeout: "1 second" })
        // Twice as much as five connections can do.
        const outcomes: Array<string> = []
        const borrowers: Array<Fiber.Fiber<unknown>> = []
        for (let i = 0; i < 600; i++) {
          yield* Effect.sleep(10)
          const borrow = Effect.match(pool.use(server.work(Effect.sleep(100))), {
            onFailure: (error) => void outcomes.push(error._tag),
            onSuccess: () => void outcomes.push("served")
          })
          borrowers.push(yield* fork(borrow))
        }
        yield* Effect.forEach(borrowers, Fiber.join)
        const served = outcomes.filter((outcome) => outcome === "served").length
        assert.isAtLeast(served, 280)
        assert.strictEqual(outcomes.filter((outcome) => outcome === "AcquireTimeout").length, 600 - served)
        assert.isAbove(600 - served, 100)

        yield* Effect.sleep("1 second")
        const { millis } = yield* took(idOf(pool))
        assert.strictEqual(millis, 0)
        const stats = yield* pool.stats
        assert.include(stats, { waiting: 0, active: 0, timeouts: 600 - served, borrowed: served + 1 })
        assert.isAtMost(server.mostOpen, 5)
        yield* Effect.sleep("20 minutes")
        assert.include(yield* pool.stats, { total: 1 })
      })
    )
  )

  it.effect("RampUpDown: from 5 to 60 with the load, and back to 5 without", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(5) })
        const pool = yield* poolOf(server, { size: { min: 5, max: 60 }, idleTimeToLive: "1 second" })
        yield* settled
        yield* Effect.sleep(10)
        assert.include(yield* pool.stats, { total: 5 })
        const holders = yield* Effect.replicateEffect(hold(pool), 60)
        yield* Effect.sleep("30 seconds")
        assert.include(yield* pool.stats, { total: 60, active: 60, waiting: 0 })
        for (const holder of holders) yield* Fiber.interrupt(holder)
        yield* Effect.sleep("5 minutes")
        assert.include(yield* pool.stats, { total: 5, idle: 5, alive: 5 })
        assert.strictEqual(server.mostOpen, 60)
      })
    )
  )

  it.effect(
    "ConnectionRaceCondition: with a time limit that is always near nobody is lent a lost connection",
    () =>
      forEverySeed(10, (seed) =>
        Effect.gen(function* () {
          const server = new Server({ opening: Effect.sleep(5) })
          const pool = yield* poolOf(server, { size: { min: 0, max: 10 }, acquireTimeout: 5, maxUses: 7 })
          const borrow = Effect.gen(function* () {
            const during = server.work(Effect.sleep(Math.ceil(10 * (yield* Random.next))))
            yield* Effect.ignore(
              (yield* Random.nextBoolean)
                ? pool.use(during)
                : Effect.scoped(Effect.flatMap(pool.acquire(), during))
            )
          })
          yield* Effect.all(
            Array.from({ length: 40 }, () => Effect.repeat(borrow, { times: 25 })),
            { concurrency: "unbounded" }
          )
          yield* Effect.sleep(20)
          const stats = yield* pool.stats
          conserved(stats)
          assert.include(stats, { active: 0, waiting: 0, starting: 0 })
          assert.strictEqual(stats.alive, server.open.length)
          assert.deepStrictEqual(server.mistakes, [])
          yield* idOf(pool, { acquireTimeout: "1 second" })
        }).pipe(Effect.scoped, Random.withSeed(seed))
      )
  )
})
