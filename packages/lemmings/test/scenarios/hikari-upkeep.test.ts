import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger, Stream } from "effect"
import type { HerdEvent } from "../../src/index.ts"
import { fork, hold, idOf, poolOf, recycled, Server, settled, timed } from "../support/connections.ts"

describe("HikariCP BasicPoolTest: idle timeout", () => {
  it.effect("what is idle too long goes, but never below min", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: { min: 2, max: 8, initial: 8 },
          idleTimeToLive: "1 second"
        })
        yield* settled
        assert.include(yield* pool.stats, { total: 8 })
        yield* Effect.sleep("2 minutes")
        assert.include(yield* pool.stats, { total: 2, idle: 2, alive: 2 })
        yield* Effect.sleep("1 hour")
        assert.strictEqual(server.open.length, 2)
      })
    )
  )
})

describe("HikariCP HouseKeeperCleanup and clock jumps", () => {
  /** A clock whose wall time may be moved, while monotonic time goes on. */
  const jumping = (clock: Clock.Clock) => {
    const wall = { offset: 0 }
    const millis = () => clock.currentTimeMillisUnsafe() + wall.offset
    const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(wall.offset) * 1_000_000n
    const jumped: Clock.Clock = {
      sleep: (duration) => clock.sleep(duration),
      currentTimeMillisUnsafe: millis,
      currentTimeNanosUnsafe: nanos,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos
    }
    return { wall, clock: jumped }
  }

  it.effect.each([
    ["an hour forward: all are replaced, also those in use", 3_600_000, true],
    ["an hour back: all are replaced, also those in use", -3_600_000, true],
    ["two seconds forward, which is a correction: none is", 2_000, false]
  ] as const)("the wall clock goes %s", ([, offset, replaced]) =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const { clock, wall } = jumping(yield* Clock.Clock)
        yield* Effect.gen(function* () {
          const pool = yield* poolOf(server, { size: 3 })
          const reasons = yield* recycled(pool)
          yield* settled
          const holder = yield* hold(pool)
          yield* Effect.sleep("1 minute")
          wall.offset = offset
          // Promise 16, nothing polls: HikariCP looks every 30 seconds, we when a resource is wanted or something is due.
          yield* pool.use(() => Effect.void)
          yield* Effect.sleep("1 minute")
          assert.deepStrictEqual(server.openIds.length, 3)
          assert.include(server.openIds, 3)
          assert.deepStrictEqual(reasons(), replaced ? ["clock", "clock"] : [])
          yield* Fiber.interrupt(holder)
          yield* settled
          assert.deepStrictEqual(server.made.length, replaced ? 6 : 3)
          // Once, and not at every look from now on.
          yield* Effect.sleep("10 minutes")
          assert.deepStrictEqual(server.made.length, replaced ? 6 : 3)
        }).pipe(Effect.provideService(Clock.Clock, clock))
      })
    )
  )

  it.effect("housekeeping ends with the pool: not one timer is left", () =>
    Effect.gen(function* () {
      // Virtual time dies when nothing will ever happen again.
      const exit = yield* Effect.exit(
        timed(
          Effect.gen(function* () {
            const pool = yield* poolOf(new Server(), { size: 3, validated: true, keepAlive: "1 minute" })
            yield* Effect.sleep("3 minutes")
            yield* pool.close()
            return yield* Effect.never
          })
        )
      )
      assert.include(String(exit._tag === "Failure" ? exit.cause : exit), "no timer is set")
    })
  )
})

describe("HikariCP MiscTest: leak detection", () => {
  it.effect(
    "testLeakDetection: who keeps a connection too long is reported once, with span and stack, and keeps it",
    () => {
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") warnings.push(Array.isArray(message) ? String(message[0]) : String(message))
      })
      return timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 1, leakAfter: "2 seconds" })
          const seen: Array<HerdEvent> = []
          yield* pool.events.pipe(
            Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
            Effect.forkScoped({ startImmediately: true })
          )
          yield* pool.use(() => Effect.sleep("1 second"))
          yield* Effect.scoped(
            Effect.flatMap(pool.acquire(), server.work(Effect.sleep("1 minute"))).pipe(
              Effect.withSpan("forgetful")
            )
          )
          const leaks = seen.flatMap((event) => (event._tag === "LeakSuspected" ? [event] : []))
          assert.strictEqual(leaks.length, 1)
          assert.strictEqual(leaks[0]?.heldMillis, 2000)
          assert.strictEqual(leaks[0]?.span?.name, "forgetful")
          assert.include(leaks[0]?.stack, "hikari-upkeep.test.ts")
          assert.strictEqual(warnings.length, 1)
          assert.include(warnings[0], "forgetful")
          assert.deepStrictEqual([server.openIds, server.mistakes], [[1], []])
        }).pipe(Effect.provide(Logger.layer([logger])))
      )
    }
  )

  it.effect(
    "a borrower that leaks is interrupted where the pool says so, and the next gets a connection",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 1, leakAfter: "2 seconds", onLeak: "interrupt" })
          yield* settled
          const leaker = yield* fork(pool.use(server.work(Effect.never)))
          const began = yield* Clock.currentTimeMillis
          yield* idOf(pool)
          assert.strictEqual((yield* Clock.currentTimeMillis) - began, 2000)
          const exit = yield* Fiber.await(leaker)
          assert.strictEqual(exit._tag, "Failure")
          assert.deepStrictEqual(server.mistakes, [])
        })
      )
  )
})

describe("HikariCP TestMBean: changes while it runs", () => {
  it.effect("setBounds makes and removes connections at once, lent ones when they come back", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: { min: 3, max: 5 } })
        yield* settled
        yield* pool.setBounds({ min: 6, max: 8 })
        yield* settled
        assert.include(yield* pool.stats, { min: 6, max: 8, total: 6, idle: 6 })
        const holders = yield* Effect.replicateEffect(hold(pool), 4)
        yield* pool.setBounds({ min: 1, max: 2 })
        yield* settled
        assert.include(yield* pool.stats, { min: 1, max: 2, alive: 4 })
        assert.isAtMost((yield* pool.stats).total, 2)
        for (const holder of holders) yield* Fiber.interrupt(holder)
        yield* settled
        assert.include(yield* pool.stats, { alive: 2, idle: 2, total: 2 })
      })
    )
  )

  it.effect("resize holds a number until it is automatic again", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: { min: 1, max: 5 } })
        yield* pool.resize(4)
        yield* Effect.sleep("1 hour")
        assert.include(yield* pool.stats, { total: 4, idle: 4 })
        yield* pool.resize("auto")
        yield* Effect.sleep("1 hour")
        assert.include(yield* pool.stats, { total: 1, idle: 1 })
      })
    )
  )
})
