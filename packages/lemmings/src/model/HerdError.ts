/**
 * Every error that a herd adds to a task's own errors.
 *
 * A task's own errors are never wrapped: they stay in `E`. The classes below
 * appear in a type only where the options or the declaration make them possible,
 * as `run` documents.
 *
 * @since 0.1.0
 */
import { Inspectable, Schema } from "effect"
import { inLine } from "../internal/Line.ts"

/**
 * The phases of a herd's life, in order. A herd never goes back to an earlier one.
 *
 * - `running`: accepts and dispatches tasks.
 * - `draining`: refuses new tasks, dispatches the queued ones.
 * - `interrupting`: the queue is dropped, running tasks are interrupted.
 * - `closed`: every task is settled and every resource was destroyed or reported.
 *
 * @category models
 * @since 0.1.0
 */
export const HerdState = Schema.Literals(["running", "draining", "interrupting", "closed"])

/**
 * @category models
 * @since 0.1.0
 */
export type HerdState = typeof HerdState.Type

/**
 * The herd accepts no more tasks, or closed before it could run this one. Nothing
 * of the task ran in the attempt that this error ends. Permanent for this herd.
 *
 * @category errors
 * @since 0.1.0
 */
export class HerdClosed extends Schema.TaggedError<HerdClosed>("lemmings/HerdClosed")(
  "HerdClosed",
  { herd: Schema.String, state: HerdState },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `Herd "${inLine(this.herd)}" accepts no tasks: it is ${this.state}. Submit before stop, or to another herd.`
  }
}

/**
 * The pool is closing or closed, and lends nothing. Permanent for this pool.
 *
 * @category errors
 * @since 0.2.0
 */
export class PoolClosed extends Schema.TaggedError<PoolClosed>("lemmings/PoolClosed")(
  "PoolClosed",
  { pool: Schema.String, state: HerdState },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `Pool "${inLine(this.pool)}" lends nothing: it is ${this.state}. Borrow before it closes.`
  }
}

/**
 * The queue holds `capacity` tasks already, or as many of one key (`limits.perKey.queue`) as may wait. Nothing was accepted,
 * so retrying later is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFull extends Schema.TaggedError<QueueFull>("lemmings/QueueFull")(
  "QueueFull",
  { herd: Schema.String, capacity: Schema.Number, key: Schema.optionalKey(Schema.String) },
  { httpApiStatus: 429 }
) {
  override get message() {
    return this.key === undefined
      ? `Queue of herd "${inLine(this.herd)}" is full (capacity ${this.capacity}). Retry later, or raise queue.capacity.`
      : `Key ${JSON.stringify(inLine(this.key))} of herd "${inLine(this.herd)}" has ${this.capacity} waiting tasks, which is its limit. Retry later, or raise limits.perKey.queue.`
  }
}

/**
 * A limit would have held the task, and its herd refuses what a limit holds (`limits: "reject"`). Nothing was accepted, so
 * retrying later is safe.
 *
 * @category errors
 * @since 0.5.0
 */
export class RateLimited extends Schema.TaggedError<RateLimited>("lemmings/RateLimited")(
  "RateLimited",
  {
    herd: Schema.String,
    key: Schema.optionalKey(Schema.String),
    /** Milliseconds until the limit may be open. 0: it opens with the end of a task. */
    retryAfterMillis: Schema.Number
  },
  { httpApiStatus: 429 }
) {
  override get message() {
    const who = this.key === undefined ? "" : ` for key ${JSON.stringify(inLine(this.key))}`
    const when =
      this.retryAfterMillis === 0 ? "when a task has ended" : `in ${Math.ceil(this.retryAfterMillis)} ms`
    return `Herd "${inLine(this.herd)}" has reached a limit${who}. Retry ${when}.`
  }
}

/**
 * Why an accepted task was dropped on purpose.
 *
 * @category models
 * @since 0.1.0
 */
export const ShedReason = Schema.Literals([
  "cleared",
  "dropOldest",
  "dropLowest",
  "dropLongest",
  "overloaded",
  "keyFull"
])

/**
 * @category models
 * @since 0.1.0
 */
export type ShedReason = typeof ShedReason.Type

/**
 * The task was dropped before it started: by `clear`, to make room for another, or because the herd is overloaded. It never
 * ran, so submitting it again is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskShed extends Schema.TaggedError<TaskShed>("lemmings/TaskShed")(
  "TaskShed",
  { herd: Schema.String, taskId: Schema.String, reason: ShedReason },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `Task ${inLine(this.taskId)} was shed by herd "${inLine(this.herd)}" (${this.reason}) before it started.`
  }
}

/**
 * The key of errors that say that an effect did not begin: it runs on the worker's resource, and the resource could not
 * take it. Its value is that effect.
 *
 * When the effect is the whole task, nothing of the task ran: the herd gives the task back its place in the queue
 * instead of failing it, and the attempt does not count. Otherwise it is the task's error, as any other.
 *
 * @category errors
 * @since 0.3.0
 */
export const notBegun: unique symbol = Symbol.for("lemmings/notBegun")

/**
 * The key of errors that say that an effect did not end by itself: what it ran on was lost under it. Its value is `true`.
 *
 * It is the task's error, as any other. A task that fails with it while the herd drains counts as interrupted in the
 * `ShutdownReport`.
 *
 * @category errors
 * @since 0.5.0
 */
export const notEnded: unique symbol = Symbol.for("lemmings/notEnded")

/** What the herd looked like when a task ran out of time. Counts. */
const situation = {
  herd: Schema.String,
  taskId: Schema.String,
  /** Where the task was: in line, in a retry delay, or on a worker. */
  phase: Schema.Literals(["waiting", "delayed", "running"]),
  /** Tasks in the queue. */
  queued: Schema.Int,
  /** Workers able to run a task, idle or busy. */
  workers: Schema.Int,
  /** The last error of `onCreate`, when creation is failing now. */
  lastCreateError: Schema.optionalKey(Schema.Defect())
}

/** An error in one line, whatever it is. */
const describe = (error: unknown): string => {
  if (error instanceof Error)
    return inLine(error.message === "" ? error.name : `${error.name}: ${error.message}`)
  return inLine(typeof error === "string" ? error : Inspectable.toStringUnknown(error, 0))
}

const outOfTime = (error: {
  readonly taskId: string
  readonly phase: string
  readonly queued: number
  readonly workers: number
  readonly lastCreateError?: unknown
}) =>
  `while ${error.phase} (${error.queued} queued, ${error.workers} workers` +
  (error.lastCreateError === undefined ? ")" : `; onCreate fails: ${describe(error.lastCreateError)})`)

/**
 * One attempt ran longer than its `timeout`, or waited that long while the herd
 * had no worker because `onCreate` was failing. The attempt's finalizers have
 * ended before this error is delivered.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskTimeout extends Schema.TaggedError<TaskTimeout>("lemmings/TaskTimeout")(
  "TaskTimeout",
  { ...situation, timeoutMillis: Schema.Number },
  { httpApiStatus: 504 }
) {
  override get message() {
    return `Task ${inLine(this.taskId)} exceeded its timeout of ${this.timeoutMillis} ms ${outOfTime(this)}.`
  }
}

/**
 * The task was not done `deadline` after its submission, waiting, delays and all
 * attempts included. A running attempt's finalizers have ended before this error
 * is delivered.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>("lemmings/DeadlineExceeded")(
  "DeadlineExceeded",
  { ...situation, deadlineMillis: Schema.Number },
  { httpApiStatus: 504 }
) {
  override get message() {
    return `Task ${inLine(this.taskId)} missed its deadline of ${this.deadlineMillis} ms ${outOfTime(this)}.`
  }
}

/**
 * No worker was there for the task within its `acquireTimeout`. The attempt did not begin.
 *
 * @category errors
 * @since 0.2.0
 */
export class AcquireTimeout extends Schema.TaggedError<AcquireTimeout>("lemmings/AcquireTimeout")(
  "AcquireTimeout",
  {
    herd: Schema.String,
    timeoutMillis: Schema.Number,
    /** Workers, those that are starting included. */
    total: Schema.Int,
    /** Workers that run a task. */
    active: Schema.Int,
    /** Workers with nothing to do: more than 0 only while dispatch is paused. */
    idle: Schema.Int,
    /** Tasks in the queue, this one included. */
    waiting: Schema.Int,
    /** The last error of `onCreate`, when creation is failing now. */
    lastCreateError: Schema.optionalKey(Schema.Defect())
  },
  { httpApiStatus: 503 }
) {
  override get message() {
    const creation =
      this.lastCreateError === undefined ? "" : `; onCreate fails: ${describe(this.lastCreateError)}`
    return (
      `Nothing free in "${inLine(this.herd)}" within ${this.timeoutMillis} ms ` +
      `(total ${this.total}, active ${this.active}, idle ${this.idle}, waiting ${this.waiting}${creation}).`
    )
  }
}

/**
 * `runNow` needed a temporary resource and `onCreate` failed with `cause`. The
 * task did not run.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResourceUnavailable extends Schema.TaggedError<ResourceUnavailable>(
  "lemmings/ResourceUnavailable"
)("ResourceUnavailable", { herd: Schema.String, cause: Schema.Defect() }, { httpApiStatus: 503 }) {
  override get message() {
    return `Herd "${inLine(this.herd)}" could not create a resource: ${describe(this.cause)}`
  }
}

/**
 * A setting is out of its range. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>("lemmings/InvalidConfig")(
  "InvalidConfig",
  {
    /** Path of the setting, as in the options: `workers.min`. */
    field: Schema.String,
    value: Schema.Unknown,
    /** What the value must be, completing "must be …". */
    rule: Schema.String
  },
  { httpApiStatus: 400 }
) {
  override get message() {
    const shown =
      typeof this.value === "string" ? JSON.stringify(this.value) : Inspectable.toStringUnknown(this.value, 0)
    return `${this.field} must be ${this.rule}, got ${inLine(shown)}`
  }
}
