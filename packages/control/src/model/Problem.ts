/**
 * What is wrong with the herds and queues of a process, in words.
 *
 * @since 0.5.0
 */
import { Schema } from "effect"

/**
 * How bad it is. `critical`: work is not done. `warning`: it soon may not be.
 *
 * @category models
 * @since 0.5.0
 */
export const Severity = Schema.Literals(["critical", "warning"])

/**
 * @category models
 * @since 0.5.0
 */
export type Severity = typeof Severity.Type

/**
 * What is asked to be looked at: a herd, a queue of jobs, or the process itself, whose `id` is empty.
 *
 * @category models
 * @since 0.5.0
 */
export const Subject = Schema.Struct({
  kind: Schema.Literals(["herd", "queue", "process"]),
  id: Schema.String
})

/**
 * @category models
 * @since 0.5.0
 */
export type Subject = typeof Subject.Type

/**
 * What helps, or makes it no worse. `open`: look at the subject. `release` has the `key` whose hold it ends.
 *
 * @category models
 * @since 0.5.0
 */
export const Remedy = Schema.Struct({
  kind: Schema.Literals(["open", "pause", "resume", "auto", "release", "review"]),
  key: Schema.optionalKey(Schema.String)
})

/**
 * @category models
 * @since 0.5.0
 */
export type Remedy = typeof Remedy.Type

/**
 * One condition that holds for one subject.
 *
 * @category models
 * @since 0.5.0
 */
export const Problem = Schema.Struct({
  /** The name of its alert for Prometheus, such as `LemmingsTasksFail`. */
  alert: Schema.String,
  /** Also its heading in the runbook. */
  title: Schema.String,
  severity: Severity,
  subject: Subject,
  /** What it does, such as `fails 100 % of its tasks`: the subject and this are a sentence. */
  sentence: Schema.String,
  /** Figures beside it. May be empty. */
  detail: Schema.String,
  /** The last error, in one line. There only where errors are exposed. */
  error: Schema.optionalKey(Schema.String),
  /** Since when, epoch milliseconds. */
  since: Schema.Number,
  remedy: Remedy
})

/**
 * @category models
 * @since 0.5.0
 */
export type Problem = typeof Problem.Type
