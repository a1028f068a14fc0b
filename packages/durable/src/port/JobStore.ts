/**
 * The port between jobs and the engine that stores them.
 *
 * A store keeps jobs as JSON, gives them out under leases, and remembers what became of them. It knows no schema and no
 * handler. Every adapter passes the same suite (`test/support/JobStoreSuite.ts`).
 *
 * **Details**
 *
 * ```text
 *            enqueue                claim                complete
 *   (nothing) ─────▶ waiting ───────────────▶ running ───────────▶ completed
 *                     ▲  │                     │ │ │
 *                     │  │ cancel       cancel │ │ │ discard, or lease lapsed as often as it has attempts
 *                     │  └──────▶ cancelled ◀──┘ │ └──────▶ failed (and a copy in the dead letters)
 *                     └──────────────────────────┘
 *          retry (in a while) · release (at once, the attempt does not count) · lease lapsed (at once, counted apart: `Losses`)
 * ```
 *
 * A waiting job may be claimed when its time has come, highest priority first, then in order of acceptance. Every claim
 * has a number; what a holder says about a claim that is not the newest one has no effect, so that a late answer never
 * harms a later attempt. Every operation is one transaction.
 *
 * @since 0.4.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FailureReason, JobStoreError } from "./JobError.ts"
import type { Limits } from "./Limits.ts"

/**
 * A value as `JSON.stringify` takes it.
 *
 * @category models
 * @since 0.4.0
 */
export type Json = unknown

/**
 * What a queue needs to be told once. Times are milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export interface QueueSpec {
  /** Letters, digits, `_`, `-`, `.` and `/`. */
  readonly name: string
  /** Most executions of a job, at least 1. For jobs that are scheduled; others bring their own. */
  readonly attempts: number
  /** Whether failed jobs are copied to the dead letters. */
  readonly deadLetter: boolean
  /** How long completed, failed and cancelled jobs are kept. */
  readonly keepEndedMillis: number
  /** How long dead letters are kept. */
  readonly keepDeadMillis: number
}

/**
 * @category models
 * @since 0.4.0
 */
export interface NewJob {
  readonly queue: string
  /** A UUID. A second job with the id of one that is still stored is not accepted. */
  readonly id: string
  readonly payload: Json
  /** Larger first. */
  readonly priority: number
  readonly attempts: number
  /** Milliseconds from now on the store's clock. Defaults to 0. */
  readonly delayMillis?: number | undefined
  /** Epoch milliseconds; instead of a delay. */
  readonly at?: number | undefined
  /** For limits per group. */
  readonly group?: string | undefined
  /** Most jobs of the group that may wait. Where there would be more the whole call is refused, with `GroupFull`. */
  readonly maxInGroup?: number | undefined
  /** The W3C `traceparent` of whoever enqueued it. */
  readonly trace?: string | undefined
  /** Somebody waits for the end: tell it with an `Ended`. */
  readonly watched?: boolean | undefined
}

/**
 * A job under a lease.
 *
 * @category models
 * @since 0.4.0
 */
export interface ClaimedJob {
  readonly id: string
  /** Names the claim among all claims of the job. */
  readonly claim: number
  /** The execution that the claim is for, from 1. Those that were given back do not count. */
  readonly attempt: number
  /** Most executions of this job: its attempts, and those that were lost. */
  readonly attempts: number
  /** Executions before this one whose lease has lapsed. */
  readonly losses: number
  readonly payload: Json
  readonly priority: number
  readonly trace: string | undefined
}

/**
 * @category models
 * @since 0.4.0
 */
export type Claim = Pick<ClaimedJob, "id" | "claim">

/**
 * What is kept of a failed attempt.
 *
 * @category models
 * @since 0.4.0
 */
export interface Failure {
  readonly reason: FailureReason
  readonly message: string
  /** The typed error, encoded. With `reason` `failed` only. */
  readonly error?: Json
}

/**
 * What became of a claim.
 *
 * @category models
 * @since 0.4.0
 */
export type Settlement = Claim &
  (
    | { readonly _tag: "Complete"; readonly result?: Json }
    | { readonly _tag: "Retry"; readonly delayMillis: number; readonly failure: Failure }
    | { readonly _tag: "Discard"; readonly failure: Failure }
    | { readonly _tag: "Release" }
  )

/**
 * @category models
 * @since 0.4.0
 */
export type JobState = "waiting" | "running" | "completed" | "failed" | "cancelled"

/**
 * A stored job. Times are epoch milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export interface JobRecord {
  readonly id: string
  readonly queue: string
  readonly state: JobState
  /** Executions that count, the running one included. */
  readonly attempts: number
  readonly priority: number
  readonly payload: Json
  readonly createdAt: number
  /** Not before this. */
  readonly startAt: number
  readonly endedAt: number | undefined
  /** Of a completed job. */
  readonly result: Json
  /** The last failure, also of a job that was tried again since. */
  readonly failure: Failure | undefined
}

/**
 * A job that failed for good. Times are epoch milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export interface DeadLetter {
  /** The dead letter's own id, not the job's. */
  readonly id: string
  readonly jobId: string
  readonly queue: string
  readonly payload: Json
  readonly failure: Failure
  readonly attempts: number
  readonly enqueuedAt: number
  readonly diedAt: number
}

/**
 * Which dead letters. Everything that is given must hold.
 *
 * @category models
 * @since 0.4.0
 */
export interface DeadFilter {
  /** Ids of dead letters. */
  readonly ids?: ReadonlyArray<string>
  /** Fields of the payload, as stored, with their values: each must be there, and equal as JSON. */
  readonly payload?: { readonly [field: string]: Json }
  /** Epoch milliseconds. */
  readonly diedBefore?: number
}

/**
 * How work on many jobs or dead letters is done: a page of at most 1,000 at a time, each all or not at all. Where it is
 * interrupted or fails, the pages before are done.
 *
 * @category models
 * @since 0.5.0
 */
export interface PagesOptions {
  /** All pages in a transaction of the caller's own on the database of the store. The memory store ignores it. */
  readonly transaction?: Transaction | undefined
  /** Is run after each page with how many are done, and waited for. */
  readonly progress?: ((done: number) => Effect.Effect<unknown>) | undefined
}

/**
 * A queue at one instant. In a database what is more than 10,000 is estimated.
 *
 * @category models
 * @since 0.4.0
 */
export interface QueueStats {
  readonly queue: string
  readonly paused: boolean
  /** Jobs whose time has come. */
  readonly waiting: number
  /** Jobs whose time has not come: delayed, or between two attempts. */
  readonly delayed: number
  readonly running: number
  readonly deadLetters: number
  /** How long the oldest of `waiting` could have run already. 0 when none waits. */
  readonly oldestMillis: number
  /** What ended in the last minute. */
  readonly lastMinute: {
    readonly completed: number
    readonly failed: number
    readonly cancelled: number
    /** Executions of those. */
    readonly attempts: number
  }
}

/**
 * A job that is enqueued again and again.
 *
 * @category models
 * @since 0.4.0
 */
export interface Recurrence {
  readonly queue: string
  /** Names it in its queue. */
  readonly key: string
  /** Five fields: minute, hour, day of month, month, day of week. */
  readonly cron: string
  /** Of the IANA list. */
  readonly zone: string
  /** Whether what was due while no process was there is made up for, once, or left out. */
  readonly missed: "once" | "skip"
  readonly payload: Json
  readonly priority: number
  /** Of its jobs, which count in `perGroup` like others. Absent: none. */
  readonly group?: string | undefined
}

/**
 * What a store tells without being asked. All of it is a hint that saves waiting for the next look.
 *
 * @category models
 * @since 0.4.0
 */
export type News =
  /** Jobs may be claimed. */
  | { readonly _tag: "Available"; readonly queue: string }
  /** A watched job has ended. */
  | { readonly _tag: "Ended"; readonly queue: string; readonly id: string }
  /** Whether a holder still holds its claims should be looked at. */
  | { readonly _tag: "Cancelled"; readonly queue: string }
  /** Leases have lapsed, or jobs were kept for long enough. Told by a store that tells all. */
  | { readonly _tag: "Overdue"; readonly queue: string }
  /** News may have been missed. */
  | { readonly _tag: "Missed" }

/**
 * @category models
 * @since 0.4.0
 */
export interface Readiness {
  readonly ready: boolean
  /** Epoch milliseconds. */
  readonly since: number
  /** Why it is not ready. */
  readonly reason: string | undefined
}

/**
 * A transaction of the caller's own: it runs a statement with `$1` placeholders and returns the rows.
 *
 * @category models
 * @since 0.4.0
 */
export interface Transaction {
  readonly executeSql: (text: string, values?: Array<unknown>) => Promise<{ readonly rows: Array<unknown> }>
}

/**
 * What a claim within limits gave.
 *
 * @category models
 * @since 0.4.0
 */
export interface Within {
  readonly jobs: ReadonlyArray<ClaimedJob>
  /**
   * Where `perQueue` or `rate` kept jobs back: in how many milliseconds it will allow more, `Infinity` when a running job
   * must end before. `undefined` where there was nothing more to claim, or all that was asked for was given.
   */
  readonly opensInMillis: number | undefined
}

/**
 * What a sweep did.
 *
 * @category models
 * @since 0.5.0
 */
export interface Swept {
  /** Leases that were ended. */
  readonly count: number
  /** Queues that have jobs which are set apart, and wait: only a claim that asks for them gives them. */
  readonly apart: ReadonlyArray<string>
  /** Jobs that have failed for good: of those leases, and such as could not be claimed. */
  readonly dead: ReadonlyArray<{
    readonly queue: string
    readonly id: string
    /** Executions begun. */
    readonly attempts: number
    readonly failure: Failure
  }>
}

type Op<A> = Effect.Effect<A, JobStoreError>

/**
 * What a store does. Counts are of jobs.
 *
 * @category models
 * @since 0.4.0
 */
export interface Store {
  /** What keeps the jobs: `memory`, `pglite`, `postgres`. */
  readonly engine: string
  /** Milliseconds that a claim lasts without a heartbeat. */
  readonly leaseMillis: number
  /** Makes a queue or changes its settings. Comes before every other operation on it. */
  readonly declare: (queue: QueueSpec) => Op<void>
  /** All of the jobs or none. Returns the ids that were not accepted because a job with that id is stored. */
  readonly enqueue: (jobs: ReadonlyArray<NewJob>, transaction?: Transaction) => Op<ReadonlyArray<string>>
  /**
   * waiting → running, at most `max`, in the order in which they are next. None of a paused queue. With `apart`: one of those that
   * are set apart because they were lost again and again, see `Losses`; and otherwise none of them.
   */
  readonly claim: (queue: string, max: number, apart?: boolean) => Op<ReadonlyArray<ClaimedJob>>
  /**
   * The same, within limits that hold for all who claim with the same ones, however many do at a time. A job runs from its
   * claim until it ended, was given back, was cancelled, or its lease was swept.
   */
  readonly claimWithin: (queue: string, max: number, limits: Limits, apart?: boolean) => Op<Within>
  /** Ends claims. Returns the ids of those that were not held any more; for them nothing happened. */
  readonly settle: (queue: string, settlements: ReadonlyArray<Settlement>) => Op<ReadonlyArray<string>>
  /** Renews leases. Returns the ids of claims that are not held any more. */
  readonly heartbeat: (queue: string, claims: ReadonlyArray<Claim>) => Op<ReadonlyArray<string>>
  /** Whether all that comes due is told as news, so that nobody needs to look for it. */
  readonly tellsAll: boolean
  /** Those of the queues that have jobs to be claimed now. */
  readonly look: (queues: ReadonlyArray<string>) => Op<ReadonlyArray<string>>
  /**
   * Ends lapsed leases: running → waiting, or → failed where the job was lost as often as it has attempts; see `Losses`. None
   * where the store itself was away within a lease: nobody could renew. Waiting jobs that cannot be claimed, whatever is in
   * their rows, are set aside here: → failed.
   */
  readonly sweep: (queues: string | ReadonlyArray<string>) => Op<Swept>
  /** Removes ended jobs and dead letters that were kept for as long as the queue says. Returns how many. */
  readonly prune: (queues: string | ReadonlyArray<string>) => Op<number>
  /** waiting, running → cancelled. Returns how many. */
  readonly cancel: (queue: string, ids: ReadonlyArray<string>, options?: PagesOptions) => Op<number>
  /** Removes a job that has ended, so that its id is free. `false`: it has not ended, or is not there. */
  readonly forget: (queue: string, id: string) => Op<boolean>
  /** Of a waiting job. `false` when it waits no longer. */
  readonly setPriority: (queue: string, id: string, priority: number) => Op<boolean>
  readonly get: (queue: string, id: string) => Op<JobRecord | undefined>
  /** The same, and tells its end as news from now on. */
  readonly watch: (queue: string, id: string) => Op<JobRecord | undefined>
  readonly pause: (queue: string) => Op<void>
  readonly resume: (queue: string) => Op<void>
  readonly stats: (queue: string) => Op<QueueStats>
  readonly dead: {
    /** Oldest first. `after` is the id of the last one of the page before. */
    readonly list: (
      queue: string,
      options: { readonly limit: number; readonly after?: string | undefined; readonly filter?: DeadFilter }
    ) => Op<ReadonlyArray<DeadLetter>>
    /**
     * Back to waiting, as new jobs with a fresh count of attempts, and with the priority, the group and the limit of attempts
     * that they had. A job whose id is of a key keeps it, unless a newer job has it. What dies later than the call begins is not
     * among them. Returns how many.
     */
    readonly replay: (queue: string, filter?: DeadFilter, options?: PagesOptions) => Op<number>
    readonly purge: (queue: string, filter?: DeadFilter, options?: PagesOptions) => Op<number>
  }
  /**
   * Adds a recurrence or replaces the one with its key. When it is due says `Recurring`. The same one again changes nothing
   * about when it is due.
   */
  readonly schedule: (recurrence: Recurrence) => Op<void>
  readonly unschedule: (queue: string, key: string) => Op<void>
  /** By key. `after` is the key of the last one of the page before. */
  readonly schedules: (
    queue: string,
    page: { readonly limit: number; readonly after?: string | undefined }
  ) => Op<ReadonlyArray<Recurrence>>
  /** Calls the listener until the scope closes. It must be quick. */
  readonly listen: (listener: (news: News) => void) => Effect.Effect<void, never, Scope.Scope>
  readonly readiness: Effect.Effect<Readiness>
}

/**
 * @category services
 * @since 0.4.0
 */
export class JobStore extends Context.Service<JobStore, Store>()("@lemmings/durable/JobStore") {}
