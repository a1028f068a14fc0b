/**
 * The errors of durable jobs.
 *
 * @since 0.4.0
 */
import * as Schema from "effect/Schema"
import { messageOf } from "./Json.ts"

/**
 * Why a store did not do what it was asked.
 *
 * - `unavailable`: it cannot be reached, is restarting, or did not answer in time. Asking again later is right.
 * - `refused`: it said no, and would say so again: a value that it cannot hold, a missing right.
 *
 * @category models
 * @since 0.4.0
 */
export const StoreReason = Schema.Literals(["unavailable", "refused"])

/**
 * @category models
 * @since 0.4.0
 */
export type StoreReason = typeof StoreReason.Type

/**
 * The store of jobs did not do what it was asked. Each operation is one transaction: all of it was done or nothing. When
 * the store became unavailable in the middle nobody knows which; every operation may be asked again.
 *
 * @category errors
 * @since 0.4.0
 */
export class JobStoreError extends Schema.TaggedError<JobStoreError>("@lemmings/durable/JobStoreError")(
  "JobStoreError",
  { operation: Schema.String, reason: StoreReason, cause: Schema.Defect() },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `The job store ${this.reason === "refused" ? "refused" : "is unavailable for"} "${this.operation}": ${messageOf(this.cause)}`
  }
}

/**
 * Jobs were not accepted. With `reason` `invalid`, `refused` or `full` none of them was stored. With `unavailable` none was
 * unless the store was lost between writing and answering: enqueue again, with an `idempotencyKey` that costs nothing.
 *
 * @category errors
 * @since 0.4.0
 */
export class EnqueueFailed extends Schema.TaggedError<EnqueueFailed>("@lemmings/durable/EnqueueFailed")(
  "EnqueueFailed",
  {
    queue: Schema.String,
    /** How many jobs were in the call. */
    jobs: Schema.Int,
    /**
     * `invalid`: a payload does not fit its schema, or an option is out of range. `full`: as many jobs of its group wait as may,
     * by `maxWaitingPerGroup`.
     */
    reason: Schema.Literals(["unavailable", "refused", "invalid", "full"]),
    cause: Schema.Defect()
  },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `${this.jobs} job(s) of "${this.queue}" were not enqueued (${this.reason}): ${messageOf(this.cause)}`
  }
}

/**
 * Why an attempt, or a job, has failed.
 *
 * - `failed`: the handler's own typed error. `defect`: it died. `timeout`: it ran longer than the job's `timeout`.
 * - `interrupted`: somebody interrupted the task, or a shutdown did in its last attempt.
 * - `undecodable`: the stored payload does not fit the schema of the handler, or the row of the job cannot be claimed.
 * - `lost`: the process that ran it ended, or did not renew its lease, as often as the job has attempts.
 *
 * @category models
 * @since 0.4.0
 */
export const FailureReason = Schema.Literals([
  "failed",
  "defect",
  "timeout",
  "interrupted",
  "undecodable",
  "lost"
])

/**
 * @category models
 * @since 0.4.0
 */
export type FailureReason = typeof FailureReason.Type

/**
 * The job whose result was waited for has failed for good, and not with an error of its own: those are in the type.
 *
 * @category errors
 * @since 0.4.0
 */
export class JobFailed extends Schema.TaggedError<JobFailed>("@lemmings/durable/JobFailed")("JobFailed", {
  queue: Schema.String,
  id: Schema.String,
  reason: FailureReason,
  /** What was stored of the last failure. */
  detail: Schema.String,
  /** Executions begun. */
  attempts: Schema.Int
}) {
  override get message() {
    return `Job ${this.id} of "${this.queue}" failed after ${this.attempts} attempt(s) (${this.reason}): ${this.detail}`
  }
}

/**
 * The job whose result was waited for was cancelled.
 *
 * @category errors
 * @since 0.4.0
 */
export class JobCancelled extends Schema.TaggedError<JobCancelled>("@lemmings/durable/JobCancelled")(
  "JobCancelled",
  { queue: Schema.String, id: Schema.String }
) {
  override get message() {
    return `Job ${this.id} of "${this.queue}" was cancelled.`
  }
}

/**
 * The store has no such job: it never had, or its retention is over.
 *
 * @category errors
 * @since 0.4.0
 */
export class JobNotFound extends Schema.TaggedError<JobNotFound>("@lemmings/durable/JobNotFound")(
  "JobNotFound",
  { queue: Schema.String, id: Schema.String },
  { httpApiStatus: 404 }
) {
  override get message() {
    return `Queue "${this.queue}" has no job ${this.id}.`
  }
}

/**
 * An embedded store is open already, here or in another process. One process may open a directory at a time; use
 * PostgreSQL for more.
 *
 * @category errors
 * @since 0.4.0
 */
export class DirectoryInUse extends Schema.TaggedError<DirectoryInUse>("@lemmings/durable/DirectoryInUse")(
  "DirectoryInUse",
  { directory: Schema.String }
) {
  override get message() {
    return `The job store in ${this.directory} is open in another process, or twice in this one. Close that one first, or use PostgreSQL.`
  }
}

/**
 * The embedded store cannot be opened: its directory cannot be written, or is not of this version, or
 * `@electric-sql/pglite` is not installed.
 *
 * @category errors
 * @since 0.4.0
 */
export class OpenFailed extends Schema.TaggedError<OpenFailed>("@lemmings/durable/OpenFailed")("OpenFailed", {
  directory: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The job store in ${this.directory} cannot be opened: ${messageOf(this.cause)}`
  }
}
