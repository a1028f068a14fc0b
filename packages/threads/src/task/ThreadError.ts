/**
 * The errors that a thread adds to a task's own.
 *
 * @since 0.3.0
 */
import * as Schema from "effect/Schema"
import { notEnded } from "lemmings/HerdError"
import { describe, isError } from "../wire/Wire.ts"

/**
 * The thread of the task has ended before the task had: it crashed, exited, ran out of heap, or was terminated.
 *
 * @category errors
 * @since 0.3.0
 */
export class WorkerLost extends Schema.TaggedError<WorkerLost>("@lemmings/threads/WorkerLost")("WorkerLost", {
  herd: Schema.String,
  workerId: Schema.Int,
  /** The name of the task. Empty: none, because the thread was starting or idle. */
  task: Schema.String,
  /** Of the thread or process. `undefined`: a process ended by a signal. */
  exitCode: Schema.UndefinedOr(Schema.Int),
  /**
   * Whether the task had begun. One that had not can be run again without a second thought. One that had may have
   * ended: a thread whose heap is full, or that is terminated, takes the answers of its last millisecond with it.
   */
  begun: Schema.Boolean,
  /** What the thread died of, as far as it is known. */
  cause: Schema.Defect()
}) {
  get [notEnded](): true {
    return true
  }
  override get message() {
    const why = isError(this.cause) ? `: ${describe(this.cause)}` : ""
    const code = this.exitCode === undefined ? "" : ` with exit code ${this.exitCode}`
    const when =
      this.task === ""
        ? "without a task"
        : `${this.begun ? "while it ran" : "before it began"} "${this.task}"`
    return `Worker ${this.workerId} of herd "${this.herd}" ended${code} ${when}${why}`
  }
}

/**
 * The payload does not fit the task's schema, or cannot be sent to a thread, as functions cannot. Nothing was sent.
 *
 * @category errors
 * @since 0.3.0
 */
export class InvalidPayload extends Schema.TaggedError<InvalidPayload>("@lemmings/threads/InvalidPayload")(
  "InvalidPayload",
  { task: Schema.String, cause: Schema.Defect() },
  { httpApiStatus: 400 }
) {
  override get message() {
    return `The payload of "${this.task}" cannot be sent to a thread: ${describe(this.cause)}`
  }
}

/**
 * The herd has no thread, because threads crashed too often (`crashes`). It tries again after `retryAfterMillis`.
 * Nothing of the task ran.
 *
 * @category errors
 * @since 0.3.0
 */
export class ThreadsUnavailable extends Schema.TaggedError<ThreadsUnavailable>(
  "@lemmings/threads/ThreadsUnavailable"
)(
  "ThreadsUnavailable",
  {
    herd: Schema.String,
    crashes: Schema.Int,
    retryAfterMillis: Schema.Number,
    /** What the last thread died of. */
    cause: Schema.Defect()
  },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `Herd "${this.herd}" has no thread after ${this.crashes} crashes, and tries again in ${Math.ceil(this.retryAfterMillis)} ms. The last: ${describe(this.cause)}`
  }
}
