import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { HerdConfig, InvalidConfig, Lemmings, LemmingsLive } from "../../src/index.ts"
import { defaults } from "../support/defaults.ts"

const read = (config: HerdConfig.HerdConfig, path: string): unknown =>
  path.split(".").reduce<unknown>((node, key) => Reflect.get(Object(node), key), config)

describe("HerdConfig.decode", () => {
  it.effect("fills in the printed defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* HerdConfig.decode({}), defaults)
    })
  )

  it.effect("workers.initial follows workers.min, and workers.max where nothing scales", () =>
    Effect.gen(function* () {
      const bounds = { min: 2, max: 5 }
      for (const [scaling, initial] of [
        ["auto", 2],
        ["littlesLaw", 2],
        ["fixed", 5]
      ] as const) {
        const options = { workers: bounds, scaling }
        const { workers } = yield* HerdConfig.decode(options)
        assert.strictEqual(workers.initial, initial, scaling)
      }
    })
  )

  it.effect("times are durations of every kind, in milliseconds", () =>
    Effect.gen(function* () {
      for (const window of ["90 seconds", 90_000, Duration.seconds(90), [90, 0] as const, 90_000_000_000n]) {
        const config = yield* HerdConfig.decode({ window: window as Duration.Input })
        assert.strictEqual(config.window, 90_000, String(window))
      }
    })
  )

  it.effect("an undefined field is a field not given", () =>
    Effect.gen(function* () {
      const options = { workers: undefined, queue: { capacity: undefined }, window: undefined }
      assert.deepStrictEqual(yield* HerdConfig.decode(options), defaults)
    })
  )

  it.effect("its result decodes to itself", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* HerdConfig.decode(defaults), defaults)
    })
  )

  it.effect("never and unbounded can be said as Infinity", () =>
    Effect.gen(function* () {
      const { queue } = yield* HerdConfig.decode({ queue: { ageing: "never", capacity: "unbounded" } })
      assert.deepStrictEqual([queue.ageing, queue.capacity], [Infinity, Infinity])
    })
  )

  it.effect("fields that the caller knows are passed over", () =>
    Effect.gen(function* () {
      const options = { hooks: {} }
      assert.deepStrictEqual(yield* HerdConfig.decode(options as object, ["hooks"]), defaults)
      assert.strictEqual((yield* Effect.flip(HerdConfig.decode(options as object))).field, "hooks")
    })
  )
})

describe("HerdConfig.fromEnvironment", () => {
  const environment: Record<
    string,
    readonly [variable: string, text: string, value: unknown, wrong: string]
  > = {
    "workers.min": ["LEMMINGS_WORKERS_MIN", "2", 2, "two"],
    "workers.max": ["LEMMINGS_WORKERS_MAX", "20", 20, "0"],
    scaling: ["LEMMINGS_SCALING", "fixed", "fixed", "elastic"],
    scalingInterval: ["LEMMINGS_SCALING_INTERVAL", "1 second", 1000, "-1 seconds"],
    "workers.initial": ["LEMMINGS_WORKERS_INITIAL", "4", 4, "1.5"],
    "queue.capacity": ["LEMMINGS_QUEUE_CAPACITY", "100", 100, "-1"],
    "queue.overflow": ["LEMMINGS_QUEUE_OVERFLOW", "suspend", "suspend", "block"],
    "queue.ageing": ["LEMMINGS_QUEUE_AGEING", "never", Infinity, "soon"],
    "queue.order": ["LEMMINGS_QUEUE_ORDER", "fair", "fair", "random"],
    "queue.cost": ["LEMMINGS_QUEUE_COST", "time", "time", "money"],
    "shutdown.drain": ["LEMMINGS_SHUTDOWN_DRAIN", "1 minute", 60_000, "never"],
    "shutdown.interrupt": ["LEMMINGS_SHUTDOWN_INTERRUPT", "2 seconds", 2000, "2 parsecs"],
    "shutdown.destroy": ["LEMMINGS_SHUTDOWN_DESTROY", "0 seconds", 0, "-1 seconds"],
    start: ["LEMMINGS_START", "eager", "eager", "early"],
    createTimeout: ["LEMMINGS_CREATE_TIMEOUT", "3 seconds", 3000, "later"],
    maxCreating: ["LEMMINGS_MAX_CREATING", "2", 2, "0"],
    validateAfter: ["LEMMINGS_VALIDATE_AFTER", "0 seconds", 0, "never"],
    validateTimeout: ["LEMMINGS_VALIDATE_TIMEOUT", "1 second", 1000, "forever"],
    idleTimeToLive: ["LEMMINGS_IDLE_TIME_TO_LIVE", "never", Infinity, "always"],
    maxLifetime: ["LEMMINGS_MAX_LIFETIME", "1 hour", 3_600_000, "eternal"],
    keepAlive: ["LEMMINGS_KEEP_ALIVE", "2 minutes", 120_000, "often"],
    maxUses: ["LEMMINGS_MAX_USES", "1000", 1000, "0"],
    reuse: ["LEMMINGS_REUSE", "fifo", "fifo", "random"],
    leakAfter: ["LEMMINGS_LEAK_AFTER", "1 minute", 60_000, "some day"],
    onLeak: ["LEMMINGS_ON_LEAK", "interrupt", "interrupt", "kill"],
    spares: ["LEMMINGS_SPARES", "1", 1, "one"],
    maxTemporary: ["LEMMINGS_MAX_TEMPORARY", "0", 0, "0x10"],
    maxRequeues: ["LEMMINGS_MAX_REQUEUES", "0", 0, "1e3"],
    window: ["LEMMINGS_WINDOW", "10 seconds", 10_000, "a while"]
  }
  const given = (env: Record<string, string>) =>
    HerdConfig.fromEnvironment.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))))

  it("every setting is tried here", () => {
    assert.deepStrictEqual(
      Object.keys(environment),
      HerdConfig.settings.map(({ path }) => path)
    )
  })

  for (const [path, [variable, text, value, wrong]] of Object.entries(environment)) {
    it.effect(`${variable}=${text} sets ${path}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(HerdConfig.variable(path), variable)
        assert.strictEqual(read(yield* given({ [variable]: text }), path), value)
      })
    )
    it.effect(`${variable}=${wrong} is an InvalidConfig that names the variable`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(given({ [variable]: wrong }))
        assert.instanceOf(error, InvalidConfig)
        assert.deepStrictEqual([error.field, error.value], [variable, wrong])
      })
    )
  }

  it.effect("an empty environment gives the defaults, and an empty variable is one not given", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* given({ LEMMINGS_WINDOW: "", LEMMINGS_SPARES: "" }), defaults)
      assert.deepStrictEqual(yield* given({}), defaults)
      assert.deepStrictEqual(yield* given({ LEMMINGS_WORKERS: "7", PATH: "/bin" }), defaults)
    })
  )

  it.effect("settings come from any provider", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({ LEMMINGS_WORKERS_MAX: 3, LEMMINGS_WINDOW: "5 seconds" })
      const config = yield* HerdConfig.fromEnvironment.pipe(Effect.provide(ConfigProvider.layer(provider)))
      assert.deepStrictEqual([config.workers.max, config.window], [3, 5000])
    })
  )

  it.effect("values that are wrong only together are refused", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(given({ LEMMINGS_WORKERS_MIN: "5", LEMMINGS_WORKERS_MAX: "4" }))
      assert.include(error.message, "must be at most workers.max (4), got 5")
    })
  )

  const live = (env: Record<string, string>) =>
    LemmingsLive.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))))

  it.effect("LemmingsLive runs with the environment's settings", () =>
    Effect.gen(function* () {
      const { workers } = yield* Effect.flatMap(Lemmings, (herd) => herd.stats)
      assert.deepStrictEqual([workers.min, workers.max, workers.size], [2, 3, 2])
    }).pipe(Effect.provide(live({ LEMMINGS_WORKERS_MIN: "2", LEMMINGS_WORKERS_MAX: "3" })))
  )

  it.effect("LemmingsLive refuses an overflow whose errors its type has not", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(live({ LEMMINGS_QUEUE_OVERFLOW: "reject" })))
      )
      assert.deepInclude(error, { field: "LEMMINGS_QUEUE_OVERFLOW", value: "reject" })
    })
  )
})
