/**
 * The queues of durable jobs that a process works with, for whoever looks after them: a control API, a dashboard.
 *
 * A queue registers itself while the layer of its jobs is there. What it shows and does is the whole queue's, whichever
 * process put jobs in it or runs them. The store may be away: every operation can fail with `QueueUnavailable`.
 *
 * @since 0.4.0
 */
import { Context, type Effect, Layer, Schema } from "effect"
import * as Named from "../internal/Named.ts"

/**
 * The store of a queue cannot be reached, or did not answer. Nothing is known to have changed.
 *
 * @category errors
 * @since 0.4.0
 */
export class QueueUnavailable extends Schema.TaggedError<QueueUnavailable>("lemmings/QueueUnavailable")(
  "QueueUnavailable",
  { queue: Schema.String, cause: Schema.Defect() }
) {
  override get message(): string {
    return `The store of queue "${this.queue}" cannot be reached`
  }
}

const Count = Schema.Int

/**
 * A queue at one instant. Counts are of jobs.
 *
 * @category models
 * @since 0.4.0
 */
export const QueueStats = Schema.Struct({
  paused: Schema.Boolean,
  /** Whose time has come. */
  waiting: Count,
  /** Whose time has not come: delayed, or between two attempts. */
  delayed: Count,
  running: Count,
  deadLetters: Count,
  /** Milliseconds that the oldest of `waiting` could have run already. 0 when none waits. */
  oldestMillis: Schema.Finite,
  /** What ended in the last minute; `attempts`: executions of those. */
  lastMinute: Schema.Struct({ completed: Count, failed: Count, cancelled: Count, attempts: Count })
})

/**
 * @category models
 * @since 0.4.0
 */
export type QueueStats = typeof QueueStats.Type

/**
 * A stored job. Times are epoch milliseconds. `error` says what happened in the last attempt that failed.
 *
 * @category models
 * @since 0.4.0
 */
export const QueueJob = Schema.Struct({
  id: Schema.String,
  state: Schema.Literals(["waiting", "running", "completed", "failed", "cancelled"]),
  attempts: Count,
  priority: Schema.Int,
  createdAt: Schema.Number,
  startAt: Schema.Number,
  endedAt: Schema.optionalKey(Schema.Number),
  reason: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  payload: Schema.optionalKey(Schema.Unknown)
})

/**
 * @category models
 * @since 0.4.0
 */
export type QueueJob = typeof QueueJob.Type

/**
 * A job that failed for good. Times are epoch milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export const QueueLetter = Schema.Struct({
  /** Of the letter; the job has its own. */
  id: Schema.String,
  jobId: Schema.String,
  /** `failed`, `defect`, `timeout`, `undecodable`, `lost` and the like. */
  reason: Schema.String,
  attempts: Count,
  enqueuedAt: Schema.Number,
  diedAt: Schema.Number,
  error: Schema.optionalKey(Schema.String),
  payload: Schema.optionalKey(Schema.Unknown)
})

/**
 * @category models
 * @since 0.4.0
 */
export type QueueLetter = typeof QueueLetter.Type

/**
 * Which dead letters. Everything that is given must hold; to replay or purge, something must be given.
 *
 * @category models
 * @since 0.4.0
 */
export interface LetterFilter {
  readonly ids?: ReadonlyArray<string>
  /** Epoch milliseconds. */
  readonly diedBefore?: number
}

type Op<A> = Effect.Effect<A, QueueUnavailable>

/**
 * What can be seen of a queue and done to it, whatever its jobs are.
 *
 * @category models
 * @since 0.4.0
 */
export interface ManagedQueue {
  readonly id: string
  /** What keeps the jobs: `memory`, `pglite`, `postgres`. */
  readonly store: string
  /** Whether the store can be reached, since when (epoch milliseconds), and if not, why. Never waits for it. */
  readonly readiness: Effect.Effect<{
    readonly ready: boolean
    readonly since: number
    readonly reason: string | undefined
  }>
  readonly stats: Op<QueueStats>
  /** Stops claims, in every process. What runs goes on, and what is enqueued is kept. */
  readonly pause: Op<void>
  readonly resume: Op<void>
  /** `undefined`: no such job is stored. */
  readonly job: (id: string) => Op<QueueJob | undefined>
  /** Takes a waiting job out, or has a running one interrupted wherever it runs. `false`: it has ended, or never was. */
  readonly cancel: (id: string) => Op<boolean>
  readonly deadLetters: {
    /** Oldest first. `after` is the id of the last one of the page before. */
    readonly list: (
      options: LetterFilter & { readonly limit: number; readonly after?: string | undefined }
    ) => Op<ReadonlyArray<QueueLetter>>
    /** Puts their jobs back in line, as new ones. Returns how many. */
    readonly replay: (which: LetterFilter | "all") => Op<number>
    /** Forgets them. Returns how many. */
    readonly purge: (which: LetterFilter | "all") => Op<number>
  }
}

/**
 * The queues that a process works with.
 *
 * @category models
 * @since 0.4.0
 */
export interface QueueRegistry {
  /** By name: the queue's id, or with a number (`SendEmail#2`) where another store has one of that name too. */
  readonly queues: () => ReadonlyMap<string, ManagedQueue>
  /** Adds a queue, and returns how to take it out again. Queues call this themselves. */
  readonly add: (queue: ManagedQueue) => () => void
}

/**
 * Creates a registry without queues.
 *
 * @category constructors
 * @since 0.4.0
 */
export const make = (): QueueRegistry => {
  const { add, all: queues } = Named.make<ManagedQueue>()
  return { queues, add }
}

/**
 * Where queues register. By default one registry for the whole process.
 *
 * @category services
 * @since 0.4.0
 */
export const QueueRegistry: Context.Reference<QueueRegistry> = Context.Reference<QueueRegistry>(
  "lemmings/QueueRegistry",
  { defaultValue: make }
)

/**
 * A registry of its own, for the layers that it is provided to: a part of a process, or a test.
 *
 * @category layers
 * @since 0.4.0
 */
export const layer: Layer.Layer<never> = Layer.sync(QueueRegistry, make)
