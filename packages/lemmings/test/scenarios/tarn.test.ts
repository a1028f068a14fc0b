import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { AcquireTimeout } from "../../src/index.ts"
import { conserved, fork, hold, poolOf, Server, settled, timed } from "../support/connections.ts"

/** Borrowers that each have a connection until their scope is closed. */
const borrowed = (pool: Effect.Success<ReturnType<typeof poolOf>>, count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const connection = yield* Effect.provideService(pool.acquire(), Scope.Scope, scope)
        return { connection, release: Scope.close(scope, Exit.void) }
      }),
    { concurrency: "unbounded" }
  )

const idOf = (pool: Effect.Success<ReturnType<typeof poolOf>>) => pool.use(({ id }) => Effect.succeed(id))

describe("tarn: options", () => {
  it.effect("options that make no sense are refused by name, value and rule", () =>
    timed(
      Effect.gen(function* () {
        for (const [options, message] of [
          [{ size: { min: -1, max: 1 } }, "size.min must be an integer from 0"],
          [{ size: { min: "two", max: 3 } }, "size.min must be an integer from 0"],
          [{ size: { min: 0, max: 0 } }, "size.max must be an integer from 1"],
          [{ size: { min: 0, max: 1.5 } }, "size.max must be an integer from 1"],
          [{ size: { min: 2, max: 1 } }, "size.min must be at most size.max (1), got 2"],
          [{ size: 1, acquireTimeout: "soon" }, "acquireTimeout must be a duration"],
          [{ size: 1, acquireTimeout: -10 }, "acquireTimeout must be a duration"],
          [{ size: 1, createTimeout: Number.NaN }, "createTimeout must be a duration"],
          [{ size: 1, validateTimeout: "ten" }, "validateTimeout must be a duration"],
          [{ size: 1, shutdown: { destroy: -1 } }, "shutdown.destroy must be a duration"],
          [{ size: 1, idleTimeToLive: -1 }, "idleTimeToLive must be a duration"],
          [{ size: 1, maxWaiting: -1 }, "maxWaiting must be an integer from 0"],
          [{ size: 1, reuse: "random" }, `reuse must be "lifo" or "fifo", got "random"`],
          [{ size: 1, reapInterval: 5 }, "reapInterval must be a setting of the pool"]
        ] as const) {
          const server = new Server()
          const error = yield* Effect.flip(Effect.scoped(poolOf(server, options as never)))
          assert.include(error.message, message)
          assert.strictEqual(server.attempts, 0)
        }
      })
    )
  )
})

describe("tarn: acquire", () => {
  it.effect.each([
    ["at once", Effect.void],
    ["after a while", Effect.sleep("50 millis")],
    ["by a promise", Effect.promise(() => Promise.resolve())]
  ] as const)("acquires the maximum of resources that are created %s", ([, opening]) =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server({ opening }), { size: { min: 2, max: 4 }, scaling: "instant" })
        const loans = yield* borrowed(pool, 4)
        assert.sameMembers(
          loans.map(({ connection }) => connection.id),
          [1, 2, 3, 4]
        )
        assert.include(yield* pool.stats, { active: 4, idle: 0, waiting: 0, starting: 0, created: 4 })
      })
    )
  )

  it.effect("while resources are created those who wait and what starts are counted", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("50 millis") })
        const pool = yield* poolOf(server, { size: { min: 2, max: 4 }, scaling: "instant" })
        yield* Effect.forEach([1, 2, 3, 4], () => hold(pool))
        yield* settled
        assert.include(yield* pool.stats, { active: 0, idle: 0, waiting: 4, starting: 4, created: 0 })
        yield* Effect.sleep("50 millis")
        assert.include(yield* pool.stats, { active: 4, idle: 0, waiting: 0, starting: 0, created: 4 })
      })
    )
  )

  it.effect("tries to create again when creating has failed", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: 1 })
        const borrower = yield* fork(pool.use(() => Effect.succeed("served")))
        yield* Effect.sleep("100 millis")
        assert.isAbove(server.attempts, 2)
        server.down = false
        assert.strictEqual(yield* Fiber.join(borrower), "served")
        conserved(yield* pool.stats)
      })
    )
  )

  it.effect("tries to create again when creating takes too long", () =>
    timed(
      Effect.gen(function* () {
        let calls = 0
        const server = new Server({
          opening: Effect.suspend(() => (++calls === 1 ? Effect.never : Effect.void))
        })
        const pool = yield* poolOf(server, { size: 1, createTimeout: "1 second" })
        assert.strictEqual(yield* pool.use(() => Effect.succeed("served")), "served")
        const now = yield* Clock.currentTimeMillis
        assert.isTrue(now >= 1_000 && now < 1_100, `after ${now} ms`)
        assert.include(yield* pool.stats, { createFailures: 1, created: 1 })
      })
    )
  )

  it.effect("what comes after all from a creation that took too long is closed, not lent", () =>
    timed(
      Effect.gen(function* () {
        let calls = 0
        const slow = Effect.uninterruptible(Effect.sleep("200 millis"))
        const server = new Server({ opening: Effect.suspend(() => (++calls === 1 ? slow : Effect.void)) })
        const pool = yield* poolOf(server, { size: 1, createTimeout: "100 millis" })
        assert.strictEqual(yield* idOf(pool), server.made.length)
        yield* Effect.sleep("1 second")
        assert.strictEqual(server.open.length, 1)
        assert.include(yield* pool.stats, { createFailures: 1, alive: 1 })
      })
    )
  )

  it.effect("never opens more than the maximum, however many ask", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("10 millis") })
        const pool = yield* poolOf(server, { size: { min: 0, max: 5 } })
        const work = pool.use(server.work(Effect.sleep("30 millis")))
        yield* Effect.replicateEffect(work, 100, { concurrency: "unbounded", discard: true })
        assert.isAtMost(server.mostOpen, 5)
        assert.deepStrictEqual(server.mistakes, [])
      })
    )
  )

  it.effect("at the maximum those who wait get what is given back, in their order", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 5 })
        const loans = yield* borrowed(pool, 5)
        const waiting = yield* fork(borrowed(pool, 3))
        yield* Effect.sleep("100 millis")
        assert.isUndefined(waiting.pollUnsafe())
        for (const n of [2, 3, 4]) yield* loans[n]?.release ?? Effect.void
        const got = (yield* Fiber.join(waiting)).map(({ connection }) => connection)
        assert.deepStrictEqual(
          got,
          loans.slice(2).map(({ connection }) => connection)
        )
        assert.strictEqual(server.attempts, 5)
      })
    )
  )

  it.effect("a pending acquire that is given up leaves its place", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        const [loan] = yield* borrowed(pool, 1)
        const first = yield* hold(pool)
        const second = yield* fork(pool.use(() => Effect.succeed("second")))
        yield* settled
        assert.strictEqual((yield* pool.stats).waiting, 2)
        yield* Fiber.interrupt(first)
        yield* loan?.release ?? Effect.void
        assert.strictEqual(yield* Fiber.join(second), "second")
      })
    )
  )

  it.effect("giving up a pending acquire does not give up the creation for the next", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("100 millis") })
        const pool = yield* poolOf(server, { size: { min: 0, max: 1 } })
        const first = yield* hold(pool)
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(first)
        assert.include(yield* pool.stats, { active: 0, idle: 0, waiting: 0, starting: 1 })
        yield* Effect.sleep("51 millis")
        assert.include(yield* pool.stats, { active: 0, idle: 1, waiting: 0, starting: 0 })
        assert.strictEqual(yield* idOf(pool), 1)
        assert.strictEqual(server.attempts, 1)
      })
    )
  )

  it.effect("fails at its time when all are lent, and says how it stands", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 2, acquireTimeout: "1 second" })
        yield* borrowed(pool, 2)
        const began = yield* Clock.currentTimeMillis
        const error = yield* Effect.flip(pool.use(() => Effect.void))
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 1_000)
        assert.instanceOf(error, AcquireTimeout)
        assert.include(error, { total: 2, active: 2, idle: 0, waiting: 1, timeoutMillis: 1_000 })
        assert.include(yield* pool.stats, { timeouts: 1, active: 2, waiting: 0 })
      })
    )
  )

  it.effect("after a time-out the next borrower is served as if nothing had been", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, acquireTimeout: "1 second" })
        const [loan] = yield* borrowed(pool, 1)
        yield* Effect.flip(pool.use(() => Effect.void))
        yield* loan?.release ?? Effect.void
        assert.strictEqual(yield* pool.use(() => Effect.succeed(1)), 1)
      })
    )
  )

  it.effect.each([
    ["fails", Effect.fail("refused")],
    ["throws", Effect.die(new Error("refused"))],
    ["fails after a while", Effect.andThen(Effect.sleep("10 millis"), Effect.fail("refused"))]
  ] as const)("recovers after a time-out with a create that %s", ([, broken]) =>
    timed(
      Effect.gen(function* () {
        let works = false
        const opening = Effect.suspend((): Effect.Effect<void, unknown> => (works ? Effect.void : broken))
        const pool = yield* poolOf(new Server({ opening }), { size: 1, acquireTimeout: "1 second" })
        const error = yield* Effect.flip(pool.use(() => Effect.void))
        assert.instanceOf(error, AcquireTimeout)
        assert.include(error.message, "refused")
        assert.strictEqual(yield* Clock.currentTimeMillis, 1_000)
        assert.include(yield* pool.stats, { active: 0, idle: 0, waiting: 0, created: 0 })
        works = true
        yield* Effect.sleep("6 seconds")
        assert.strictEqual(yield* idOf(pool), 1)
      })
    )
  )

  it.effect("propagateCreateError: the time-out has the last error of creating", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: 1, acquireTimeout: "1 second" })
        const error = yield* Effect.flip(pool.use(() => Effect.void))
        assert.instanceOf(error, AcquireTimeout)
        assert.strictEqual(error.lastCreateError, "the server is down")
        assert.include(error.message, "onCreate fails: the server is down")
        server.down = false
        yield* Effect.sleep("6 seconds")
        assert.strictEqual(yield* pool.use(() => Effect.succeed("recovered")), "recovered")
        assert.notProperty(yield* pool.stats, "lastCreateError")
      })
    )
  )
})

describe("tarn: validate", () => {
  it.effect.each([
    ["says no", Effect.void],
    ["says no after a while", Effect.sleep("20 millis")],
    ["fails", Effect.fail("no route")],
    ["throws", Effect.die(new Error("thrown"))],
    ["never answers", Effect.never]
  ] as const)("a resource whose validate %s is replaced before anybody gets it", ([, checking]) =>
    timed(
      Effect.gen(function* () {
        let asked = 0
        const server = new Server({
          checking: Effect.suspend((): Effect.Effect<void, unknown> =>
            ++asked === 1 ? checking : Effect.void
          )
        })
        const pool = yield* poolOf(server, { size: 1, validated: true })
        yield* pool.use(() => Effect.void)
        yield* Effect.sleep("1 second")
        for (const connection of server.made) connection.valid = false
        assert.strictEqual(yield* idOf(pool), 2)
        assert.deepStrictEqual(server.openIds, [2])
        assert.include(yield* pool.stats, { invalid: 1, created: 2, destroyed: 1 })
      })
    )
  )

  it.effect("of several resources only the one that is not valid is replaced", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ checking: Effect.sleep("10 millis") })
        const pool = yield* poolOf(server, { size: 2, validated: true })
        yield* Effect.sleep("1 second")
        for (const connection of server.made) connection.valid = connection.id !== 1
        const loans = yield* borrowed(pool, 2)
        assert.sameMembers(
          loans.map(({ connection }) => connection.id),
          [2, 3]
        )
        assert.sameMembers([...server.checks], [1, 2])
        assert.include(yield* pool.stats, { created: 3, destroyed: 1 })
      })
    )
  )

  it.effect("a resource that was validated for somebody who left goes back to the pool", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ checking: Effect.sleep("100 millis") })
        const pool = yield* poolOf(server, { size: 1, validated: true })
        yield* pool.use(() => Effect.void)
        yield* Effect.sleep("1 second")
        const left = yield* hold(pool)
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(left)
        yield* Effect.sleep("100 millis")
        assert.include(yield* pool.stats, { idle: 1, active: 0, total: 1 })
        assert.deepStrictEqual(server.openIds, [1])
        // It has been found good just now: the next one need not wait for it.
        assert.strictEqual(yield* idOf(pool), 1)
        assert.deepStrictEqual(server.checks, [1])
      })
    )
  )

  it.effect("who gives up need not wait for a validate that hangs, whose resource is destroyed", () =>
    timed(
      Effect.gen(function* () {
        let asked = 0
        const checking = Effect.suspend(() => (++asked === 1 ? Effect.never : Effect.void))
        const server = new Server({ checking })
        const pool = yield* poolOf(server, { size: 1, validated: true, validateTimeout: "5 seconds" })
        yield* Effect.sleep("1 second")
        const pending = yield* hold(pool)
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(pending)
        assert.strictEqual(yield* Clock.currentTimeMillis, 1_020)
        yield* Effect.sleep("5 seconds")
        assert.deepStrictEqual(server.openIds, [2])
      })
    )
  )

  it.effect(
    "all are served although a third of the validations fail, and each failure costs one resource",
    () =>
      timed(
        Effect.gen(function* () {
          let asked = 0
          let failed = 0
          let served = 0
          const server = new Server({
            checking: Effect.gen(function* () {
              const fails = ++asked % 3 === 0 && failed < 10
              if (fails) failed++
              yield* Effect.sleep("10 millis")
              if (fails) return yield* Effect.fail("flaky")
            })
          })
          const pool = yield* poolOf(server, { size: 3, validated: true, validateAfter: 0 })
          // One that is new or was just used is not asked: there must be some time between two uses.
          const turn = Effect.gen(function* () {
            // Whoever a resource was asked for gets it without a second question, however short `validateAfter` is: of 100
            // uses, which tarn's test has, too few are asked for ten failures.
            for (let n = 0; n < 40; n++) {
              yield* Effect.sleep("5 millis")
              yield* pool.use(server.work(Effect.sync(() => served++)))
            }
          })
          yield* Effect.replicateEffect(turn, 4, { concurrency: "unbounded", discard: true })
          assert.strictEqual(served, 160)
          assert.strictEqual(failed, 10)
          yield* settled
          assert.include(yield* pool.stats, { invalid: 10, destroyed: 10, created: 13, total: 3 })
          assert.deepStrictEqual(server.mistakes, [])
        })
      )
  )

  it.effect("closing while resources are validated serves those who wait, and destroys all", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ checking: Effect.sleep("80 millis") })
        const pool = yield* poolOf(server, { size: 3, validated: true })
        yield* Effect.sleep("1 second")
        let served = 0
        const borrower = pool.use(server.work(Effect.sync(() => served++)))
        const all = yield* fork(
          Effect.replicateEffect(borrower, 20, { concurrency: "unbounded", discard: true })
        )
        yield* Effect.sleep("40 millis")
        assert.include(yield* pool.stats, { active: 0, starting: 3, waiting: 20 })
        yield* pool.close()
        yield* Fiber.join(all)
        assert.strictEqual(served, 20)
        assert.deepStrictEqual(server.openIds, [])
        assert.include(yield* pool.stats, { created: 3, destroyed: 3 })
      })
    )
  )

  it.effect("closing while a resource is validated, and not waiting for it, destroys it", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ checking: Effect.sleep("1 hour") })
        const pool = yield* poolOf(server, { size: 1, validated: true, validateTimeout: "1 day" })
        yield* Effect.sleep("1 second")
        const pending = yield* fork(Effect.flip(pool.use(() => Effect.void)))
        yield* settled
        const began = yield* Clock.currentTimeMillis
        yield* pool.close({ drain: 0 })
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 0)
        assert.strictEqual((yield* Fiber.join(pending))._tag, "PoolClosed")
        assert.deepStrictEqual(server.openIds, [])
      })
    )
  )

  it.effect(
    "with a validate that always fails nothing piles up, and who gets nothing in time is told so",
    () =>
      timed(
        Effect.gen(function* () {
          // A resource is good when it is new: only what was idle is asked.
          const server = new Server({
            checking: Effect.andThen(Effect.sleep("300 millis"), Effect.fail("never good")),
            opening: Effect.sleep("300 millis")
          })
          const pool = yield* poolOf(server, { size: 1, validated: true, acquireTimeout: "500 millis" })
          yield* Effect.sleep("300 millis")
          for (let round = 1; round <= 50; round++) {
            yield* Effect.sleep("1 second")
            const began = yield* Clock.currentTimeMillis
            const error = yield* Effect.flip(pool.use(() => Effect.void))
            assert.instanceOf(error, AcquireTimeout)
            assert.strictEqual((yield* Clock.currentTimeMillis) - began, 500)
            assert.isAtMost(server.open.length, 1)
            assert.include(yield* pool.stats, {
              invalid: round,
              destroyed: round,
              timeouts: round,
              waiting: 0
            })
          }
          // One that comes while the new one is made waits for it, and is served.
          const pending = fork(idOf(pool))
          yield* Effect.sleep("1 second")
          yield* Effect.exit(pool.use(() => Effect.void))
          assert.strictEqual(yield* Fiber.join(yield* pending), 52)
        })
      )
  )
})
