/**
 * What a scaling policy is.
 *
 * @since 0.2.0
 */
import { type Duration, Inspectable } from "effect"
import * as Durations from "../model/Durations.ts"
import type { ScalingSample } from "../model/HerdStats.ts"

/**
 * What a policy answers.
 *
 * @category models
 * @since 0.2.0
 */
export interface ScalingTarget {
  /** Workers wanted. `make` keeps it within the sample's bounds, and never below the busy workers. */
  readonly target: number
  /** Why, with the figures that decided. */
  readonly reason: string
  /** Workers that the load asks for, before the limits of growth. Defaults to `target`. */
  readonly demand?: number | undefined
  /** Stop dispatch, until an answer without it. */
  readonly pause?: boolean | undefined
}

/**
 * A pure function from a sample of the herd and its own state to a target and a reason, as data.
 *
 * @category models
 * @since 0.2.0
 */
export interface ScalingPolicy {
  /** Shown in `history`, events and the log. */
  readonly name: string
  /** What it was made with, defaults filled in, times in milliseconds. */
  readonly parameters: { readonly [name: string]: unknown }
  /**
   * Milliseconds that a task waits before the policy is asked out of turn. 0: as soon as a task has to wait.
   * `"auto"`: half of what creating a resource takes.
   */
  readonly targetWait: number | "auto"
  /** Whether samples need `system`. */
  readonly readsSystem: boolean
  /** The state for the first `decide`. */
  readonly initial: unknown
  /** Returns the answer and the state for the next call. Changes nothing. */
  readonly decide: (sample: ScalingSample, state: unknown) => readonly [ScalingTarget, unknown]
}

/**
 * @category models
 * @since 0.2.0
 */
export interface ScalingPolicyOptions<S> {
  readonly name: string
  readonly parameters?: { readonly [name: string]: unknown } | undefined
  /** Defaults to `"auto"`. */
  readonly targetWait?: number | "auto" | undefined
  /** Defaults to `false`. */
  readonly readsSystem?: boolean | undefined
  readonly initial: S
  readonly decide: (sample: ScalingSample, state: S) => readonly [ScalingTarget, S]
}

/**
 * Makes a policy of your own.
 *
 * **Example** (A worker for every ten waiting tasks)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const tens = ScalingPolicy.make({
 *   name: "tens",
 *   initial: undefined,
 *   decide: ({ queued }) => [{ target: Math.ceil(queued / 10), reason: `${queued} waiting` }, undefined]
 * })
 *
 * tens.name // => "tens"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <S>(options: ScalingPolicyOptions<S>): ScalingPolicy => ({
  name: options.name,
  parameters: options.parameters ?? {},
  targetWait: options.targetWait ?? "auto",
  readsSystem: options.readsSystem ?? false,
  initial: options.initial,
  decide: (sample, state) => {
    // The state is the policy's own: only `initial` and earlier answers come back.
    const [answer, next] = options.decide(sample, state as S)
    const { busy, max, min } = sample.workers
    const target = Math.max(min, Math.min(max, Math.max(answer.target, busy)))
    return [target === answer.target ? answer : { demand: answer.target, ...answer, target }, next]
  }
})

/**
 * The milliseconds of a time among a policy's parameters. Throws a `RangeError` when it is not longer than 0.
 */
export const positiveMillis = (name: string, input: Duration.Input): number =>
  allowedMillis(name, input, Durations.finite)

/** The milliseconds of a time among a policy's parameters. Throws a `RangeError` when it breaks the rule. */
export const allowedMillis = (
  name: string,
  input: Duration.Input,
  { millis, text }: Durations.Rule
): number => {
  const n = millis(input)
  if (n !== undefined) return n
  throw new RangeError(`ScalingPolicy.${name} must be ${text}, got ${Inspectable.toStringUnknown(input, 0)}`)
}

/** A number of a policy's parameters. Throws a `RangeError` when it is out of its range. */
export const within = (
  name: string,
  value: number,
  holds: (value: number) => boolean,
  rule: string
): number => {
  if (Number.isFinite(value) && holds(value)) return value
  throw new RangeError(`ScalingPolicy.${name} must be ${rule}, got ${value}`)
}
