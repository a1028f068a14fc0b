/**
 * A control law for workers whose resources say how busy they are.
 *
 * @since 0.3.0
 */
import type { Duration } from "effect"
import { type Average, averaged, noAverage } from "../internal/Ewma.ts"
import { make, positiveMillis, type ScalingPolicy, within } from "./ScalingModel.ts"

/**
 * @category models
 * @since 0.3.0
 */
export interface UtilizationOptions {
  /** Part of the time that a resource should be busy. Above 0 and at most 1. Defaults to 0.75. */
  readonly target?: number | undefined
  /** How far from the target, as a part of it, resources may be without a change. At least 0, below 1. Defaults to 0.1. */
  readonly tolerance?: number | undefined
  /** The moving average of the readings is over this long. Above 0. Defaults to 5 seconds. */
  readonly window?: Duration.Input | undefined
}

/**
 * As many workers as keep their resources busy for the wanted part of the time: for resources that say so, as threads
 * do of their event loops.
 *
 * **Details**
 *
 * With `U = Σ utilization`, averaged over `window`, and `n` resources: `⌈U / target⌉`, and no change while
 * `|U / (n·target) − 1| ≤ tolerance`. Without readings it keeps what there is.
 *
 * **Gotchas**
 *
 * Resources cannot be busier than all the time, so it grows by `1 / target` at most in one window, however long the
 * queue: put it beside a law of demand with `max`. With tasks that wait, and do not compute, a thread is never busy.
 *
 * Source: the Horizontal Pod Autoscaler of Kubernetes, whose `n·(mean / target)` this is.
 *
 * **Example** (Demand decides, and threads that compute without a break get help)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.max(ScalingPolicy.littlesLaw(), ScalingPolicy.utilization({ target: 0.8 }))
 *
 * policy.name // => "max(littlesLaw, utilization)"
 * ```
 *
 * @category policies
 * @since 0.3.0
 */
export const utilization = (options: UtilizationOptions = {}): ScalingPolicy => {
  const wanted = within(
    "utilization: target",
    options.target ?? 0.75,
    (n) => n > 0 && n <= 1,
    "above 0 and at most 1"
  )
  const tolerance = within(
    "utilization: tolerance",
    options.tolerance ?? 0.1,
    (n) => n >= 0 && n < 1,
    "at least 0 and below 1"
  )
  const window = positiveMillis("utilization: window", options.window ?? "5 seconds")
  return make<Average>({
    name: "utilization",
    parameters: { target: wanted, tolerance, window },
    initial: noAverage,
    decide: ({ now, utilization: readings = [], workers }, before) => {
      if (readings.length === 0) return [{ target: workers.target, reason: "resources say nothing" }, before]
      const busy = readings.reduce((all, { utilization }) => all + utilization, 0)
      // Of all resources together, in resources.
      const next = averaged(before, busy, now, window)
      const sum = next.value
      const ratio = sum / (readings.length * wanted)
      const reason = `${readings.length} resources ${Math.round((sum / readings.length) * 100)} % busy`
      // An average never gets to 0, and a hundredth of a worker is nobody.
      const needed = Math.ceil(sum / wanted - 0.01)
      const target = Math.abs(ratio - 1) <= tolerance ? workers.target : needed
      return [{ target, reason }, next]
    }
  })
}
