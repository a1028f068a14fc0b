/**
 * Again? Decides what follows an attempt, as a pure function, and asks a schedule
 * for the delay.
 *
 * @since 0.1.0
 */
import { Cause, type Effect, type Schedule } from "effect"
import * as Time from "../internal/Time.ts"
import { notBegun, notEnded } from "../model/HerdError.ts"

/**
 * What is known when an attempt has ended badly.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** The attempt failed with a typed error. Defects and interruptions never run again. */
  readonly typed: boolean
  /** What `checkHealth` said of the worker. */
  readonly healthy: boolean
  /** The task must not run again. */
  readonly once: boolean
  /** The herd still runs what it accepted. */
  readonly open: boolean
  /** Health re-queues so far, and most of them. */
  readonly requeues: number
  readonly maxRequeues: number
  /** A schedule could be asked, and `while` holds. */
  readonly retryable: boolean
}

/**
 * What follows an attempt that ended badly.
 *
 * - `requeue`: an unhealthy worker was to blame; run again on another, at once, as often as `maxRequeues` says.
 * - `retry`: ask the schedule.
 * - `settle`: the task's own last error goes to its caller.
 *
 * A re-queue takes nothing from the schedule. When re-queues are used up the
 * schedule decides, as for any failure.
 *
 * **Example** (A task that must run once)
 *
 * ```ts import.meta.vitest
 * import { Retry } from "lemmings"
 *
 * const failure = {
 *   typed: true, healthy: false, once: false, open: true, requeues: 0, maxRequeues: 3, retryable: true
 * }
 *
 * Retry.decide(failure) // => "requeue"
 * Retry.decide({ ...failure, healthy: true }) // => "retry"
 * Retry.decide({ ...failure, once: true }) // => "settle"
 * ```
 *
 * @category decisions
 * @since 0.1.0
 */
export const decide = (failure: Failure): "requeue" | "retry" | "settle" => {
  if (!failure.typed || failure.once || !failure.open) return "settle"
  if (!failure.healthy && failure.requeues < failure.maxRequeues) return "requeue"
  return failure.retryable ? "retry" : "settle"
}

/**
 * Whether a cause is a typed failure and nothing worse.
 *
 * @category decisions
 * @since 0.1.0
 */
export const isTyped = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.length > 0 && cause.reasons.every((reason) => reason._tag === "Fail")

/**
 * Whether an attempt failed because the effect that is the whole task did not begin (`HerdError.notBegun`).
 *
 * @category decisions
 * @since 0.3.0
 */
export const didNotBegin = ({ reasons }: Cause.Cause<unknown>, task: unknown): boolean => {
  const [reason] = reasons
  return reason?._tag === "Fail" && task !== undefined && ofKey(reason.error, notBegun) === task
}

/**
 * Whether a task failed because what it ran on was lost under it (`HerdError.notEnded`).
 *
 * @category decisions
 * @since 0.5.0
 */
export const didNotEnd = ({ reasons }: Cause.Cause<unknown>): boolean =>
  reasons.some((reason) => reason._tag === "Fail" && ofKey(reason.error, notEnded) === true)

/** An error may throw at every touch, as a Proxy does: then it is not one of ours. */
const ofKey = (error: unknown, key: symbol): unknown => {
  try {
    return typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined
  } catch {
    return undefined
  }
}

/**
 * Asks a predicate of the user. One that throws is reported, and its answer is `fallback`.
 *
 * @category decisions
 * @since 0.1.0
 */
export const judge = <A>(
  predicate: ((value: A) => boolean) | undefined,
  value: A,
  fallback: boolean,
  report: (cause: Cause.Cause<never>) => void
): boolean => {
  if (predicate === undefined) return true
  try {
    return predicate(value)
  } catch (defect) {
    report(Cause.die(defect))
    return fallback
  }
}

/**
 * Remembers where a task stands in its schedule. Yields the delay in
 * milliseconds before the next attempt, or `undefined` when the schedule has
 * ended. A schedule that fails has its own cause.
 *
 * @category delays
 * @since 0.1.0
 */
export type Step = (now: number, error: unknown) => Effect.Effect<number | undefined>

/**
 * Begins a schedule.
 *
 * @category delays
 * @since 0.1.0
 */
export const begin: (schedule: Schedule.Schedule<unknown>) => Effect.Effect<Step> = Time.stepping
