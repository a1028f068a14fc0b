import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, Scope } from "effect"
import {
  conserved,
  fork,
  hold,
  idOf,
  type Pool,
  poolOf,
  recycled,
  Server,
  settled,
  timed
} from "../support/connections.ts"

/** Lends whatever there is to one borrower, who says when it goes back. */
const borrowAll = (pool: Pool, count: number) => Effect.replicateEffect(pool.acquire(), count)

describe("HikariCP TestConnections: lifetime", () => {
  it.effect(
    "testMaxLifetime: an idle connection is replaced at the end of its life, not much before and not after",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 1, maxLifetime: "10 minutes" })
          const reasons = yield* recycled(pool)
          yield* settled
          // Less 2.5 %.
          yield* Effect.sleep("584 seconds")
          assert.deepStrictEqual(server.openIds, [1])
          yield* Effect.sleep("17 seconds")
          assert.deepStrictEqual(server.openIds, [2])
          assert.deepStrictEqual(reasons(), ["expired"])
          assert.isAtMost(server.mostOpen, 1)
        })
      )
  )

  it.effect("testMaxLifetime: connections that were made together do not end together", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        yield* poolOf(server, { size: 20, maxLifetime: "30 minutes" })
        yield* Effect.sleep("31 minutes")
        const ends = server.made.slice(20).map(({ madeAt }) => madeAt)
        assert.strictEqual(ends.length, 20)
        assert.isAbove(new Set(ends).size, 10)
        assert.isAtLeast(Math.min(...ends), 1_755_000)
        assert.isAtMost(Math.max(...ends), 1_800_001)
      }).pipe(Random.withSeed("lifetimes"))
    )
  )

  it.effect("testMaxLifetime2: one in use is never closed, and is replaced when it comes back", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, maxLifetime: "1 minute" })
        yield* pool.use(server.work(Effect.sleep("1 hour")))
        assert.strictEqual(yield* idOf(pool), 2)
        assert.deepStrictEqual([server.openIds, server.mistakes], [[2], []])
      })
    )
  )

  it.effect("a lifetime without end ends none", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, maxLifetime: "never" })
        yield* Effect.sleep("20 hours")
        assert.strictEqual(yield* idOf(pool), 1)
      })
    )
  )
})

describe("HikariCP TestConnections: keepalive", () => {
  it.effect(
    "testKeepalive: an idle connection is validated every keepAlive less up to a tenth, a lent one never",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 2, validated: true, keepAlive: "1 minute" })
          yield* settled
          const holder = yield* hold(pool)
          yield* Effect.sleep("53 seconds")
          assert.deepStrictEqual(server.checks, [])
          yield* Effect.sleep("8 seconds")
          assert.deepStrictEqual(server.checks, [1])
          yield* Effect.sleep("9 minutes")
          yield* Fiber.interrupt(holder)
          assert.isAtLeast(server.checks.length, 10)
          assert.isAtMost(server.checks.length, 12)
          assert.deepStrictEqual([...new Set(server.checks)], [1])
          assert.deepStrictEqual(server.mistakes, [])
        })
      )
  )

  it.effect("testKeepalive2: one that has died is replaced before anybody gets it", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, validated: true, keepAlive: "1 minute" })
        const reasons = yield* recycled(pool)
        yield* settled
        const [first] = server.open
        if (first !== undefined) first.valid = false
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual(server.openIds, [2])
        assert.deepStrictEqual(reasons(), ["invalid"])
        assert.include(yield* pool.stats, { invalid: 1, created: 2, idle: 1 })
      })
    )
  )
})

describe("HikariCP TestConnections: giving back and evicting", () => {
  it.effect("testDoubleClose: giving back twice gives back once", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        const scope = yield* Scope.make()
        yield* Scope.provide(pool.acquire(), scope)
        yield* Scope.close(scope, yield* Effect.exit(Effect.void))
        yield* Scope.close(scope, yield* Effect.exit(Effect.void))
        yield* fork(pool.use(() => Effect.never))
        yield* settled
        assert.include(yield* pool.stats, { active: 1, idle: 0, total: 1 })
        assert.include(yield* Effect.flip(idOf(pool, { acquireTimeout: 10 })), { _tag: "AcquireTimeout" })
      })
    )
  )

  it.effect("ConcurrentCloseConnection: of many that give back at once only one does", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        const scope = yield* Scope.make()
        yield* Scope.provide(pool.acquire(), scope)
        const closing = Effect.flatMap(Effect.exit(Effect.void), (exit) => Scope.close(scope, exit))
        yield* Effect.all(
          Array.from({ length: 500 }, () => closing),
          { concurrency: "unbounded" }
        )
        assert.include(yield* pool.stats, { active: 0, idle: 1, total: 1, borrowed: 1 })
      })
    )
  )

  it.effect(
    "testCloseMarkEvicted and testEviction1: a lent connection that is evicted goes when it comes back",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 5 })
          yield* settled
          yield* pool.use((connection) =>
            Effect.andThen(
              pool.invalidate(connection),
              Effect.sync(() => assert.isFalse(connection.closed))
            )
          )
          yield* settled
          assert.deepStrictEqual(server.openIds, [1, 2, 3, 4, 6])
          assert.include(yield* pool.stats, { total: 5, idle: 5 })
        })
      )
  )

  it.effect("testEviction2: an idle connection that is evicted goes at once, and the pool fills up", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 5 })
        yield* settled
        const [first] = server.open
        if (first === undefined) return assert.fail("there is none")
        yield* pool.invalidate(first)
        assert.isTrue(first.closed || (yield* pool.stats).starting === 1)
        yield* settled
        assert.deepStrictEqual(server.openIds, [2, 3, 4, 5, 6])
      })
    )
  )

  it.effect("testEviction3: evicting all but those in use makes no more than max meanwhile", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(10) })
        const pool = yield* poolOf(server, { size: 5 })
        yield* Effect.sleep(11)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const lent = yield* borrowAll(pool, 2)
            assert.strictEqual(yield* pool.evictAll(), 5)
            yield* Effect.sleep(20)
            assert.deepStrictEqual(
              lent.map(({ closed }) => closed),
              [false, false]
            )
            assert.include(yield* pool.stats, { total: 5, active: 2, idle: 3 })
          })
        )
        yield* Effect.sleep(20)
        assert.deepStrictEqual(
          server.openIds.every((id) => id > 5),
          true
        )
        assert.include(yield* pool.stats, { total: 5, idle: 5, alive: 5 })
        assert.isAtMost(server.mostOpen, 5)
      })
    )
  )

  it.effect("testEvictAllRefill: after evictAll the pool has as many as before, all new", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(50) })
        const pool = yield* poolOf(server, { size: { min: 5, max: 10 } })
        yield* Effect.sleep(60)
        for (let round = 1; round <= 3; round++) {
          assert.strictEqual(yield* pool.evictAll(), 5)
          yield* Effect.sleep(60)
          assert.include(yield* pool.stats, { total: 5, idle: 5, created: 5 * (round + 1) })
        }
        assert.deepStrictEqual(server.openIds, [16, 17, 18, 19, 20])
      })
    )
  )

  it.effect("testBackfill: what breaks while the server is down is made again when it is up", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: { min: 1, max: 4 },
          checkHealth: () => false,
          maxUses: 100
        })
        yield* settled
        server.down = true
        yield* Effect.ignore(pool.use(() => Effect.fail("the connection is reset")))
        const late = yield* Effect.flip(idOf(pool, { acquireTimeout: "3 seconds" }))
        assert.include(late, {
          _tag: "AcquireTimeout",
          total: 1,
          active: 0,
          lastCreateError: "the server is down"
        })
        assert.include(late.message, "the server is down")
        server.down = false
        yield* Effect.sleep("10 seconds")
        assert.include(yield* pool.stats, { total: 1, idle: 1 })
        assert.notProperty(yield* pool.stats, "lastCreateError")
        assert.isAtMost(yield* idOf(pool), 3)
      })
    )
  )

  it.effect(
    "testMaximumPoolLimit: however many borrow, and however often connections go, max is never passed",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ opening: Effect.sleep(5) })
          const pool = yield* poolOf(server, { size: { min: 1, max: 4 }, maxUses: 3 })
          const borrow = pool.use(server.work(Effect.sleep(50)))
          yield* Effect.all(
            Array.from({ length: 200 }, () => borrow),
            { concurrency: 20 }
          )
          conserved(yield* pool.stats)
          assert.strictEqual(server.mostOpen, 4)
          assert.deepStrictEqual(server.mistakes, [])
          assert.isAtMost(Math.max(...server.made.map(({ uses }) => uses)), 3)
        })
      )
  )
})

describe("HikariCP TestConnections: suspending", () => {
  it.effect(
    "testSuspendResume: a suspended pool lends nothing, though it has idle ones; resumed it goes on",
    () =>
      timed(
        Effect.gen(function* () {
          const pool = yield* poolOf(new Server(), { size: 3 })
          yield* settled
          const holder = yield* hold(pool)
          yield* pool.pause
          const late = yield* Effect.flip(idOf(pool, { acquireTimeout: "2 seconds" }))
          assert.include(late, { _tag: "AcquireTimeout", total: 3, active: 1, idle: 2 })
          const waiting = yield* fork(idOf(pool))
          yield* Fiber.interrupt(holder)
          yield* Effect.sleep("5 seconds")
          assert.include(yield* pool.stats, { paused: true, waiting: 1, active: 0, idle: 3 })
          yield* pool.resume
          yield* Fiber.join(waiting)
          assert.include(yield* pool.stats, { paused: false, waiting: 0, idle: 3 })
        })
      )
  )

  it.effect(
    "testSuspendResumeWithThrow: a pool that is suspended can be evicted, closed and does not hang",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 3 })
          yield* settled
          yield* pool.pause
          yield* pool.evictAll()
          yield* settled
          assert.deepStrictEqual(server.openIds, [4, 5, 6])
          const waiting = yield* fork(idOf(pool))
          const report = yield* pool.close()
          assert.strictEqual(report.completed, 1)
          yield* Fiber.join(waiting)
          assert.strictEqual(server.open.length, 0)
        })
      )
  )
})

describe("HikariCP TestConnections: starting", () => {
  it.effect("testInitializationFailure1: eager, the first error is the pool's", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const error = yield* Effect.flip(poolOf(server, { size: 3, start: "eager" }))
        assert.include(error, { _tag: "ResourceUnavailable", cause: "the server is down" })
      })
    )
  )

  it.effect("testInitializationFailure2: eager, the pool is there when its connections are", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server({ opening: Effect.sleep(150) }), { size: 3, start: "eager" })
        assert.strictEqual(yield* Clock.currentTimeMillis, 150)
        assert.include(yield* pool.stats, { idle: 3, starting: 0 })
      })
    )
  )

  it.effect("in the background the pool is there at once, lazy only a borrower makes it begin", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(150) })
        const background = yield* poolOf(server, { size: 3, start: "background" })
        assert.include(yield* background.stats, { idle: 0, starting: 3 })
        const sleeping = new Server({ opening: Effect.sleep(150) })
        const lazy = yield* poolOf(sleeping, { size: 3, start: "lazy" })
        yield* Effect.sleep("1 hour")
        assert.strictEqual(sleeping.attempts, 0)
        assert.strictEqual(yield* idOf(lazy), 1)
        yield* settled
        assert.include(yield* lazy.stats, { idle: 3, total: 3 })
      })
    )
  )

  it.effect("testPopulationSlowAcquisition: slow creation fills the pool, a bounded number at a time", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("1 second") })
        const pool = yield* poolOf(server, { size: 20, maxCreating: 5 })
        yield* Effect.sleep("3 seconds")
        assert.include(yield* pool.stats, { idle: 10, starting: 10 })
        yield* Effect.sleep("1100 millis")
        assert.include(yield* pool.stats, { idle: 20, starting: 0 })
        assert.strictEqual(server.mostOpening, 5)
      })
    )
  )

  it.effect(
    "testMinimumIdleZero: with min 0 a borrower gets a connection, and afterwards there is none again",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ opening: Effect.sleep(10) })
          const pool = yield* poolOf(server, { size: { min: 0, max: 5 }, acquireTimeout: "1 second" })
          yield* Effect.sleep("1 minute")
          assert.strictEqual(server.attempts, 0)
          assert.strictEqual(yield* idOf(pool), 1)
          yield* Effect.sleep("15 minutes")
          assert.deepStrictEqual(server.openIds, [])
          assert.strictEqual(yield* idOf(pool), 2)
        })
      )
  )
})
