import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { InvalidConfig, QueueFull, ResourcePool } from "../../src/index.ts"
import { interruptEverywhere, virtual } from "../../src/testing/index.ts"
import {
  type Connection,
  conserved,
  fork,
  hold,
  type Options,
  poolOf,
  Server,
  settled,
  timed
} from "../support/connections.ts"

type Pool = ResourcePool.ResourcePool<Connection>

const quick = { drain: 0, interrupt: 0, destroy: 0 } as const

describe("ResourcePool: interruption", () => {
  const ways = {
    use: (pool: Pool, server: Server) => pool.use(server.work(Effect.yieldNow)),
    acquire: (pool: Pool, server: Server) =>
      Effect.scoped(Effect.flatMap(pool.acquire(), server.work(Effect.yieldNow)))
  }
  const places = {
    "an idle resource": Effect.gen(function* () {
      const server = new Server()
      const pool = yield* poolOf(server, { size: 1, shutdown: quick })
      yield* settled
      return { pool, server }
    }),
    "a resource in creation": Effect.gen(function* () {
      const server = new Server({ opening: Effect.yieldNow })
      const pool = yield* poolOf(server, { size: { min: 0, max: 1 }, shutdown: quick })
      return { pool, server }
    }),
    "a resource that comes back": Effect.gen(function* () {
      const server = new Server()
      const pool = yield* poolOf(server, { size: 1, shutdown: quick })
      yield* fork(pool.use(server.work(Effect.repeat(Effect.yieldNow, { times: 3 }))))
      return { pool, server }
    }),
    "a resource that is replaced": Effect.gen(function* () {
      const server = new Server()
      const pool = yield* poolOf(server, { size: 1, maxUses: 1, shutdown: quick })
      yield* fork(pool.use(server.work(Effect.repeat(Effect.yieldNow, { times: 3 }))))
      return { pool, server }
    }),
    "a resource to be validated": Effect.gen(function* () {
      const server = new Server({ checking: Effect.yieldNow })
      const pool = yield* poolOf(server, { size: 1, validated: true, shutdown: quick })
      yield* Effect.sleep("1 second")
      return { pool, server }
    })
  }
  for (const [way, borrow] of Object.entries(ways)) {
    for (const [place, setup] of Object.entries(places)) {
      it.effect(`${way} of ${place} loses nothing at whatever step its borrower is interrupted`, () =>
        Effect.gen(function* () {
          const steps = yield* virtual(
            interruptEverywhere({
              setup,
              run: ({ pool, server }) => borrow(pool, server),
              invariant: ({ pool, server }) =>
                Effect.gen(function* () {
                  yield* settled
                  const stats = yield* pool.stats
                  conserved(stats)
                  assert.include(stats, { active: 0, waiting: 0 })
                  // The only one is still there for the next.
                  yield* pool.use(server.work(Effect.void), { acquireTimeout: "1 second" })
                  assert.deepStrictEqual(server.mistakes, [])
                  assert.isAtMost(server.mostOpen, 1)
                })
            })
          )
          assert.isAbove(steps, 3)
        })
      )
    }
  }
})

describe("ResourcePool: borrowing", () => {
  it.effect("use lends for one effect and acquire until the scope closes", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server()
        const pool = yield* poolOf(server, { size: 2 })
        const scope = yield* Scope.make()
        const held = yield* Scope.provide(pool.acquire(), scope)
        const during = yield* pool.use((connection) =>
          Effect.map(pool.stats, (stats) => ({ connection, stats }))
        )
        const after = yield* pool.stats
        yield* Scope.close(scope, Exit.void)

        assert.notStrictEqual(during.connection, held)
        assert.include(during.stats, { active: 2, idle: 0 })
        assert.include(after, { active: 1, idle: 1, borrowed: 2 })
        assert.include(yield* pool.stats, { active: 0, idle: 2, borrowed: 2 })
      })
    )
  )

  it.effect("a borrower's failure and defect are its own, and the resource goes back", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        const failed = yield* Effect.flip(pool.use(() => Effect.fail("own")))
        const died = yield* Effect.exit(pool.use(() => Effect.die("defect")))

        assert.strictEqual(failed, "own")
        assert.deepStrictEqual(died, Exit.die("defect"))
        assert.include(yield* pool.stats, { active: 0, idle: 1, created: 1, borrowed: 2 })
      })
    )
  )

  it.effect("a borrower that runs out of time while it waits was never lent anything", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1 })
        yield* settled
        yield* hold(pool)
        const late = yield* Effect.flip(pool.use(() => Effect.void, { acquireTimeout: "1 second" }))
        const leaver = yield* fork(Effect.scoped(pool.acquire()))
        yield* Fiber.interrupt(leaver)

        assert.include(late, {
          _tag: "AcquireTimeout",
          timeoutMillis: 1000,
          total: 1,
          active: 1,
          idle: 0,
          waiting: 1
        })
        assert.include(yield* pool.stats, { borrowed: 1, timeouts: 1, waiting: 0, active: 1 })
      })
    )
  )

  it.effect("acquireTimeout is 30 seconds unless the pool or the borrower says otherwise", () =>
    timed(
      Effect.gen(function* () {
        const waits = (given: Pick<Options, "acquireTimeout">, borrower?: ResourcePool.BorrowOptions) =>
          Effect.scoped(
            Effect.gen(function* () {
              const pool = yield* poolOf(new Server(), { size: 1, shutdown: quick, ...given })
              yield* settled
              yield* hold(pool)
              const began = yield* Clock.currentTimeMillis
              yield* Effect.timeoutOption(Effect.exit(pool.use(() => Effect.void, borrower)), "1 hour")
              return (yield* Clock.currentTimeMillis) - began
            })
          )
        const hour = 3_600_000
        assert.strictEqual(yield* waits({}), 30_000)
        assert.strictEqual(yield* waits({ acquireTimeout: "2 seconds" }), 2_000)
        assert.strictEqual(
          yield* waits({ acquireTimeout: "2 seconds" }, { acquireTimeout: "3 seconds" }),
          3_000
        )
        assert.strictEqual(yield* waits({ acquireTimeout: "never" }), hour)
        // Timers have a resolution of 1 ms.
        assert.isAtMost(yield* waits({}, { acquireTimeout: 0 }), 1)
      })
    )
  )

  it.effect("with acquireTimeout 0 an idle resource is still lent", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, acquireTimeout: 0 })
        yield* settled
        assert.strictEqual(yield* pool.use(({ id }) => Effect.succeed(id)), 1)
      })
    )
  )

  it.effect(
    "a resource whose waiter was interrupted goes to the next, and the higher priority is first",
    () =>
      timed(
        Effect.gen(function* () {
          const pool = yield* poolOf(new Server(), { size: 1 })
          const order: Array<string> = []
          const borrow = (name: string, options?: ResourcePool.BorrowOptions) =>
            fork(pool.use(() => Effect.sync(() => order.push(name)), options))
          yield* settled
          const holder = yield* hold(pool)
          const leaver = yield* borrow("leaver", { priority: "critical" })
          yield* borrow("first")
          yield* borrow("second")
          yield* borrow("low", { priority: "low" })
          yield* borrow("high", { priority: "high" })
          yield* fork(
            Effect.scoped(Effect.tap(pool.acquire({ priority: 9 }), () => Effect.sync(() => order.push("9"))))
          )
          yield* Fiber.interrupt(leaver)
          yield* Fiber.interrupt(holder)
          yield* settled

          assert.deepStrictEqual(order, ["high", "9", "first", "second", "low"])
          assert.include(yield* pool.stats, { active: 0, idle: 1, waiting: 0 })
        })
      )
  )

  it.effect("beyond maxWaiting borrowers get QueueFull, and nobody else does", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, maxWaiting: 2 })
        yield* settled
        const holder = yield* hold(pool)
        const waiting = yield* fork(
          Effect.all(
            [1, 2].map((n) => pool.use(() => Effect.succeed(n))),
            { concurrency: 2 }
          )
        )
        const refused = yield* Effect.flip(pool.use(() => Effect.void))
        const refusedToo = yield* Effect.flip(Effect.scoped(pool.acquire()))
        const before = yield* pool.stats
        yield* Fiber.interrupt(holder)

        assert.instanceOf(refused, QueueFull)
        assert.instanceOf(refusedToo, QueueFull)
        assert.include(before, { waiting: 2 })
        assert.deepStrictEqual(yield* Fiber.join(waiting), [1, 2])
      })
    )
  )

  it.effect("with maxWaiting 0 what is idle is lent, and whoever would wait is refused", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: 1, maxWaiting: 0 })
        yield* settled
        const answers = yield* Effect.all(
          [pool.use(() => Effect.sleep(10)), Effect.flip(pool.use(() => Effect.void))],
          { concurrency: 2 }
        )
        assert.instanceOf(answers[1], QueueFull)
        yield* pool.use(() => Effect.void)
      })
    )
  )
})

describe("ResourcePool: settings", () => {
  const wrong: ReadonlyArray<[string, object, string]> = [
    ["size.min", { size: { min: 3, max: 2 } }, "size.min must be at most size.max (2), got 3"],
    [
      "size.initial",
      { size: { min: 1, max: 2, initial: 3 } },
      "size.initial must be at most size.max (2), got 3"
    ],
    ["size.max", { size: 0 }, "size.max must be an integer from 1 to 1,000,000, got 0"],
    ["size.min", { size: "ten" }, 'size.min must be an integer from 0 to 1,000,000, got "ten"'],
    [
      "maxWaiting",
      { size: 1, maxWaiting: -1 },
      'maxWaiting must be an integer from 0 to 1,000,000, or "unbounded", got -1'
    ],
    [
      "ageing",
      { size: 1, ageing: -5 },
      'ageing must be a duration such as "5 seconds", at least 0, or "never", got -5'
    ],
    [
      "acquireTimeout",
      { size: 1, acquireTimeout: Number.NaN },
      'acquireTimeout must be a duration such as "5 seconds", at least 0, or "never", got NaN'
    ],
    [
      "keepAlive",
      { size: 1, keepAlive: 5 },
      'keepAlive must be "never" where there is no validate to run, got 5'
    ],
    ["maxIdle", { size: 1, maxIdle: 5 }, "maxIdle must be a setting of the pool, got 5"]
  ]
  for (const [field, options, message] of wrong) {
    it.effect(`${JSON.stringify(options)} is refused in the pool's own words`, () =>
      Effect.gen(function* () {
        const given: Options = Object.assign({ size: 1 }, options)
        const error = yield* Effect.flip(poolOf(new Server(), given))
        assert.instanceOf(error, InvalidConfig)
        assert.strictEqual(error.field, field)
        assert.strictEqual(error.message, message)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("resize and setBounds refuse in the pool's own words, and a closed pool refuses as a pool", () =>
    timed(
      Effect.gen(function* () {
        const pool = yield* poolOf(new Server(), { size: { min: 1, max: 2 } })
        const tooMany = yield* Effect.flip(pool.resize(3))
        const crossed = yield* Effect.flip(pool.setBounds({ min: 3, max: 2 }))
        yield* pool.close()
        const late = yield* Effect.flip(pool.resize(1))
        const lateBounds = yield* Effect.flip(pool.setBounds({ min: 1, max: 1 }))

        assert.strictEqual(
          tooMany.message,
          'size must be an integer from 0 to size.max (2), or "auto"; raise size.max with setBounds, got 3'
        )
        assert.strictEqual(crossed.message, "size.min must be at most size.max (2), got 3")
        for (const error of [late, lateBounds])
          assert.include(error, { _tag: "PoolClosed", pool: "db", state: "closed" })
      })
    )
  )

  it.effect("a borrower's own PoolClosed or InvalidConfig is its own", () =>
    timed(
      Effect.gen(function* () {
        const outer = yield* poolOf(new Server(), { size: 1 })
        const inner = yield* ResourcePool.make("inner", { onCreate: Effect.succeed(1), size: 1 })
        yield* inner.close()
        const error = yield* Effect.flip(outer.use(() => inner.use(() => Effect.void)))
        assert.include(error, { _tag: "PoolClosed", pool: "inner" })
      })
    )
  )
})

describe("ResourcePool: Service", () => {
  class Db extends ResourcePool.Service<Db, Connection>()("test/Db") {}
  class Web extends Context.Service<Web, string>()("test/Web") {}

  it.effect("lends by its class, with the borrower's services, and the pool itself is the service", () => {
    const server = new Server()
    return timed(
      Effect.gen(function* () {
        const seen = yield* Db.use(({ id }) => Effect.map(Web, (web) => `${web} ${id}`), { priority: "high" })
        const { id } = yield* Effect.scoped(Db.acquire())
        const pool = yield* Db
        assert.strictEqual(seen, "borrower's 1")
        assert.strictEqual(id, 1)
        assert.include(yield* pool.stats, { pool: "test/Db", active: 0, borrowed: 2 })
      }).pipe(
        Effect.provideService(Web, "borrower's"),
        Effect.provide(
          Db.layer({
            onCreate: Effect.flatMap(Web, (web) => {
              assert.strictEqual(web, "layer's")
              return server.onCreate
            }),
            size: 1
          }).pipe(Layer.provide(Layer.succeed(Web, "layer's")))
        )
      )
    )
  })
})
