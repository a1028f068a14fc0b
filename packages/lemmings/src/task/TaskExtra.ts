/**
 * What most tasks never need, made for those that do, so that a waiting task stays small.
 *
 * @since 0.1.0
 */
import { Effect, type Exit, type Scope } from "effect"
import type { ShedReason } from "../model/HerdError.ts"
import type { TaskOptions } from "../model/Task.ts"
import type { Step } from "./Retry.ts"
import type { Stop } from "./TaskLimits.ts"

/**
 * A timer's slot when there is no timer.
 *
 * @category constants
 * @since 0.1.0
 */
export const unset = -1

/**
 * @category models
 * @since 0.1.0
 */
export interface Extra {
  /** Why the herd ends the running attempt. */
  stopping: Stop | undefined
  shedReason: ShedReason | "closed" | undefined
  /** Its wait is in the statistics already, although it has not begun. */
  counted: boolean
  /** Executions begun again because a worker was unhealthy. */
  requeues: number
  timeout: number
  deadline: number
  delay: number
  acquire: number
  leak: number
  /** When the present wait began, if not with the acceptance. */
  waitingSince: number | undefined
  step: Step | undefined
  /** The end of the last attempt, while the task waits for the next. */
  last: Exit.Failure<unknown, unknown> | undefined
  whenAccepted: (() => void) | undefined
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Extra => ({
  stopping: undefined,
  shedReason: undefined,
  counted: false,
  requeues: 0,
  timeout: unset,
  deadline: unset,
  delay: unset,
  acquire: unset,
  leak: unset,
  waitingSince: undefined,
  step: undefined,
  last: undefined,
  whenAccepted: undefined
})

// Herds that look for leaks.
let watchers = 0

/**
 * Has the places remembered in which tasks are submitted, until the scope closes.
 *
 * @category leaks
 * @since 0.2.0
 */
export const rememberPlaces: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => void watchers++),
  () => Effect.sync(() => watchers--)
)

/** Options that know where they were given. */
interface Placed extends TaskOptions {
  readonly submittedAt?: string | undefined
}

/** The calls that lead here, without those of Effect's runtime and our own. */
const here = (): string =>
  (new Error("here").stack ?? "")
    .split("\n")
    .filter(
      (line) =>
        line.startsWith("    at ") &&
        !/node_modules.effect|[\\/]lemmings[\\/](src|dist)[\\/]|node:/.test(line)
    )
    .join("\n")

/**
 * Adds the place of the call to the options, while somebody looks for leaks.
 *
 * @category leaks
 * @since 0.2.0
 */
export const placed = <O extends TaskOptions | undefined>(options: O): O => {
  if (watchers === 0) return options
  const given: Placed | undefined = options
  return given?.submittedAt === undefined ? { ...options, submittedAt: here() } : options
}

/**
 * Where the options were given, as far as it is known.
 *
 * @category leaks
 * @since 0.2.0
 */
export const placeOf = (options: TaskOptions): string => (options as Placed).submittedAt ?? ""
