import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Scope } from "effect"
import { Herd, ResourcePool, ScalingPolicy } from "../../src/index.ts"
import { fork, hold, poolOf, Server, settled, timed } from "../support/connections.ts"

describe("ResourcePool: what is bad is replaced", () => {
  it.effect("one that is lost again and again after a second is replaced at once each time", () =>
    timed(
      Effect.gen(function* () {
        let made = 0
        yield* ResourcePool.make("short-lived", {
          onCreate: Effect.sync(() => ({ n: ++made })),
          awaitLost: () => Effect.sleep("1 second"),
          size: 1
        })
        yield* Effect.sleep("60 seconds")
        assert.isAtLeast(made, 60)
      })
    )
  )

  it.effect("a failure for which checkHealth says no replaces the resource, of use and of acquire", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: 1,
          checkHealth: (cause) => Cause.squash(cause) !== "broken"
        })
        yield* Effect.ignore(pool.use(() => Effect.fail("fine")))
        yield* settled
        assert.deepStrictEqual(server.openIds, [1])

        yield* Effect.ignore(pool.use(() => Effect.fail("broken")))
        yield* settled
        assert.deepStrictEqual(server.openIds, [2])

        yield* Effect.ignore(Effect.scoped(Effect.andThen(pool.acquire(), Effect.fail("fine"))))
        yield* settled
        assert.deepStrictEqual(server.openIds, [2])

        yield* Effect.ignore(Effect.scoped(Effect.andThen(pool.acquire(), Effect.fail("broken"))))
        yield* settled
        assert.deepStrictEqual(server.openIds, [3])
        assert.include(yield* pool.stats, { created: 3, destroyed: 2, idle: 1, active: 0 })
      })
    )
  )

  it.effect(
    "a borrower whose resource is unhealthy runs once: only it knows whether that is safe to repeat",
    () =>
      timed(
        Effect.gen(function* () {
          const pool = yield* poolOf(new Server(), { size: 1, checkHealth: () => false })
          let runs = 0
          yield* Effect.ignore(
            pool.use(() =>
              Effect.andThen(
                Effect.sync(() => runs++),
                Effect.fail("broken")
              )
            )
          )
          assert.strictEqual(runs, 1)
        })
      )
  )

  it.effect(
    "invalidate replaces a lent resource when it comes back, an idle one at once, and knows no others",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 2 })
          yield* settled
          const [lent, again] = yield* pool.use((connection) =>
            Effect.tap(Effect.all([pool.invalidate(connection), pool.invalidate(connection)]), () =>
              Effect.sync(() => assert.isFalse(connection.closed))
            )
          )
          yield* settled
          assert.deepStrictEqual([lent, again], [true, false])
          assert.deepStrictEqual(server.openIds, [1, 3])

          const [idle] = server.open
          if (idle === undefined) return assert.fail("there is none")
          assert.isTrue(yield* pool.invalidate(idle))
          yield* settled
          assert.deepStrictEqual(server.openIds, [3, 4])

          const stranger = { ...idle }
          assert.isFalse(yield* pool.invalidate(idle))
          assert.isFalse(yield* pool.invalidate(stranger))
          yield* settled
          assert.deepStrictEqual(server.openIds, [3, 4])
        })
      )
  )

  it.effect("invalidate of nothing replaces nothing", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* ResourcePool.make("void", { onCreate: Effect.void, size: 2 })
        yield* settled
        assert.isFalse(yield* pool.invalidate(undefined))
        yield* settled
        assert.include(yield* pool.stats, { created: 2, destroyed: 0 })
      })
    )
  )

  it.effect("a resource that is evicted while it is validated is replaced although it is valid", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ checking: Effect.sleep(100) })
        const pool = yield* poolOf(server, { size: 1, validated: true })
        yield* Effect.sleep("1 second")
        const borrower = yield* fork(pool.use(({ id }) => Effect.succeed(id)))
        yield* Effect.sleep(50)
        assert.strictEqual(yield* pool.evictAll(), 1)
        assert.strictEqual(yield* Fiber.join(borrower), 2)

        yield* Effect.sleep("1 second")
        const leaver = yield* fork(pool.use(({ id }) => Effect.succeed(id)))
        yield* Effect.sleep(50)
        yield* Fiber.interrupt(leaver)
        yield* pool.evictAll()
        yield* Effect.sleep(51)
        assert.deepStrictEqual(server.openIds, [3])
      })
    )
  )
})

describe("ResourcePool: validation", () => {
  for (const reuse of ["lifo", "fifo"] as const) {
    it.effect(`with ${reuse} one waiter has one idle resource validated, and not all`, () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ checking: Effect.sleep(50) })
          const pool = yield* poolOf(server, { size: 5, reuse, validated: true })
          yield* Effect.sleep("1 second")
          const began = yield* Clock.currentTimeMillis
          yield* pool.use(server.work(Effect.void))
          assert.strictEqual((yield* Clock.currentTimeMillis) - began, 50)
          assert.strictEqual(server.checks.length, 1)

          yield* Effect.sleep("1 second")
          yield* Effect.all(
            [pool.use(server.work(Effect.sleep(1))), pool.use(server.work(Effect.sleep(1)))],
            {
              concurrency: 2
            }
          )
          assert.strictEqual(server.checks.length, 3)
          assert.deepStrictEqual(server.mistakes, [])
        })
      )
    )
  }

  it.effect("a resource is validated only if it was unused for longer than validateAfter", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, validated: true })
        yield* Effect.sleep(500)
        yield* pool.use(() => Effect.sleep("1 minute"))
        yield* pool.use(() => Effect.void)
        yield* Effect.sleep(500)
        yield* pool.use(() => Effect.void)
        assert.deepStrictEqual(server.checks, [])
        yield* Effect.sleep(501)
        yield* pool.use(() => Effect.void)
        assert.deepStrictEqual(server.checks, [1])
      })
    )
  )

  it.effect(
    "a validation that hangs holds up its borrower for 5 seconds at most, and not when another comes back",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ checking: Effect.never })
          const pool = yield* poolOf(server, { size: 2, validated: true })
          yield* settled
          const borrow = Effect.flatMap(Clock.currentTimeMillis, (began) =>
            pool.use(({ id }) => Effect.map(Clock.currentTimeMillis, (now) => ({ id, waited: now - began })))
          )
          const holder = yield* hold(pool)
          yield* Effect.sleep("1 second")
          const late = yield* fork(borrow)
          yield* Effect.sleep("2 seconds")
          yield* Fiber.interrupt(holder)
          assert.deepInclude(yield* Fiber.join(late), { id: 2, waited: 2000 })

          yield* Effect.sleep("10 seconds")
          yield* hold(pool)
          const alone = yield* fork(borrow)
          const { waited } = yield* Fiber.join(alone)
          assert.isAtMost(waited, 5001)
        })
      )
  )

  it.effect("while idle resources are kept alive the others are lent", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ checking: Effect.sleep("20 seconds") })
        const pool = yield* poolOf(server, {
          size: 2,
          validated: true,
          keepAlive: "1 minute",
          validateTimeout: "1 minute",
          validateAfter: "1 hour"
        })
        yield* settled
        // Its check is due when nobody has it any more, a while after that of the other.
        const holder = yield* hold(pool)
        yield* Effect.sleep("1 minute")
        const before = yield* pool.stats
        yield* Fiber.interrupt(holder)
        const began = yield* Clock.currentTimeMillis
        yield* pool.use(server.work(Effect.void))

        assert.include(before, { starting: 1, active: 1 })
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 0)
      })
    )
  )
})

describe("ResourcePool: leaks", () => {
  it.effect("what a leak is taken from is not lent to another while it may still be in use", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, leakAfter: "1 minute", onLeak: "interrupt" })
        const scope = yield* Scope.make()
        const lent = yield* Scope.provide(pool.acquire(), scope)
        yield* Effect.sleep("2 minutes")
        const next = yield* pool.use(Effect.succeed)
        yield* Scope.close(scope, Exit.void)
        yield* settled

        assert.notStrictEqual(next, lent)
        assert.deepStrictEqual(server.openIds, [2])
        assert.include(yield* pool.stats, { active: 0, idle: 1 })
      })
    )
  )
})

describe("ResourcePool: idleTimeToLive", () => {
  // Never sends away anybody itself.
  const growing = ScalingPolicy.make({
    name: "growing",
    initial: undefined,
    targetWait: 0,
    decide: ({ queued, workers }) => [
      { target: Math.max(workers.target, workers.busy + queued), reason: "tasks wait" },
      undefined
    ]
  })

  it.effect("lets go what nobody wants, although keepAlive validates it", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: { min: 1, max: 4 },
          scaling: growing,
          validated: true,
          keepAlive: "1 minute",
          idleTimeToLive: "10 minutes",
          maxLifetime: "never"
        })
        yield* Effect.all(
          Array.from({ length: 4 }, () => pool.use(() => Effect.sleep("1 minute"))),
          { concurrency: 4 }
        )
        const before = yield* pool.stats
        yield* Effect.sleep("9 minutes")
        const meanwhile = yield* pool.stats
        yield* Effect.sleep("2 minutes")

        assert.include(before, { total: 4 })
        assert.include(meanwhile, { total: 4 })
        assert.isAbove(server.checks.length, 20)
        assert.include(yield* pool.stats, { total: 1, alive: 1 })
      })
    )
  )

  it.effect("lets go at that time what has been busy until then", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), {
          size: { min: 1, max: 4 },
          scaling: growing,
          idleTimeToLive: "1 second",
          maxLifetime: "never"
        })
        // Longer than what nobody watches for by itself.
        yield* Effect.all(
          Array.from({ length: 4 }, () => pool.use(() => Effect.sleep("70 seconds"))),
          { concurrency: 4 }
        )
        yield* Effect.sleep("900 millis")
        const before = yield* pool.stats
        yield* Effect.sleep("200 millis")

        assert.include(before, { total: 4 })
        assert.include(yield* pool.stats, { total: 1, alive: 1 })
      })
    )
  )

  it.effect("lets go what nobody wants also when it was there first", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: { min: 1, max: 2 },
          scaling: growing,
          idleTimeToLive: "10 minutes",
          maxLifetime: "never"
        })
        yield* settled
        // The first comes back first, and is below the second from then on.
        yield* Effect.all([pool.use(() => Effect.sleep(5)), pool.use(() => Effect.sleep(10))], {
          concurrency: 2
        })
        for (let i = 0; i < 12; i++) yield* pool.use(() => Effect.sleep("1 minute"))
        assert.deepStrictEqual(server.openIds, [2])
        assert.include(yield* pool.stats, { total: 1 })
      })
    )
  )
})

describe("Herd: idleTimeToLive", () => {
  class Plain extends Herd.Service<Plain>()("test/Plain") {}

  it.effect("holds for workers without a resource as well, whatever the policy would keep", () =>
    Effect.gen(function* () {
      const herd = yield* Plain
      yield* Effect.all(
        Array.from({ length: 4 }, () => herd.run(Effect.sleep("5 seconds"))),
        { concurrency: 4 }
      )
      const size = Effect.map(herd.stats, ({ workers }) => workers.size)
      yield* Effect.sleep("900 millis")
      const before = yield* size
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual([before, yield* size], [4, 1])
      assert.strictEqual((yield* herd.history).at(-1)?.reason, "idleTimeToLive")
    }).pipe(Effect.provide(Plain.layer({ workers: { min: 1, max: 4 }, idleTimeToLive: "1 second" })), timed)
  )
})

describe("ResourcePool: recycling", () => {
  it.effect(
    "maxUses and recycleWhen replace what comes back, and a recycleWhen that throws replaces nothing",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const uses: Array<number> = []
          const pool = yield* poolOf(server, {
            size: 1,
            maxUses: 5,
            recycleWhen: ({ id }, usage) => {
              uses.push(usage.uses)
              if (id === 1) throw new Error("a mistake")
              return id === 2 && usage.uses === 2 && usage.ageMillis >= 20
            }
          })
          const ids: Array<number> = []
          for (let i = 0; i < 12; i++)
            yield* pool.use(({ id }) =>
              Effect.andThen(
                Effect.sleep(10),
                Effect.sync(() => ids.push(id))
              )
            )
          assert.deepStrictEqual(ids, [1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3])
          assert.deepStrictEqual(uses, [1, 2, 3, 4, 1, 2, 1, 2, 3, 4])
        })
      )
  )

  it.effect("lends the connection used last, or with fifo each in turn", () =>
    timed(
      Effect.gen(function* () {
        const order = (reuse: "lifo" | "fifo") =>
          Effect.gen(function* () {
            const pool = yield* poolOf(new Server(), { size: 3, reuse })
            yield* settled
            return yield* Effect.forEach([1, 2, 3, 4], () =>
              pool.use(({ id }) => Effect.as(Effect.sleep(10), id))
            )
          })
        assert.deepStrictEqual(yield* order("lifo"), [3, 3, 3, 3])
        assert.deepStrictEqual(yield* order("fifo"), [1, 2, 3, 1])
      })
    )
  )

  it.effect("a creation that hangs is given up after createTimeout and tried again", () =>
    timed(
      Effect.gen(function* () {
        let calls = 0
        const opening = Effect.suspend(() => (++calls === 1 ? Effect.never : Effect.void))
        const server = new Server({ opening })
        const pool = yield* poolOf(server, { size: 1, createTimeout: "2 seconds" })
        const began = yield* Clock.currentTimeMillis
        yield* pool.use(server.work(Effect.void))
        const waited = (yield* Clock.currentTimeMillis) - began
        assert.isAtLeast(waited, 2000)
        assert.isAtMost(waited, 2020)
        assert.include(yield* pool.stats, { createFailures: 1, created: 1 })
      })
    )
  )

  it.effect("a resource whose waiter left before it was made goes to the next, and none is made twice", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("1 second") })
        const pool = yield* poolOf(server, { size: { min: 0, max: 1 } })
        const first = yield* fork(pool.use(server.work(Effect.void)))
        const second = yield* fork(pool.use(({ id }) => Effect.succeed(id)))
        yield* Effect.sleep(500)
        yield* Fiber.interrupt(first)
        assert.strictEqual(yield* Fiber.join(second), 1)
        assert.strictEqual(server.attempts, 1)
      })
    )
  )

  it.effect(
    "a creation that nobody waits for any more is kept for who comes, and not begun if it had to wait",
    () =>
      timed(
        Effect.gen(function* () {
          const server = new Server({ opening: Effect.sleep("1 second") })
          const pool = yield* poolOf(server, { size: { min: 0, max: 10 }, maxCreating: 1 })
          const waiters = yield* Effect.replicateEffect(hold(pool), 4)
          yield* Effect.sleep(500)
          assert.isAbove((yield* pool.stats).starting, 1)
          for (const waiter of waiters) yield* Fiber.interrupt(waiter)
          yield* Effect.sleep("5 seconds")
          assert.strictEqual(server.attempts, 1)
          assert.include(yield* pool.stats, { idle: 1, total: 1, starting: 0 })
        })
      )
  )
})
