/**
 * The ready-made herd: workers without a resource, configured by the environment.
 *
 * @since 0.1.0
 */
import { Effect, Layer } from "effect"
import * as Herd from "./herd/Herd.ts"
import * as FlowSettings from "./model/FlowSettings.ts"
import * as HerdConfig from "./model/HerdConfig.ts"
import { InvalidConfig } from "./model/HerdError.ts"

/**
 * The ready-made herd.
 *
 * **Example** (Running a task)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { Lemmings, LemmingsLive } from "lemmings"
 *
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   return yield* herd.run(Effect.succeed("done"), { priority: "high" })
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LemmingsLive))) // => "done"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Lemmings extends Herd.Service<Lemmings>()("lemmings/Lemmings") {}

/**
 * `Lemmings`, with every setting of `HerdConfig.settings` read from the
 * environment: `workers.max` from `LEMMINGS_WORKERS_MAX`, and so on. Fails with
 * `InvalidConfig`, which names the variable, its value and the rule.
 *
 * @category layers
 * @since 0.1.0
 */
export const LemmingsLive: Layer.Layer<Lemmings, InvalidConfig> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* HerdConfig.fromEnvironment
    const flow = yield* FlowSettings.fromEnvironment(HerdConfig.variable)
    const { overflow } = config.queue
    // The environment has names only.
    const scaling = config.scaling === "policy" ? "auto" : config.scaling
    if (overflow === "suspend")
      return Lemmings.layer({ ...config, ...flow, scaling, queue: { ...config.queue, overflow } })
    // The other ways would add errors that the type of Lemmings has not.
    const rule = `"suspend"; declare a herd of your own with Herd.Service for another overflow`
    return yield* Effect.fail(
      new InvalidConfig({ field: HerdConfig.variable("queue.overflow"), value: overflow, rule })
    )
  })
)
