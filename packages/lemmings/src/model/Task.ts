/**
 * What a caller says about a task, and what the herd says back.
 *
 * @since 0.1.0
 */
import { type Cause, Context, type Duration, type Effect, type Exit, type Schedule, Schema } from "effect"
import type { AcquireTimeout, DeadlineExceeded, ShedReason, TaskTimeout } from "./HerdError.ts"
import { InvalidConfig } from "./HerdError.ts"

/**
 * How urgent a task is: an integer level, larger first, or one of four names.
 *
 * `"low"` is 0, `"normal"` (the default) 5, `"high"` 10 and `"critical"` 20.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = "low" | "normal" | "high" | "critical" | number

const named = { low: 0, normal: 5, high: 10, critical: 20 } as const

/**
 * Returns the integer level of a priority. Throws `InvalidConfig` when a number
 * is not a safe integer.
 *
 * **Example** (Reading levels)
 *
 * ```ts import.meta.vitest
 * import { priorityLevel } from "lemmings"
 *
 * [priorityLevel("low"), priorityLevel(undefined), priorityLevel(-3)] // => [0, 5, -3]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const priorityLevel = (priority: Priority | undefined): number => {
  if (priority === undefined) return named.normal
  const level = typeof priority === "number" ? priority : named[priority]
  if (!Number.isSafeInteger(level)) {
    throw new InvalidConfig({
      field: "priority",
      value: priority,
      rule: `an integer, or "low", "normal", "high" or "critical"`
    })
  }
  return level
}

/**
 * Who is dropped first in an overload: sheddable tasks, then normal ones; critical ones only when the queue is full.
 * `priority` says when a task runs, `criticality` who is dropped.
 *
 * @category models
 * @since 0.5.0
 */
export const Criticality = Schema.Literals(["critical", "normal", "sheddable"])

/**
 * @category models
 * @since 0.5.0
 */
export type Criticality = typeof Criticality.Type

/**
 * The criticality of tasks that do not say theirs. A task sees its own, so that tasks of tasks inherit it.
 *
 * @category references
 * @since 0.5.0
 */
export const CurrentCriticality = Context.Reference<Criticality>("lemmings/CurrentCriticality", {
  defaultValue: () => "normal"
})

/**
 * What a caller may say about a task whose own errors are `E`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskOptions<in E = never> {
  /** Urgency. Defaults to `"normal"`. Kept by retries, delays and health re-queues. */
  readonly priority?: Priority | undefined
  /**
   * Longest run of one attempt. The attempt is interrupted and, once its
   * finalizers have ended, fails with `TaskTimeout`, which `retry` may retry.
   * Waiting in line does not count, unless the herd has no worker because
   * `onCreate` is failing. Defaults to no limit.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * Longest time from submission to the end, waiting, delays and every attempt
   * included. Fails with `DeadlineExceeded`. Defaults to no limit.
   */
  readonly deadline?: Duration.Input | undefined
  /**
   * Longest wait for a worker, each time that the task waits for one. Fails with `AcquireTimeout`. Defaults to no
   * limit.
   */
  readonly acquireTimeout?: Duration.Input | undefined
  /**
   * When to try again after a typed failure or a timeout. The delay holds no
   * worker. When it ends, the task's last own error comes back. Defaults to the
   * layer's `retry`; `false` means no retry whatever the layer says.
   */
  readonly retry?: Schedule.Schedule<unknown, E | TaskTimeout> | false | undefined
  /** Retries only errors for which this holds. Defaults to all. */
  readonly while?: ((error: E | TaskTimeout) => boolean) | undefined
  /** Never run again by the herd: no retry and no health re-queue. Defaults to `false`. */
  readonly once?: boolean | undefined
  /**
   * Groups related tasks, such as a tenant or a host: what limits by key and fair order are about. Shown in events, hooks and
   * middleware. Defaults to none.
   */
  readonly key?: string | undefined
  /**
   * How much of the limits the task takes: seats of its key, weight and tokens of its herd, and its cost in fair order. A
   * finite number above 0, at most what the limits allow. Defaults to 1. Without limits it has no effect.
   */
  readonly weight?: number | undefined
  /**
   * Who is refused first in an overload. Defaults to what the submitter's own task was given (`CurrentCriticality`), and at
   * the top to `"normal"`. Without `overload` it has no effect.
   */
  readonly criticality?: Criticality | undefined
  /** Names the task in events, errors and handles. Defaults to its sequence number. */
  readonly id?: string | undefined
  /** Says what kind of task this is; low-cardinality, shown in events and spans. */
  readonly label?: string | undefined
}

/**
 * The errors that the given options make possible: those of every limit that is
 * there, or may be there.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorsOf<O> = OptionErrors<O>["errors"]

/**
 * `ErrorsOf` to look up rather than to name: an inferred type then shows the errors themselves, and not `ErrorsOf<…>`.
 *
 * @category models
 * @since 0.5.0
 */
export interface OptionErrors<O> {
  readonly errors:
    | Limited<O, "timeout", TaskTimeout>
    | Limited<O, "deadline", DeadlineExceeded>
    | Limited<O, "acquireTimeout", AcquireTimeout>
}

/** `Error` when the options have the key, with a type other than `undefined`. */
type Limited<O, Key extends string, Error> = O extends { readonly [_ in Key]?: infer Limit }
  ? Key extends keyof O
    ? [Limit] extends [undefined]
      ? never
      : Error
    : never
  : never

/**
 * Where a task is in its life. The last four are final.
 *
 * - `queued`: accepted, waits for a worker.
 * - `delayed`: an attempt failed, the next one waits for its time. Holds no worker.
 * - `running`: holds a worker.
 * - `succeeded`, `failed` (a typed failure or a defect), `interrupted`.
 * - `shed`: dropped before it started.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskStatus = "queued" | "delayed" | "running" | "succeeded" | "failed" | "interrupted" | "shed"

/**
 * A task as hooks and middleware see it. `attempt` counts from 1 and includes
 * health re-queues, which `requeues` counts alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskInfo {
  readonly id: string
  readonly label: string | undefined
  readonly key: string | undefined
  readonly priority: number
  readonly attempt: number
  readonly requeues: number
  /** The worker that runs the attempt. 0 for a temporary one of `runNow`. */
  readonly workerId: number
}

/**
 * A worker as hooks and `onCreate` see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerInfo {
  /** Counts from 1 and is never used again by the same herd. 0: a spare or a temporary resource. */
  readonly workerId: number
  /** Whether the worker is beyond `workers.min`. */
  readonly burst: boolean
}

/**
 * An accepted task, held by whoever submitted it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskHandle<out A, out E = never> {
  readonly id: string
  /** Waits for the end and returns it. Interrupting the wait leaves the task alone. */
  readonly await: Effect.Effect<Exit.Exit<A, E>>
  /** Waits for the end and returns the task's result. */
  readonly join: Effect.Effect<A, E>
  /** Removes a waiting task or interrupts a running one, and waits until its finalizers have ended. */
  readonly interrupt: Effect.Effect<void>
  readonly status: Effect.Effect<TaskStatus>
  /** Executions begun so far. */
  readonly attempts: Effect.Effect<number>
  /** Moves a waiting task to another level, keeping its age. `false` when it waits no longer. */
  readonly setPriority: (priority: Priority) => Effect.Effect<boolean>
}

/**
 * Wraps every attempt of every task, inside its lease: the place for logging,
 * tracing and recovery. The first of several is outermost.
 *
 * @category models
 * @since 0.1.0
 */
export type Middleware = <A, E, R>(task: Effect.Effect<A, E, R>, info: TaskInfo) => Effect.Effect<A, E, R>

/**
 * Effects that run beside tasks and workers. Each runs in a fiber of its own: its
 * failure or defect is reported as an event and a log line, and reaches no task.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hooks<out R = never> {
  /** Before each attempt. */
  readonly onTaskStart?: ((task: TaskInfo) => Effect.Effect<unknown, unknown, R>) | undefined
  /** After the attempt that succeeded, before its caller goes on. */
  readonly onTaskComplete?:
    | ((task: TaskInfo, runMillis: number) => Effect.Effect<unknown, unknown, R>)
    | undefined
  /** After each attempt that failed, died or was interrupted. */
  readonly onTaskError?:
    | ((task: TaskInfo, cause: Cause.Cause<unknown>, runMillis: number) => Effect.Effect<unknown, unknown, R>)
    | undefined
  /** When a worker is ready for its first task, and after each replacement of its resource. */
  readonly onWorkerStart?: ((worker: WorkerInfo) => Effect.Effect<unknown, unknown, R>) | undefined
  /** When a worker has gone, its resource destroyed. */
  readonly onWorkerStop?: ((worker: WorkerInfo) => Effect.Effect<unknown, unknown, R>) | undefined
}

/**
 * What stands in a queue. The queue writes `slot` and `victim`; the owner writes
 * the rest, and changes none of it while the task stands in line.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueuedTask {
  /** Integer priority level, larger first. */
  level: number
  /** Milliseconds on the herd's monotonic clock, of the first acceptance. */
  readonly enqueuedAt: number
  /** Order of acceptance. Ties end here. */
  readonly sequence: number
  /** How many tasks it stands for. Whoever takes it from the line makes it one less, and its sequence one more. */
  readonly tasks: number
  /** Position in the line. Owned by the queue. */
  slot: number
  /** Position in the order of dropping. Owned by the queue. */
  victim: number
  /** Called once, in the step that accepts the task, before it stands in the queue or starts. */
  readonly admitted: () => void
  /** What limits and fair order are about. Defaults to none. */
  readonly key?: string | undefined
  /** How much of the limits it takes. Defaults to 1. */
  readonly weight?: number | undefined
  /** What its run time is expected from. */
  readonly label?: string | undefined
  /** Who is refused first in an overload. Defaults to `"normal"`. */
  readonly criticality?: Criticality | undefined
  /** When this wait began, on the herd's monotonic clock. Defaults to `enqueuedAt`. */
  readonly waitingSince?: number
  /** Ends a task that can no longer end in time, and takes it out of its line. Returns whether it did. */
  readonly hopeless?: (now: number) => boolean
  /** Drops what the queue no longer holds. */
  readonly shed?: (reason: ShedReason) => void
}
