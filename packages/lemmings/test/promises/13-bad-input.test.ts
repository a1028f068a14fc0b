import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Schedule, Stream } from "effect"
import { Herd, HerdConfig, InvalidConfig, Lemmings } from "../../src/index.ts"
import { start } from "./support.ts"

class Part extends Context.Service<Part, object>()("test/Part") {}
class Parts extends Herd.Service<Parts>()("test/Parts", { resource: Part }) {}

/** A record that has one field at a dotted path. */
const at = (path: string, value: unknown): Record<string, unknown> =>
  path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>

describe("promise 13: bad input gets a clear typed error and changes nothing", () => {
  const wrong: Record<string, ReadonlyArray<unknown>> = {
    "workers.min": [-1, 1.5, NaN, Infinity, "many", null, 1_000_001],
    "workers.max": [0, -1, 2.5, NaN, Infinity, "", {}],
    scaling: ["elastic", "", 0, null, true, {}, { target: 4 }],
    scalingInterval: [-1, 0, NaN, "soon", "never", null, true],
    "workers.initial": [-1, 0.5, NaN, 17],
    "queue.capacity": [-1, 1.5, NaN, -Infinity, "infinite"],
    "queue.overflow": ["block", "", 0, null],
    "queue.ageing": [-1, NaN, "soon", "", null, true],
    "queue.order": ["random", "", 0, null],
    "queue.cost": ["money", "", 0, null],
    "shutdown.drain": [-1, NaN, "soon", "never", null, true],
    "shutdown.interrupt": [-1, NaN, "soon", null, true],
    "shutdown.destroy": [-1, NaN, "soon", null, true],
    start: ["early", "", 0, null, true],
    createTimeout: [-1, 0, NaN, "soon", null, true],
    maxCreating: [0, -1, 0.5, NaN, "unlimited"],
    validateAfter: [-1, NaN, "soon", "never", null, true],
    validateTimeout: [-1, NaN, "soon", "never", null, true],
    idleTimeToLive: [-1, NaN, "soon", null, true],
    maxLifetime: [-1, 0, NaN, "soon", null, true],
    keepAlive: [-1, 0, NaN, "soon", null, true],
    maxUses: [0, -1, 0.5, NaN, "many"],
    reuse: ["random", "", 0, null],
    leakAfter: [-1, NaN, "soon", null, true],
    onLeak: ["kill", "", 0, null],
    spares: [-1, 0.5, NaN, "some"],
    maxTemporary: [-1, 0.5, NaN, "some"],
    maxRequeues: [-1, 0.5, NaN, "some"],
    window: [-1, 0, NaN, "soon", null, true]
  }

  it("there is a bad value here for every setting", () => {
    assert.deepStrictEqual(
      Object.keys(wrong),
      HerdConfig.settings.map(({ path }) => path)
    )
  })

  for (const [path, values] of Object.entries(wrong)) {
    for (const value of values) {
      it.effect(
        `${path}: ${typeof value === "string" ? JSON.stringify(value) : String(value)} names the field, the value and the rule`,
        () =>
          Effect.gen(function* () {
            const options: Herd.CommonOptions<"suspend"> = at(path, value)

            const error = yield* Effect.flip(Effect.scoped(Layer.build(Lemmings.layer(options))))

            assert.instanceOf(error, InvalidConfig)
            assert.strictEqual(error.field, path)
            assert.deepStrictEqual(error.value, value)
            assert.isAbove(error.rule.length, 5)
            assert.include(error.message, `${path} must be ${error.rule}, got `)
          })
      )
    }
  }

  it.effect("a field that no setting has is named, in a group and outside", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, object]> = [
        ["worker", { worker: { max: 1 } }],
        ["workers.maximum", { workers: { maximum: 1 } }],
        ["queue", { queue: 5 }]
      ]
      for (const [path, options] of cases) {
        const error = yield* Effect.flip(HerdConfig.decode(options))
        assert.strictEqual(error.field, path)
      }
    })
  )

  it.effect("min above max and initial above max name both bounds", () =>
    Effect.gen(function* () {
      const min = yield* Effect.flip(HerdConfig.decode({ workers: { min: 8, max: 4 } }))
      assert.strictEqual(min.message, "workers.min must be at most workers.max (4), got 8")
      const initial = yield* Effect.flip(HerdConfig.decode({ workers: { max: 4, initial: 5 } }))
      assert.strictEqual(initial.message, "workers.initial must be at most workers.max (4), got 5")
    })
  )

  it.effect("keepAlive without a validate to run is refused", () =>
    Effect.gen(function* () {
      const onCreate = Effect.succeed({})
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(Parts.layer({ onCreate, keepAlive: "1 minute" })))
      )
      assert.strictEqual(error.field, "keepAlive")
      assert.include(error.message, "validate")
      yield* Layer.build(
        Parts.layer({ onCreate, keepAlive: "1 minute", validate: () => Effect.succeed(true) })
      )
    })
  )

  it.effect("a herd with a bad setting creates no resource", () =>
    Effect.gen(function* () {
      let created = 0
      const layer = Parts.layer({ onCreate: Effect.sync(() => ({ n: created++ })), window: 0 })
      yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.strictEqual(created, 0)
    })
  )

  it.effect("resize with a bad number is refused and changes nothing", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 4, initial: 2 } })
      const before = yield* herd.stats
      for (const value of [-1, 5, 1.5, NaN, Infinity]) {
        const error = yield* Effect.flip(herd.resize(value))
        assert.instanceOf(error, InvalidConfig)
        assert.deepStrictEqual([error.field, error.value], ["workers", value])
        assert.include(error.rule, "workers.max (4)")
      }
      assert.deepStrictEqual(yield* herd.stats, before)
    })
  )

  it.effect("setBounds with a bad bound is refused as a whole and changes nothing", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 1, max: 4, initial: 2 } })
      const before = yield* herd.stats
      for (const [field, bounds] of [
        ["workers.min", { min: -1, max: 8 }],
        ["workers.min", { min: 9, max: 8 }],
        ["workers.max", { min: 0, max: 0 }],
        ["workers.max", { min: 3, max: 3.5 }],
        ["workers.max", { min: 0, max: NaN }]
      ] as const) {
        const error = yield* Effect.flip(herd.setBounds(bounds))
        assert.instanceOf(error, InvalidConfig)
        assert.strictEqual(error.field, field)
      }
      assert.deepStrictEqual(yield* herd.stats, before)
    })
  )

  const badOptions = {
    priority: { priority: 1.5 },
    timeout: { timeout: -1 },
    deadline: { deadline: NaN },
    acquireTimeout: { acquireTimeout: "soon" }
  }
  type Herd = Effect.Success<ReturnType<typeof start>>
  const ways: Record<string, (herd: Herd, options: object) => Effect.Effect<unknown, unknown>> = {
    run: (herd, options) => herd.run(Effect.void, options),
    submit: (herd, options) => herd.submit(Effect.void, options),
    offer: (herd, options) => herd.offer(Effect.void, options),
    runNow: (herd, options) => herd.runNow(Effect.void, options),
    runAll: (herd, options) => herd.runAll([Effect.void, Effect.void], options),
    stream: (herd, options) => Stream.runDrain(herd.stream(Stream.make(1), () => Effect.void, options))
  }
  for (const [way, submit] of Object.entries(ways)) {
    for (const [field, options] of Object.entries(badOptions)) {
      // runNow does not stand in line.
      if (way === "runNow" && (field === "priority" || field === "acquireTimeout")) continue
      it.effect(`${way} with a bad ${field} dies with InvalidConfig and leaves the counts as they were`, () =>
        Effect.gen(function* () {
          const herd = yield* start({ workers: { max: 2 } })
          const before = yield* herd.stats

          const exit = yield* Effect.exit(submit(herd, options))

          assert.isTrue(Exit.isFailure(exit))
          const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          assert.instanceOf(error, InvalidConfig)
          assert.strictEqual(error.field, field)
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), "a defect")
          assert.deepStrictEqual(yield* herd.stats, before)
          assert.strictEqual(yield* herd.run(Effect.succeed("well")), "well")
        })
      )
    }
  }

  it.effect("runNow with a bad limit takes no spare and makes no temporary resource", () =>
    Effect.gen(function* () {
      let created = 0
      const herd = Context.get(
        yield* Layer.build(
          Parts.layer({
            onCreate: Effect.sync(() => ({ n: created++ })),
            workers: { min: 0, max: 1, initial: 0 },
            spares: 1
          })
        ),
        Parts
      )
      yield* Effect.exit(herd.runNow(Effect.void, { timeout: -1 }))
      assert.strictEqual(created, 1)
      assert.strictEqual((yield* herd.stats).resources.spares, 1)
    })
  )

  for (const concurrency of [0, -1, 1.5, NaN]) {
    it.effect(`a stream with concurrency ${concurrency} dies with InvalidConfig`, () =>
      Effect.gen(function* () {
        const herd = yield* start()
        const exit = yield* Effect.exit(
          Stream.runDrain(herd.stream(Stream.make(1), () => Effect.void, { concurrency }))
        )
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(error, InvalidConfig)
        assert.strictEqual(error.field, "concurrency")
      })
    )
  }

  it.effect("setPriority with a bad level dies with InvalidConfig, and the task keeps its level", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const herd = yield* start({ workers: { max: 1 } })
      yield* herd.pause
      const first = yield* herd.submit(Effect.sync(() => order.push("first")))
      yield* herd.submit(Effect.sync(() => order.push("second")))

      const exit = yield* Effect.exit(first.setPriority(0.5))
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof InvalidConfig)
      yield* herd.resume
      yield* herd.awaitIdle

      assert.deepStrictEqual(order, ["first", "second"])
    })
  )

  it.effect("a retry schedule is asked only when it is needed", () =>
    Effect.gen(function* () {
      let asked = 0
      const herd = yield* start()
      const retry = Schedule.recurs(1).pipe(Schedule.tap(() => Effect.sync(() => asked++)))
      yield* herd.run(Effect.void, { retry })
      assert.strictEqual(asked, 0)
    })
  )
})
