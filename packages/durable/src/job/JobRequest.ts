/**
 * What is stored of what is asked for.
 *
 * @since 0.5.0
 */
import { type Context, DateTime, type Duration, Effect } from "effect"
import * as Durations from "lemmings/internal/Durations"
import type { SqlClient } from "effect/sql/SqlClient"
import { InvalidConfig, type Priority } from "lemmings"
import type { NewJob, PagesOptions, Transaction } from "../port/JobStore.ts"
import { longestGroup } from "../port/Limits.ts"
import { job as JobSettings } from "../port/Settings.ts"
import { type AnyJob, idOf, wordOf } from "./JobDefinition.ts"

/**
 * When a job is to run, and how it is stored.
 *
 * @category models
 * @since 0.4.0
 */
export interface EnqueueOptions {
  /** Not before this long from now. Defaults to at once. */
  readonly delay?: Duration.Input | undefined
  /** Not before this instant; instead of `delay`. */
  readonly at?: DateTime.DateTime.Input | undefined
  /** Instead of the job's own. */
  readonly priority?: Priority | undefined
  /** Instead of the job's `idempotencyKey`. For one job. */
  readonly key?: string | undefined
  /**
   * Your own transaction on the database of the store: the jobs are there when it commits, and only then. An Effect
   * `SqlClient`, whose `withTransaction` surrounds this call, or anything with `executeSql`. With the memory store it has
   * no effect.
   */
  readonly transaction?: SqlClient | Transaction | undefined
}

/** The caller's transaction, as a store takes it. */
export const transactionOf = (
  given: SqlClient | Transaction,
  context: Context.Context<never>
): Transaction => {
  if ("executeSql" in given) return given
  const run = Effect.runPromiseWith(context)
  return {
    // In the context of the caller, which is where the client finds its transaction.
    executeSql: async (text, values) => ({ rows: [...(await run(given.unsafe(text, values)))] })
  }
}

/**
 * How work on many jobs or dead letters is done: a page of at most 1,000 at a time, each all or not at all. Where it is
 * interrupted or fails, the pages before are done.
 *
 * @category models
 * @since 0.5.0
 */
export interface ManyOptions extends Omit<PagesOptions, "transaction"> {
  /** All pages in your own transaction on the database of the store, as with `EnqueueOptions`. */
  readonly transaction?: SqlClient | Transaction | undefined
}

/** The same, as a store takes it. */
export const pagesOf = ({ progress, transaction }: ManyOptions = {}): Effect.Effect<PagesOptions> =>
  transaction === undefined
    ? Effect.succeed({ progress })
    : Effect.contextWith((context: Context.Context<never>) =>
        Effect.succeed({ progress, transaction: transactionOf(transaction, context) })
      )

/** The years 1 to 9999, in epoch milliseconds: what every store can say. */
const [earliest, latest] = [-62_135_596_800_000, 253_402_300_799_999]

const someTime = Durations.rule({ finite: true })

/** The settings of an enqueue, read once for all its jobs. */
const placeOf = (options: EnqueueOptions, now: number) => {
  const { at, delay, key, priority } = options
  const place: { delayMillis?: number; at?: number; priority?: number } = {}
  if (delay !== undefined) place.delayMillis = Durations.decodeUnsafe("delay", delay, someTime)
  if (place.delayMillis !== undefined && now + place.delayMillis > latest)
    throw new InvalidConfig({
      field: "delay",
      value: delay,
      rule: "a duration, at least 0, to the year 9999 at most"
    })
  if (at !== undefined) place.at = DateTime.toEpochMillis(DateTime.makeUnsafe(at))
  if (place.at !== undefined && !(place.at >= earliest && place.at <= latest))
    throw new InvalidConfig({ field: "at", value: at, rule: "an instant of the years 1 to 9999" })
  if (priority !== undefined) place.priority = JobSettings.priority.decode(priority)
  return { ...place, key }
}

/** A job and what it is for. */
interface Requested {
  readonly job: AnyJob
  readonly payload: unknown
}

/** The group of a job with this payload. Throws where no store could keep it. */
export const groupOf = ({ settings: { group } }: AnyJob, payload: unknown): string | undefined =>
  wordOf("group", group?.(payload as never), longestGroup)

/** The jobs of one call, in its order. Throws where one of them cannot be stored. */
export const newJobsOf = (
  requests: ReadonlyArray<Requested>,
  options: EnqueueOptions,
  trace: string | undefined,
  now: number
) => {
  const { key, priority, ...place } = placeOf(options, now)
  return requests.map(({ job, payload }): NewJob => {
    const { attempts, group, idempotencyKey, maxInGroup, priority: own } = job.settings
    return {
      queue: job.name,
      id: idOf(job.name, wordOf("key", key ?? idempotencyKey?.(payload as never)), now),
      payload: job.codecs.payload.encode(payload),
      priority: priority ?? own,
      attempts,
      group: groupOf(job, payload),
      maxInGroup: group === undefined ? undefined : maxInGroup,
      trace,
      ...place
    }
  })
}
