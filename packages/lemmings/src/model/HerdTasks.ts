/**
 * The tasks of a herd as whoever is on call sees them: those that wait and run, and those that failed lately.
 *
 * @since 0.3.0
 */
import { type Cause, Schema } from "effect"

const Count = Schema.Int

/** What every report of a task names it by. */
const named = {
  id: Schema.String,
  label: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  priority: Schema.Int
}

/**
 * A task that has not ended. Times are milliseconds.
 *
 * @category models
 * @since 0.3.0
 */
export const TaskSummary = Schema.Struct({
  ...named,
  status: Schema.Literals(["running", "queued", "delayed"]),
  /** Attempts begun, the one that runs included. */
  attempt: Count,
  /** Since the task was accepted. */
  ageMillis: Schema.Finite,
  /** Since its attempt began, for one that runs. */
  runMillis: Schema.optionalKey(Schema.Finite),
  /** The worker that runs it; 0 for a temporary one of `runNow`. */
  workerId: Schema.optionalKey(Count)
})

/**
 * @category models
 * @since 0.3.0
 */
export type TaskSummary = typeof TaskSummary.Type

/**
 * Some of the tasks that have not ended: those that run first, longest first, then those that wait, next first, then those
 * that wait for their next attempt.
 *
 * @category models
 * @since 0.3.0
 */
export const TaskPage = Schema.Struct({
  /** All of them, those on other pages included. */
  total: Count,
  offset: Count,
  tasks: Schema.Array(TaskSummary)
})

/**
 * @category models
 * @since 0.3.0
 */
export type TaskPage = typeof TaskPage.Type

/**
 * Which page of the tasks to show.
 *
 * @category models
 * @since 0.3.0
 */
export interface TaskPageOptions {
  /** Only tasks in this state. Defaults to all. */
  readonly status?: TaskSummary["status"] | undefined
  /** Tasks to pass over, 0 to 10,000. Defaults to 0. */
  readonly offset?: number | undefined
  /** Most tasks on the page, 1 to 1,000. Defaults to 100. */
  readonly limit?: number | undefined
}

/**
 * How many tasks wait at each priority, most urgent first.
 *
 * @category models
 * @since 0.3.0
 */
export const QueueLevels = Schema.Struct({
  /** Whether the figures come from a sample, because too many tasks wait to look at each. */
  estimated: Schema.Boolean,
  levels: Schema.Array(Schema.Struct({ priority: Schema.Int, tasks: Count }))
})

/**
 * @category models
 * @since 0.3.0
 */
export type QueueLevels = typeof QueueLevels.Type

/**
 * Why an attempt, or a task that never ran, failed: with an error of its own, with a defect, at its `timeout`, at its
 * `deadline`, or at its `acquireTimeout`.
 *
 * @category models
 * @since 0.3.0
 */
export const FailureKind = Schema.Literals(["failure", "defect", "timeout", "deadline", "acquireTimeout"])

/**
 * @category models
 * @since 0.3.0
 */
export type FailureKind = typeof FailureKind.Type

/**
 * One failure of a task.
 *
 * @category models
 * @since 0.3.0
 */
export interface TaskFailure {
  /** Epoch milliseconds. */
  readonly at: number
  readonly id: string
  readonly label?: string
  readonly key?: string
  readonly priority: number
  /** Attempts begun. 0: it never ran. */
  readonly attempt: number
  readonly kind: FailureKind
  /** Whether another attempt follows. */
  readonly again: boolean
  readonly cause: Cause.Cause<unknown>
}
