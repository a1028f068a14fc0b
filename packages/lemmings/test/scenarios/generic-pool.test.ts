import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { AcquireTimeout, type HerdEvent, QueueFull, ResourceUnavailable } from "../../src/index.ts"
import { conserved, fork, hold, poolOf, Server, settled, timed } from "../support/connections.ts"

type Pool = Effect.Success<ReturnType<typeof poolOf>>

const idOf = (pool: Pool) => pool.use(({ id }) => Effect.succeed(id))

/** Borrows now, until somebody gives it back. */
const lend = (pool: Pool) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const connection = yield* Effect.provideService(pool.acquire(), Scope.Scope, scope)
    return { connection, release: Scope.close(scope, Exit.void) }
  })

describe("generic-pool: borrowing", () => {
  it.effect("the more urgent borrower is served first, whoever came first", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, ageing: "never" })
        const first = yield* hold(pool)
        const order: Array<string> = []
        const borrow = (priority: "low" | "normal" | "high") =>
          fork(pool.use(() => Effect.sync(() => order.push(priority)), { priority }))
        const waiting = yield* Effect.forEach(["low", "normal", "high", "low", "high"] as const, borrow)
        yield* settled
        yield* Fiber.interrupt(first)
        yield* Effect.forEach(waiting, Fiber.join)
        assert.deepStrictEqual(order, ["high", "high", "normal", "low", "low"])
      })
    )
  )

  it.effect("twenty borrowers share one resource, the ten urgent ones before the ten others", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep("1 milli") })
        const pool = yield* poolOf(server, { size: 1, ageing: "never" })
        const times: { low: Array<number>; high: Array<number> } = { low: [], high: [] }
        const borrow = (priority: "low" | "high") =>
          pool.use(
            server.work(
              Effect.andThen(
                Effect.sleep("10 millis"),
                Effect.map(Clock.currentTimeMillis, (now) => times[priority].push(now))
              )
            ),
            { priority }
          )
        const ten = (priority: "low" | "high") =>
          Effect.replicateEffect(borrow(priority), 10, { concurrency: "unbounded", discard: true })
        yield* Effect.all([ten("low"), ten("high")], { concurrency: 2 })
        assert.deepStrictEqual([times.low.length, times.high.length], [10, 10])
        assert.isBelow(Math.max(...times.high), Math.min(...times.low))
        assert.deepStrictEqual(server.mistakes, [])
        assert.strictEqual(server.attempts, 1)
      })
    )
  )

  it.effect("only valid resources are lent", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 3, validated: true, validateAfter: 0 })
        yield* settled
        for (const connection of server.made.slice(0, 2)) connection.valid = false
        const lent: Array<number> = []
        for (let n = 0; n < 6; n++) {
          yield* Effect.sleep("10 millis")
          const loans = yield* Effect.forEach([1, 2, 3], () => lend(pool), { concurrency: "unbounded" })
          for (const { connection } of loans) {
            assert.isTrue(connection.valid)
            lent.push(connection.id)
          }
          for (const { release } of loans) yield* release
        }
        assert.sameMembers([...new Set(lent)], [3, 4, 5])
        assert.sameMembers([...server.openIds], [3, 4, 5])
      })
    )
  )

  it.effect("giving back what is not lent changes nothing", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1 })
        const { connection, release } = yield* lend(pool)
        assert.isFalse(yield* pool.invalidate({ ...connection }))
        assert.include(yield* pool.stats, { idle: 0, active: 1 })
        yield* release
        assert.include(yield* pool.stats, { idle: 1, active: 0 })
        // Again, while somebody else has it.
        const next = yield* lend(pool)
        yield* release
        assert.include(yield* pool.stats, { idle: 0, active: 1 })
        yield* next.release
        assert.include(yield* pool.stats, { idle: 1, active: 0, created: 1 })
      })
    )
  )

  it.effect("a resource counts as lent from acquire until its scope closes", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 2 })
        yield* settled
        assert.include(yield* pool.stats, { active: 0, idle: 2, borrowed: 0 })
        const { release } = yield* lend(pool)
        assert.include(yield* pool.stats, { active: 1, idle: 1, borrowed: 1 })
        yield* release
        assert.include(yield* pool.stats, { active: 0, idle: 2, borrowed: 1 })
      })
    )
  )

  it.effect("sizes follow what is borrowed: total, idle and active", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: { min: 0, max: 2 } })
        const seen: Array<ReadonlyArray<number>> = []
        const look = Effect.map(pool.stats, ({ active, idle, total }) => seen.push([total, idle, active]))
        yield* look
        const first = yield* lend(pool)
        yield* look
        const second = yield* lend(pool)
        yield* look
        yield* first.release
        yield* look
        yield* second.release
        yield* look
        yield* lend(pool)
        yield* look
        const expected = [
          [0, 0, 0],
          [1, 0, 1],
          [2, 0, 2],
          [2, 1, 1],
          [2, 2, 0],
          [2, 1, 1]
        ]
        assert.deepStrictEqual(seen, expected)
      })
    )
  )

  it.effect("destroying a lent resource lets the one who waits have a new one", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1 })
        const { connection, release } = yield* lend(pool)
        const waiting = yield* fork(idOf(pool))
        assert.isTrue(yield* pool.invalidate(connection))
        assert.isFalse(connection.closed)
        yield* release
        assert.isTrue(connection.closed)
        assert.strictEqual(yield* Fiber.join(waiting), 2)
        assert.deepStrictEqual(server.openIds, [2])
      })
    )
  )

  it.effect("use gives back after success, failure, defect and interruption, and not before", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 1, acquireTimeout: "1 second" })
        const good = yield* fork(pool.use(server.work(Effect.as(Effect.sleep("1 second"), "good"))))
        yield* Effect.sleep("999 millis")
        assert.include(yield* pool.stats, { active: 1, idle: 0 })
        assert.strictEqual(yield* Fiber.join(good), "good")
        assert.include(yield* pool.stats, { active: 0, idle: 1 })
        assert.strictEqual(yield* Effect.flip(pool.use(server.work(Effect.fail("bad")))), "bad")
        assert.include(yield* pool.stats, { active: 0, idle: 1 })
        yield* Effect.exit(pool.use(server.work(Effect.die("worse"))))
        assert.include(yield* pool.stats, { active: 0, idle: 1 })
        yield* Fiber.interrupt(yield* hold(pool))
        assert.include(yield* pool.stats, { active: 0, idle: 1, created: 1, borrowed: 4 })
        assert.deepStrictEqual(server.mistakes, [])
      })
    )
  )

  it.effect.each(["use", "acquire"] as const)(
    "who is interrupted in %s gives back a resource as good as before",
    (how) =>
      timed(
        Effect.gen(function* () {
          const server = new Server()
          const pool = yield* poolOf(server, { size: 1 })
          for (let n = 1; n <= 3; n++) {
            const scoped = Effect.scoped(Effect.andThen(pool.acquire(), Effect.never))
            const borrower = yield* how === "use" ? hold(pool) : fork(scoped)
            yield* settled
            assert.include(yield* pool.stats, { active: 1, idle: 0 })
            yield* Fiber.interrupt(borrower)
            assert.include(yield* pool.stats, { active: 0, idle: 1, borrowed: n, destroyed: 0 })
          }
          assert.strictEqual(server.attempts, 1)
        })
      )
  )

  it.effect.each([
    ["0", 0],
    ["2", 2]
  ] as const)("maxWaitingClients %s: beyond, a borrower is refused at once", ([, maxWaiting]) =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 2, maxWaiting })
        yield* settled
        const holders = yield* Effect.replicateEffect(hold(pool), 2 + maxWaiting)
        assert.include(yield* pool.stats, { active: 2, waiting: maxWaiting })
        const began = yield* Clock.currentTimeMillis
        const error = yield* Effect.flip(pool.use(() => Effect.void))
        assert.instanceOf(error, QueueFull)
        assert.strictEqual(error.capacity, maxWaiting)
        assert.strictEqual(yield* Clock.currentTimeMillis, began)
        yield* Effect.forEach(holders, Fiber.interrupt)
        assert.strictEqual(yield* pool.use(() => Effect.succeed("served")), "served")
      })
    )
  )
})

describe("generic-pool: creating", () => {
  it.effect.each([
    ["at once", Effect.void],
    ["after a while", Effect.sleep("20 millis")]
  ] as const)("creation that fails %s five times delays the borrower, and no more", ([, before]) =>
    timed(
      Effect.gen(function* () {
        let attempts = 0
        const opening = Effect.andThen(
          before,
          Effect.suspend(() => (++attempts <= 5 ? Effect.fail("an error occurred") : Effect.void))
        )
        const server = new Server({ opening })
        const pool = yield* poolOf(server, { size: 1 })
        const errors: Array<unknown> = []
        const heard = (event: HerdEvent) =>
          Effect.sync(() => {
            if (event._tag === "ResourceCreateFailed") errors.push(event.error)
          })
        yield* fork(Stream.runForEach(pool.events, heard))
        assert.strictEqual(yield* idOf(pool), 1)
        // The first attempt was before anybody listened, unless it took a while.
        assert.isAtLeast(errors.length, 4)
        assert.deepStrictEqual([...new Set(errors)], ["an error occurred"])
        assert.include(yield* pool.stats, { createFailures: 5, created: 1, waiting: 0, idle: 1 })
      })
    )
  )

  it.effect("after an error the next borrower's resource is created, too", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        server.down = true
        const pool = yield* poolOf(server, { size: { min: 0, max: 2 }, acquireTimeout: "100 millis" })
        const [first, second] = yield* Effect.all([Effect.flip(idOf(pool)), Effect.flip(idOf(pool))], {
          concurrency: 2
        })
        assert.instanceOf(first, AcquireTimeout)
        assert.instanceOf(second, AcquireTimeout)
        server.down = false
        yield* Effect.sleep("6 seconds")
        assert.strictEqual(yield* pool.use(() => Effect.succeed("served")), "served")
      })
    )
  )

  it.effect("ready: an eager pool is there with its minimum, or not at all", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server({ opening: Effect.sleep("1 second") }), {
          size: { min: 3, max: 5 },
          start: "eager"
        })
        assert.strictEqual(yield* Clock.currentTimeMillis, 1_000)
        assert.include(yield* pool.stats, { idle: 3, total: 3 })
        const down = new Server()
        down.down = true
        const error = yield* Effect.flip(Effect.scoped(poolOf(down, { size: 3, start: "eager" })))
        assert.instanceOf(error, ResourceUnavailable)
        assert.deepStrictEqual(down.openIds, [])
      })
    )
  )

  it.effect("an eager pool of none is there at once", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.never })
        const pool = yield* poolOf(server, { size: { min: 0, max: 2 }, start: "eager" })
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
        assert.include(yield* pool.stats, { total: 0, created: 0 })
        assert.strictEqual(server.attempts, 0)
      })
    )
  )
})

describe("generic-pool: evictor", () => {
  it.effect("the evictor closes what is idle beyond the minimum, the longest idle first", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: { min: 1, max: 3 },
          idleTimeToLive: "10 seconds",
          scaling: "instant"
        })
        const loans = yield* Effect.forEach([1, 2, 3], () => lend(pool))
        const ids = loans.map(({ connection }) => connection.id)
        for (const { release } of loans) {
          yield* release
          yield* Effect.sleep("2 seconds")
        }
        // At 10, 12 and 14 seconds their times end; the last one is the minimum.
        yield* Effect.sleep("3 seconds")
        assert.deepStrictEqual(server.openIds, ids)
        yield* Effect.sleep("2 seconds")
        assert.deepStrictEqual(server.openIds, ids.slice(1))
        yield* Effect.sleep("2 seconds")
        assert.deepStrictEqual(server.openIds, ids.slice(2))
        yield* Effect.sleep("1 hour")
        assert.strictEqual(server.open.length, 1)
        conserved(yield* pool.stats)
      })
    )
  )

  it.effect("idleTimeToLive never: what was opened stays open", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, {
          size: { min: 0, max: 4, initial: 4 },
          idleTimeToLive: "never",
          maxLifetime: "never",
          scaling: "fixed"
        })
        yield* pool.use(() => Effect.void)
        yield* Effect.sleep("23 hours")
        assert.include(yield* pool.stats, { idle: 4, destroyed: 0 })
        assert.strictEqual(server.attempts, 4)
      })
    )
  )
})

describe("generic-pool: draining", () => {
  it.effect("draining serves those who wait, and refuses those who come", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 2 })
        const borrowers = yield* Effect.replicateEffect(
          fork(pool.use(server.work(Effect.as(Effect.sleep("250 millis"), "served")))),
          5
        )
        yield* settled
        const closing = yield* fork(pool.close())
        yield* settled
        const late = yield* Effect.flip(pool.use(() => Effect.void))
        assert.strictEqual(late._tag, "PoolClosed")
        assert.deepStrictEqual(yield* Effect.forEach(borrowers, Fiber.join), Array(5).fill("served"))
        assert.include(yield* Fiber.join(closing), { completed: 5, interrupted: 0, abandoned: 0, leaked: 0 })
        assert.strictEqual(yield* Clock.currentTimeMillis, 750)
        assert.strictEqual((yield* Effect.flip(pool.use(() => Effect.void)))._tag, "PoolClosed")
        assert.deepStrictEqual(server.openIds, [])
      })
    )
  )

  it.effect.each([
    ["is being made", Effect.sleep("1 second")],
    ["is being made and cannot be given up", Effect.uninterruptible(Effect.sleep("1 second"))],
    ["was made", Effect.void]
  ] as const)("GH-159: draining and clearing a pool whose minimum %s leaves nothing open", ([, opening]) =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening })
        const pool = yield* poolOf(server, { size: { min: 2, max: 5 } })
        yield* Effect.sleep("500 millis")
        yield* pool.close()
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual(server.openIds, [])
        assert.strictEqual(server.attempts, 2)
        assert.include(yield* pool.stats, { state: "closed", total: 0, alive: 0 })
      })
    )
  )
})

describe("generic-pool: time-outs", () => {
  it.effect("acquireTimeoutMillis: a borrower's own limit comes before the pool's", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, acquireTimeout: "1 minute" })
        yield* hold(pool)
        yield* settled
        const began = yield* Clock.currentTimeMillis
        yield* Effect.flip(pool.use(() => Effect.void, { acquireTimeout: "20 millis" }))
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 20)
      })
    )
  )

  it.effect.each([
    ["too slow: told at the time", "100 millis", "20 millis", 20],
    ["in time: served", "10 millis", "400 millis", 10]
  ] as const)("acquireTimeoutMillis: creation that is %s", ([, opens, acquireTimeout, ends]) =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(opens) })
        const pool = yield* poolOf(server, { size: { min: 0, max: 1 }, acquireTimeout })
        const exit = yield* Effect.exit(idOf(pool))
        assert.strictEqual(yield* Clock.currentTimeMillis, ends)
        assert.strictEqual(exit._tag, ends === 20 ? "Failure" : "Success")
        // What was on its way is for the next one.
        yield* Effect.sleep("200 millis")
        assert.strictEqual(yield* idOf(pool), 1)
        assert.include(yield* pool.stats, { created: 1, timeouts: ends === 20 ? 1 : 0 })
      })
    )
  )

  it.effect.each([
    ["hangs is left behind and replaced", Effect.never, 20, 1],
    ["ends in time is waited for", Effect.sleep("10 millis"), 10, 0]
  ] as const)("destroyTimeoutMillis: a destruction that %s", ([, closing, takes, leaked]) =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ closing: Effect.uninterruptible(closing) })
        const pool = yield* poolOf(server, { size: 1, maxUses: 1, shutdown: { destroy: "20 millis" } })
        yield* pool.use(() => Effect.void)
        const began = yield* Clock.currentTimeMillis
        assert.strictEqual(yield* idOf(pool), 2)
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, takes)
        assert.include(yield* pool.stats, { leaked, destroyFailures: leaked, destroyed: 1 })
      })
    )
  )
})
