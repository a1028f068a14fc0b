import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Random, Scope } from "effect"
import { AcquireTimeout, PoolClosed, QueueFull } from "../../src/index.ts"
import { forEverySeed } from "../../src/testing/index.ts"
import { conserved, fork, poolOf, Server, settled, timed } from "../support/connections.ts"

describe("ResourcePool: closing", () => {
  const limits = { drain: "30 seconds", interrupt: "5 seconds", destroy: "5 seconds" } as const

  it.effect("waits for what is lent, refuses new borrowers, and destroys everything", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 2 })
        yield* settled
        const borrower = yield* fork(pool.use(server.work(Effect.as(Effect.sleep("3 seconds"), "done"))))
        const waiting = yield* fork(
          Effect.all(
            [0, 1].map(() => pool.use(() => Effect.sleep("1 second"))),
            { concurrency: 2 }
          )
        )
        const report = yield* fork(pool.close(limits))
        const refused = yield* Effect.flip(pool.use(() => Effect.void))
        const refusedToo = yield* Effect.flip(Effect.scoped(pool.acquire()))

        assert.deepStrictEqual(yield* Fiber.join(report), {
          completed: 3,
          interrupted: 0,
          abandoned: 0,
          leaked: 0
        })
        assert.strictEqual(yield* Fiber.join(borrower), "done")
        yield* Fiber.join(waiting)
        for (const error of [refused, refusedToo]) {
          assert.instanceOf(error, PoolClosed)
          assert.strictEqual(error.state, "draining")
        }
        assert.deepStrictEqual([server.open.length, server.mistakes], [0, []])
        assert.include(yield* pool.stats, { state: "closed", total: 0, alive: 0, created: 2, destroyed: 2 })
      })
    )
  )

  it.effect("takes its resource from whoever keeps it beyond the limits, and tells those who wait", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1 })
        const scope = yield* Scope.make()
        const lent = yield* Scope.provide(pool.acquire(), scope)
        const waiting = yield* fork(Effect.flip(pool.use(() => Effect.void, { acquireTimeout: "1 hour" })))
        const began = yield* Clock.currentTimeMillis
        const report = yield* pool.close(limits)

        assert.deepStrictEqual(report, { completed: 0, interrupted: 1, abandoned: 1, leaked: 0 })
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 30_000)
        assert.isTrue(lent.closed)
        assert.include(yield* Fiber.join(waiting), { _tag: "PoolClosed" })
        // Giving back what is no more has no effect.
        yield* Scope.close(scope, Exit.void)
        assert.include(yield* pool.stats, { active: 0, alive: 0 })
      })
    )
  )

  it.effect("leaves behind a borrower that cannot be interrupted, and says so", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1 })
        yield* settled
        const stuck = yield* Effect.forkDetach(
          pool.use(() => Effect.uninterruptible(Effect.sleep("2 hours"))),
          {
            startImmediately: true
          }
        )
        const began = yield* Clock.currentTimeMillis
        const report = yield* pool.close(limits)
        const took = (yield* Clock.currentTimeMillis) - began

        assert.deepStrictEqual(report, { completed: 0, interrupted: 1, abandoned: 0, leaked: 1 })
        assert.strictEqual(took, 35_000)
        assert.include(yield* Effect.flip(Fiber.join(stuck)), { _tag: "PoolClosed" })
      }),
      { limit: "3 hours" }
    )
  )

  it.effect("leaves behind an onDestroy that hangs, and says so", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server({ closing: Effect.uninterruptible(Effect.sleep("2 hours")) }), {
          size: 2
        })
        yield* settled
        const began = yield* Clock.currentTimeMillis
        const report = yield* pool.close(limits)
        assert.deepStrictEqual(report, { completed: 0, interrupted: 0, abandoned: 0, leaked: 2 })
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 5_000)
        assert.include(yield* pool.stats, { leaked: 2, alive: 0, state: "closed" })
      }),
      { limit: "3 hours" }
    )
  )

  it.effect("leaves behind an onCreate that hangs and cannot be interrupted, and says so", () =>
    timed(
      Effect.gen(function* () {
        const opening = Effect.uninterruptible(Effect.sleep("2 hours"))
        const pool = yield* poolOf(new Server({ opening }), { size: 2 })
        const waiting = yield* fork(Effect.flip(pool.use(() => Effect.void, { acquireTimeout: "1 hour" })))
        yield* settled
        const began = yield* Clock.currentTimeMillis
        const report = yield* pool.close({ drain: "1 second", interrupt: "1 second", destroy: "1 second" })
        assert.include(report, { completed: 0, interrupted: 0, abandoned: 1, leaked: 2 })
        assert.isAtMost((yield* Clock.currentTimeMillis) - began, 4_000)
        assert.include(yield* Fiber.join(waiting), { _tag: "PoolClosed" })
      }),
      { limit: "3 hours" }
    )
  )

  it.effect("an eager pool that cannot start tries no more, although its scope lives on", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const error = yield* Effect.flip(poolOf(server, { size: 2, start: "eager" }))
        const { attempts } = server
        yield* Effect.sleep("1 hour")
        assert.include(error, { _tag: "ResourceUnavailable", cause: "the server is down" })
        assert.strictEqual(server.attempts, attempts)
      })
    )
  )
})

describe("ResourcePool: conservation", () => {
  // Something takes a while, fails, or hangs beyond its limit; by the seed.
  const uncertain = (part: number, hang: Effect.Effect<unknown> = Effect.never) =>
    Effect.flatMap(Random.next, (draw) =>
      draw < part ? Effect.fail("flaky") : draw < part * 1.3 ? hang : Effect.sleep(Math.ceil(draw * 20))
    )

  it.effect("nothing is lost or counted twice under any load, with whatever fails and hangs", () =>
    forEverySeed(12, (seed) =>
      Effect.gen(function* () {
        const server = new Server({
          opening: uncertain(0.2),
          checking: uncertain(0.2),
          closing: uncertain(0.2, Effect.sleep("20 seconds"))
        })
        const pool = yield* poolOf(server, {
          size: { min: 1, max: 6 },
          validated: true,
          validateAfter: 20,
          validateTimeout: 50,
          createTimeout: 100,
          maxLifetime: "3 seconds",
          idleTimeToLive: "1 second",
          keepAlive: 700,
          maxUses: 8,
          acquireTimeout: 400,
          maxWaiting: 12,
          checkHealth: () => false,
          shutdown: { drain: "2 seconds", interrupt: "1 second", destroy: "1 second" }
        })
        const check = Effect.map(pool.stats, conserved)
        const outcomes = { served: 0, timeouts: 0, full: 0, failed: 0, left: 0 }
        const borrow = Effect.gen(function* () {
          const draw = yield* Random.next
          const millis = Math.ceil(60 * (yield* Random.next))
          const during = Effect.andThen(check, draw < 0.1 ? Effect.fail("own") : Effect.sleep(millis))
          const way =
            draw < 0.5
              ? pool.use(server.work(during), { priority: draw < 0.2 ? "high" : "normal" })
              : Effect.scoped(Effect.flatMap(pool.acquire(), server.work(during)))
          const exit = yield* Effect.exit(Effect.timeoutOption(way, (yield* Random.next) < 0.2 ? 30 : 2000))
          yield* check
          if (exit._tag === "Success") outcomes[exit.value._tag === "Some" ? "served" : "left"]++
          else {
            const error = Cause.squash(exit.cause)
            if (error === "own") outcomes.failed++
            else if (error instanceof AcquireTimeout) outcomes.timeouts++
            else if (error instanceof QueueFull) outcomes.full++
            else return yield* Effect.die(error)
          }
        })
        const borrowers: Array<Fiber.Fiber<void>> = []
        for (let i = 0; i < 300; i++) {
          yield* Effect.sleep(Math.ceil(20 * (yield* Random.next)))
          borrowers.push(yield* fork(borrow))
          if (i % 60 === 30) yield* pool.evictAll()
          if (i % 90 === 45) yield* pool.setBounds({ min: i % 3, max: 3 + (i % 4) })
        }
        yield* Effect.forEach(borrowers, Fiber.join)
        yield* check
        const after = yield* pool.stats
        assert.include(after, { active: 0, waiting: 0 })
        assert.strictEqual(after.timeouts, outcomes.timeouts)
        assert.strictEqual(
          outcomes.served + outcomes.failed + outcomes.left + outcomes.timeouts + outcomes.full,
          300
        )
        assert.isAbove(outcomes.served, 50)

        yield* pool.close()
        const closed = yield* pool.stats
        conserved(closed)
        assert.include(closed, { total: 0, alive: 0, state: "closed" })
        yield* Effect.sleep("1 minute")
        assert.strictEqual(server.open.length, 0)
        assert.deepStrictEqual(server.mistakes, [])
      }).pipe(Effect.scoped, Random.withSeed(seed))
    )
  )
})
