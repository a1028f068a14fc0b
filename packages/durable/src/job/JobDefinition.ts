/**
 * What a job is, once: its name, its schemas, and what is done when it fails. All of it is data and pure functions.
 *
 * @since 0.4.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Time from "lemmings/internal/Time"
import { InvalidConfig, type Priority, TaskTimeout } from "lemmings"
import { createHash, randomUUID } from "node:crypto"
import type { Failure, QueueSpec } from "../port/JobStore.ts"
import { clean, cleanText, describe, isFit, plain } from "../port/Json.ts"
import { job as JobSettings } from "../port/Settings.ts"

/**
 * How long things are kept when they are over. Then any process that runs the queue's jobs removes them, within a third of the
 * lease; where none does, they go once a day.
 *
 * @category models
 * @since 0.4.0
 */
export interface Retention {
  /** Completed, failed and cancelled jobs, with their results: at least 1 second. Defaults to 1 day. */
  readonly ended?: Duration.Input | undefined
  /** Dead letters, with their payloads: at least 1 second. Defaults to 90 days. */
  readonly deadLetters?: Duration.Input | undefined
}

/**
 * What may be said about a job beside its schemas.
 *
 * @category models
 * @since 0.4.0
 */
export interface Options<in P, in E> {
  /**
   * Jobs with the same key are one job: a second one is not stored while the first one is, waiting, running or ended,
   * and whoever enqueues it gets the first one's id. Defaults to none.
   */
  readonly idempotencyKey?: ((payload: P) => string) | undefined
  /** Names a group, such as a tenant, for `perGroup` of the workers. Defaults to none. */
  readonly group?: ((payload: P) => string) | undefined
  /** Which waiting job is next, on all machines. Defaults to `"normal"`. */
  readonly priority?: Priority | undefined
  /** Longest run of one attempt, as the herd counts it. Defaults to no limit. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Most executions that end: at least 1. One that a shutdown interrupts counts where it is the last. Those that were lost with
   * their process are counted apart, and as many of them are the end too: so 1 means never again, whatever happens. Each job
   * keeps the number that it was stored with. Defaults to 5.
   */
  readonly attempts?: number | undefined
  /**
   * How long to wait after a failed attempt; when it is over the job has failed. Its state is the number of attempts alone,
   * replayed with every failure, so that attempts may run in different processes. Its input is the error, or what the
   * handler died of. Defaults to 1 second, doubled each time, at most 5 minutes.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** Whether a typed failure is worth another attempt. Defaults to yes. Timeouts and defects are. */
  readonly retryable?: ((error: E) => boolean) | undefined
  /**
   * Whether a job that failed for good is copied to the dead letters, from where it can be replayed. Defaults to `true`.
   * A job whose payload cannot be decoded is kept in any case, as failed.
   */
  readonly deadLetter?: boolean | undefined
  /**
   * Longest payload, in bytes of its JSON, 1 to 268,435,456. Defaults to 1,048,576. Whoever enqueues a longer one gets `invalid`,
   * and so does a payload that is nested deeper than 256 levels.
   */
  readonly maxPayloadBytes?: number | undefined
  /**
   * Most jobs of one group that may wait, delayed ones and those between two attempts included: 1 to 1,000,000,000. Defaults to
   * 100,000. Whoever enqueues more gets `full`, and none of the call is stored. What is enqueued by several processes at one time
   * may go beyond it by a sixteenth. Retries, replays and schedules are not refused.
   */
  readonly maxWaitingPerGroup?: number | undefined
  /**
   * Longest result, and longest typed error, in bytes of its JSON, 1 to 268,435,456. Defaults to 16,777,216. An attempt that ends
   * with a longer one is a `defect` that says so.
   */
  readonly maxResultBytes?: number | undefined
  readonly retention?: Retention | undefined
}

interface Codec {
  /** To JSON that every store takes, and nobody else holds. Throws where the value does not fit. */
  readonly encode: (value: unknown) => unknown
  readonly decode: (value: unknown) => unknown
}

/**
 * A job, whatever its types are.
 *
 * @category models
 * @since 0.4.0
 */
export interface AnyJob {
  /** The name of its queue. */
  readonly name: string
  readonly codecs: { readonly payload: Codec; readonly success: Codec; readonly error: Codec }
  readonly settings: Settings
}

/** The options, with their defaults. */
export interface Settings {
  readonly idempotencyKey: ((payload: never) => string) | undefined
  readonly group: ((payload: never) => string) | undefined
  readonly maxInGroup: number
  readonly priority: number
  readonly timeout: Duration.Duration | undefined
  readonly attempts: number
  readonly retry: Schedule.Schedule<unknown>
  readonly retryable: (error: never) => boolean
  readonly spec: QueueSpec
}

/** Either a schema, or nothing. */
export type Side = Schema.Codec<unknown, unknown> | undefined

const backoff = Time.backoff(1_000, 300_000).schedule

const nothing: Codec = { encode: () => null, decode: () => undefined }

/**
 * The two directions of a schema, by way of JSON. In `errors`, characters that stores do not take are left out, or replaced;
 * elsewhere a text that holds them does not fit.
 */
export const codecOf = (side: Side, errors = false, maxBytes?: number): Codec => {
  if (side === undefined) return nothing
  const json = Schema.toCodecJson(side)
  const [encode, decode] = [Schema.encodeUnknownSync(json), Schema.decodeUnknownSync(json)]
  return {
    encode: (value) => (errors ? clean(encode(value), maxBytes) : plain(encode(value), maxBytes)),
    // A store may keep null as nothing.
    decode: (value) => decode(value === undefined ? null : value)
  }
}

const invalid = (field: string, value: unknown, rule: string) => new InvalidConfig({ field, value, rule })

/** The limits of payloads and of results. Throws `InvalidConfig` where one is out of range. */
export const sizesOf = ({
  maxPayloadBytes,
  maxResultBytes
}: Pick<Options<never, never>, "maxPayloadBytes" | "maxResultBytes">) => ({
  payload: JobSettings.maxPayloadBytes.decode(maxPayloadBytes),
  result: JobSettings.maxResultBytes.decode(maxResultBytes)
})

/** Puts in the defaults. Throws `InvalidConfig` where an option is out of range. */
export const settingsOf = (name: string, options: Options<never, never>): Settings => {
  const { retention = {} } = options
  if (!/^[\w.\-/]{1,200}$/.test(name) || name.endsWith(".dead") || name.startsWith("__pgboss__"))
    throw invalid(
      "name",
      name,
      `1 to 200 letters, digits, and _ - . /, not ending in ".dead", which are the dead letters of another job`
    )
  const attempts = JobSettings.attempts.decode(options.attempts)
  const timeout = JobSettings.timeout.decode(options.timeout)
  return {
    idempotencyKey: options.idempotencyKey,
    group: options.group,
    maxInGroup: JobSettings.maxWaitingPerGroup.decode(options.maxWaitingPerGroup),
    priority: JobSettings.priority.decode(options.priority),
    timeout: timeout === undefined ? undefined : Duration.millis(timeout),
    attempts,
    retry: options.retry ?? backoff,
    retryable: options.retryable ?? (() => true),
    spec: {
      name,
      attempts,
      deadLetter: JobSettings.deadLetter.decode(options.deadLetter),
      keepEndedMillis: JobSettings["retention.ended"].decode(retention.ended),
      keepDeadMillis: JobSettings["retention.deadLetters"].decode(retention.deadLetters)
    }
  }
}

/**
 * A text of the caller's own that is stored beside a job: its key, its group. Throws `InvalidConfig` where it is none, or a
 * store would not take it.
 */
export const wordOf = (field: string, value: unknown, most = Infinity): string | undefined => {
  if (value === undefined) return undefined
  if (isFit(value) && value.length <= most) return value
  const rule = "a text without NUL characters and lone surrogates"
  throw invalid(field, describe(value), most === Infinity ? rule : `${rule}, of at most ${most} characters`)
}

/**
 * The id of a job: of its key, so that the same key is the same job on all machines, or a new one. New ones begin with the
 * time, in epoch milliseconds, so that what is enqueued together is together in the index of the store.
 */
export const idOf = (queue: string, key: string | undefined, now: number): string => {
  if (key === undefined) {
    const at = Math.max(0, Math.floor(now)).toString(16).padStart(12, "0")
    // A UUID of version 7.
    return `${at.slice(-12, -4)}-${at.slice(-4)}-7${randomUUID().slice(15)}`
  }
  const text = `${queue}\n${key}`
  // Half a pair of surrogates has no UTF-8: all would be one.
  const bytes = text.isWellFormed() ? text : JSON.stringify(text)
  const hex = createHash("sha256").update(bytes).digest("hex")
  // A UUID of version 8: our own business what is in it.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Whether a herd's error is about the task with this id, and not about another one that the handler ran. */
const about = (error: unknown, taskId: string | undefined): boolean =>
  error instanceof TaskTimeout && (taskId === undefined || error.taskId === taskId)

/**
 * What is kept of an attempt that did not succeed. `taskId` is what the herd knows the attempt by: a handler may fail with the
 * timeout of a task of its own.
 */
export const failureOf = (job: AnyJob, cause: Cause.Cause<unknown>, taskId?: string): Failure => {
  const failed = cause.reasons.find(Cause.isFailReason)
  const died = cause.reasons.find(Cause.isDieReason)
  if (died !== undefined) return { reason: "defect", message: describe(died.defect) }
  if (failed === undefined) return { reason: "interrupted", message: "its task was interrupted" }
  const { error } = failed
  const message = describe(error)
  try {
    if (about(error, taskId)) return { reason: "timeout", message }
    return { reason: "failed", message, error: job.codecs.error.encode(error) }
  } catch (misfit) {
    // An error that is not in the schema is the handler's mistake.
    return { reason: "defect", message: `${message} (not an error of the job: ${describe(misfit)})` }
  }
}

/**
 * How long to wait after attempt number `attempt`, which counts from 1. `undefined`: there is no next one.
 */
export const retryDelay = Effect.fnUntraced(function* (
  schedule: Schedule.Schedule<unknown>,
  attempt: number,
  error: unknown
): Effect.fn.Return<number | undefined> {
  const step = yield* Time.stepping(schedule)
  let now = 0
  let millis = 0
  for (let replayed = 1; replayed <= attempt; replayed++) {
    const delay = yield* step(now, error)
    if (delay === undefined) return undefined
    millis = delay
    now += millis
  }
  return millis
})

/** What a schedule may say at most, in milliseconds: longer than anything is kept. */
const longestDelay = 315_360_000_000

/** A schedule that has not said how long to wait by then, in milliseconds, never will. */
const scheduleMillis = 5_000

/** Of a schedule that dies or never ends: as good as one that is over. */
const delayAfter = (schedule: Schedule.Schedule<unknown>, attempt: number, error: unknown) =>
  retryDelay(schedule, attempt, error).pipe(
    Effect.timeoutOption(scheduleMillis),
    Effect.exit,
    Effect.map((exit) => {
      const delay = Exit.isSuccess(exit) ? Option.getOrUndefined(exit.value) : undefined
      return delay === undefined ? undefined : Math.min(delay, longestDelay)
    })
  )

/**
 * What comes after a failed attempt: another one in `delayMillis`, or none. It is known whatever the cause is, and whatever
 * the job's own `retryable` and `retry` do: where `retryable` throws it has not said no. `attempts` are what the stored job may
 * have, which may be of another release.
 */
export const afterFailure = Effect.fnUntraced(function* (
  job: AnyJob,
  attempt: number,
  cause: Cause.Cause<unknown>,
  taskId?: string,
  attempts = job.settings.attempts
) {
  const { retry, retryable } = job.settings
  let failure = failureOf(job, cause, taskId)
  const error = Cause.squash(cause)
  if (attempt >= attempts) return { _tag: "Discard" as const, failure }
  if (failure.reason === "failed") {
    try {
      if (!retryable(error as never)) return { _tag: "Discard" as const, failure }
    } catch (thrown) {
      const message = cleanText(`${failure.message} (retryable threw: ${describe(thrown)})`)
      failure = { ...failure, message }
      yield* Effect.logWarning(`"retryable" of job "${job.name}" threw: ${describe(thrown)}`)
    }
  }
  const delayMillis = yield* delayAfter(retry, attempt, error)
  if (delayMillis === undefined) return { _tag: "Discard" as const, failure }
  return { _tag: "Retry" as const, failure, delayMillis }
})
