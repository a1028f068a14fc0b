import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger } from "effect"
import { Herd, ResourcePool, ScalingPolicy } from "lemmings"
import { Load, simulate, virtual } from "lemmings/testing"

const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Logger.CurrentLoggers, new Set())

describe("promise 21: whoever waits gets a worker", () => {
  const creation = 200
  const loads: ReadonlyArray<readonly [Load.Load, Load.ServiceTime, number]> = [
    [
      Load.fromArrivals(
        "long-after-short",
        Array.from({ length: 3_050 }, (_, i) =>
          i < 3_000 ? { at: i * 10, serviceMillis: 5 } : { at: 30_000, serviceMillis: 600_000 }
        ),
        "630 seconds"
      ),
      Load.constant(5),
      50
    ],
    [
      Load.steps("mixed", [{ lasts: "300 seconds", perSecond: 20 }]),
      Load.mixed(Load.constant(20), Load.constant(2_000), 0.05),
      64
    ]
  ]
  for (const [load, service, max] of loads)
    it.live(`${load.name}: p99 of waits is at most two creations and 100 ms`, () =>
      Effect.gen(function* () {
        for (const seed of [1, 2, 3]) {
          const policy = ScalingPolicy.littlesLaw()
          const report = yield* simulate({ load, service, creation, policy, workers: { min: 2, max }, seed })
          assert.strictEqual(report.lost, 0)
          assert.isAtMost(report.wait.p99Millis, 2 * creation + 100)
        }
      })
    )

  it.live("a closed loop gets nine tenths of the tasks done that it gets with `instant`", () =>
    Effect.gen(function* () {
      const load = Load.closedLoop({ name: "closed-loop", duration: "60 seconds", callers: 60 })
      const run = (policy: ScalingPolicy.ScalingPolicy) =>
        simulate({ load, service: Load.constant(20), creation, policy, workers: { min: 2, max: 64 } })
      const ours = yield* run(ScalingPolicy.littlesLaw())
      const most = yield* run(ScalingPolicy.instant())
      assert.isAtLeast(ours.tasks, 0.9 * most.tasks)
    })
  )

  it.effect(
    "callers in a loop get all workers within some creations, although a few would do within a second",
    () =>
      Effect.gen(function* () {
        const total = (scaling?: "fixed") =>
          virtual(
            Effect.gen(function* () {
              const pool = yield* ResourcePool.make("connections", {
                onCreate: Effect.delay(Effect.succeed({}), 10),
                size: { min: 2, max: 10 },
                scaling
              })
              const began = yield* Clock.currentTimeMillis
              let left = 600
              const caller = Effect.whileLoop({
                while: () => left-- > 0,
                body: () => pool.use(() => Effect.sleep(20)),
                step: () => {}
              })
              yield* Effect.all(
                Array.from({ length: 60 }, () => Effect.orDie(caller)),
                { concurrency: "unbounded" }
              )
              return (yield* Clock.currentTimeMillis) - began
            }).pipe(Effect.scoped, quietly)
          )
        assert.isAtMost(yield* total(), 1.05 * (yield* total("fixed")))
      })
  )

  for (const creation of [20, 200])
    it.effect(
      `behind loans that last, a borrower waits one creation of ${creation} ms, once they are known to`,
      () =>
        virtual(
          Effect.gen(function* () {
            const pool = yield* ResourcePool.make("connections", {
              onCreate: Effect.delay(Effect.succeed({}), creation),
              size: { min: 2, max: 10 }
            })
            for (let i = 0; i < 100; i++) yield* pool.use(() => Effect.sleep(5))
            const waits: Array<number> = []
            for (let i = 0; i < 10; i++) {
              const came = yield* Clock.currentTimeMillis
              yield* pool.acquire()
              waits.push(((yield* Clock.currentTimeMillis) - came) / creation)
            }
            assert.deepStrictEqual(waits.slice(0, 2), [0, 0], "there are two")
            assert.isAtMost(Math.max(...waits), 2.5)
            assert.isAtMost(Math.max(...waits.slice(5)), 1)
          }).pipe(Effect.scoped, quietly)
        )
    )

  it.live("what a worker needs after a task counts as its service", () =>
    Effect.gen(function* () {
      for (const more of [{ maxUses: 1 }, { ready: () => Effect.sleep(500) }]) {
        const waits: Array<number> = []
        yield* virtual(
          Effect.gen(function* () {
            const pool = yield* ResourcePool.make("browsers", {
              onCreate: Effect.as(Effect.sleep(500), {}),
              size: { min: 0, max: 32 },
              acquireTimeout: "never",
              ...more
            })
            for (let i = 0; i < 1_200; i++) {
              yield* Effect.sleep(100)
              const came = yield* Clock.currentTimeMillis
              const job = Effect.gen(function* () {
                waits.push((yield* Clock.currentTimeMillis) - came)
                yield* Effect.sleep(10)
              })
              yield* Effect.forkDetach(pool.use(() => job))
            }
          }).pipe(Effect.scoped, quietly)
        )
        const sorted = waits.toSorted((a, b) => a - b)
        assert.isAtMost(sorted[Math.floor(0.99 * sorted.length)] ?? Infinity, 1_100)
      }
    })
  )

  it.effect("tasks and resources that take no time leave a number to answer", () =>
    virtual(
      Effect.gen(function* () {
        const pool = yield* ResourcePool.make("free", {
          onCreate: Effect.succeed({}),
          size: { min: 1, max: 4 }
        })
        for (let i = 0; i < 3; i++) {
          yield* pool.use(() => Effect.void)
          yield* Effect.sleep(250)
        }
        const began = yield* Clock.currentTimeMillis
        const long = yield* Effect.forkScoped(pool.use(() => Effect.sleep("1 hour")))
        yield* Effect.yieldNow
        yield* pool.use(() => Effect.void)
        assert.isAtMost((yield* Clock.currentTimeMillis) - began, 100)
        yield* Fiber.interrupt(long)
      }).pipe(Effect.scoped, quietly)
    )
  )

  for (const [what, answer] of [
    ["NaN", () => NaN],
    [
      "a defect",
      () => {
        throw new Error("no idea")
      }
    ]
  ] as const)
    it.effect(`a policy whose answer is ${what} leaves nobody without a worker`, () =>
      virtual(
        Effect.gen(function* () {
          class Broken extends Herd.Service<Broken>()("test/Broken") {}
          const scaling = ScalingPolicy.make({
            name: "broken",
            targetWait: 0,
            initial: undefined,
            decide: () => [{ target: answer(), reason: "broken" }, undefined]
          })
          const served = Broken.run(Effect.succeed("served"))
          const layer = Broken.layer({ workers: { min: 0, max: 4 }, scaling })
          assert.strictEqual(yield* Effect.provide(served, layer), "served")
        }).pipe(quietly)
      )
    )
})

describe("promise 21: nobody is refused for whom there may be a worker", () => {
  const tags = (exits: ReadonlyArray<{ readonly _tag: string }>) => exits.map(({ _tag }) => _tag)

  it.live("a herd and a pool where nobody may wait grow for those who come", () =>
    Effect.gen(function* () {
      for (const scaling of ["auto", "instant", "littlesLaw"] as const) {
        class Eager extends Herd.Service<Eager>()("test/Eager", { overflow: "reject" }) {}
        const tasks = Array.from({ length: 16 }, () => Effect.sleep(20))
        const layer = Eager.layer({ workers: { min: 0, max: 16 }, scaling, queue: { capacity: 0 } })
        const exits = yield* Effect.provide(Eager.runAll(tasks, { mode: "settle" }), layer)
        assert.deepStrictEqual(new Set(tags(exits)), new Set(["Success"]))

        const pool = yield* ResourcePool.make("test/pool", {
          onCreate: Effect.delay(Effect.succeed({}), 5),
          size: { min: 0, max: 4 },
          maxWaiting: 0,
          ...(scaling === "auto" ? {} : { scaling })
        })
        const loans = yield* Effect.all(
          Array.from({ length: 6 }, () => Effect.exit(pool.use(() => Effect.sleep(50)))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(
          tags(loans).filter((tag) => tag === "Success").length,
          4,
          "and no more than may be"
        )
      }
    }).pipe(Effect.scoped, quietly)
  )

  class Deep extends Herd.Service<Deep>()("test/Deep", { overflow: "reject" }) {}

  it.live("seventeen calls deep, beside idle workers", () => {
    const deep = (n: number): Effect.Effect<number, never, Deep> =>
      n === 0
        ? Effect.succeed(0)
        : Effect.map(Effect.orDie(Deep.run(Effect.suspend(() => deep(n - 1)))), (depth) => depth + 1)
    const layer = Deep.layer({ workers: { min: 64, max: 64 }, queue: { capacity: 0 } })
    return Effect.map(Effect.provide(deep(20), layer), (depth) => assert.strictEqual(depth, 20))
  })
})
