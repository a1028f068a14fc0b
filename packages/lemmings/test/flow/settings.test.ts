// The settings of flow control: from the environment, wrong ones, and those of a pool.
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { TestClock } from "effect/testing"
import { HerdConfig, ResourcePool } from "../../src/index.ts"
import * as FlowSettings from "../../src/model/FlowSettings.ts"
import { fork, Gauge } from "../promises/support.ts"
import { flow } from "./support.ts"

const each = <A>(count: number, f: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => f(i))

describe("settings", () => {
  it.effect("are read from the environment, and a wrong one is named", () =>
    Effect.gen(function* () {
      const read = (env: Record<string, string>) =>
        FlowSettings.fromEnvironment(HerdConfig.variable).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env)))
        )
      const wrong = (kind: string) => (kind === "flag" ? "maybe" : "-1")
      const right: Record<string, string> = {
        "limits.rate.per": "2 seconds",
        "limits.perKey.rate.per": "2 seconds",
        "limits.rate.window": "gcra",
        "limits.perKey.rate.window": "sliding",
        "overload.after": "3 seconds",
        "overload.maxWait": "3 seconds",
        "overload.order": "newestFirst",
        "retryBudget.ratio": "0.5",
        "limits.perKey.ordered": "true",
        "limits.perKey.burst": "true"
      }
      for (const { kind, path, rule } of FlowSettings.flowSettings) {
        const variable = HerdConfig.variable(path)
        // A rate needs both.
        const rest: Record<string, string> = path.includes("rate.")
          ? {
              [HerdConfig.variable(path.replace(/rate\..*/, "rate.limit"))]: "2",
              [HerdConfig.variable(path.replace(/rate\..*/, "rate.per"))]: "1 second"
            }
          : {}
        const options = yield* read({ ...rest, [variable]: right[path] ?? "2" })
        const at = path.split(".").reduce<unknown>((node, name) => Reflect.get(Object(node), name), options)
        assert.strictEqual(String(at), right[path] ?? "2", path)
        const error = yield* Effect.flip(read({ ...rest, [variable]: wrong(kind) }))
        assert.strictEqual(error.field, variable)
        assert.isNotEmpty(rule)
      }
      assert.deepStrictEqual(yield* read({}), {})
      assert.strictEqual(
        HerdConfig.variable("limits.perKey.rate.limit"),
        "LEMMINGS_LIMITS_PER_KEY_RATE_LIMIT"
      )
    })
  )

  it.effect("that are wrong name the field, the value and the rule, and start nothing", () =>
    Effect.gen(function* () {
      for (const [options, field] of [
        [{ limits: { weight: 0 } }, "limits.weight"],
        [{ limits: { rate: { limit: -1, per: 1 } } }, "limits.rate.limit"],
        [{ limits: { rate: { limit: 1, per: 0 } } }, "limits.rate.per"],
        [
          {
            limits: {
              rate: [
                { limit: 1, per: 1 },
                { limit: 1, per: NaN }
              ]
            }
          },
          "limits.rate.1.per"
        ],
        [{ limits: { perKey: { concurrency: 0 } } }, "limits.perKey.concurrency"],
        [
          { limits: { perKey: { rate: { limit: 2_000, per: 1, window: "sliding" } } } },
          "limits.perKey.rate.limit"
        ],
        [{ limits: { perKey: { conccurrency: 1 } } }, "limits.perKey.conccurrency"],
        [{ limits: { hold: 5 } }, "limits.hold"],
        [{ overload: { after: "5 secnds" } }, "overload.after"],
        [{ overload: { order: "random" } }, "overload.order"],
        [{ retryBudget: { ratio: 2 } }, "retryBudget.ratio"],
        [{ retryBudget: null }, "retryBudget"]
      ] as ReadonlyArray<readonly [object, string]>) {
        const error = yield* Effect.flip(flow(options))
        assert.deepInclude(error as object, { _tag: "InvalidConfig", field })
      }
    })
  )

  it.effect("are those of a pool, too", () =>
    Effect.gen(function* () {
      const pool = yield* ResourcePool.make("flow", {
        onCreate: Effect.succeed({}),
        size: 8,
        limits: { perKey: { concurrency: 2 } },
        order: "fair",
        shutdown: { drain: 0 }
      })
      const gauge = new Gauge()
      const use = (key: string) => pool.use(() => gauge.during(Effect.sleep(100)), { key })
      yield* fork(
        Effect.forEach(
          each(10, () => "a"),
          use,
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust(450)
      assert.strictEqual(gauge.most, 2)
      assert.strictEqual((yield* pool.keys())[0]?.key, "a")
      yield* TestClock.adjust(100)
    })
  )
})
