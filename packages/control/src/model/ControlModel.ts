/**
 * What the control API says about herds, as schemas.
 *
 * @since 0.3.0
 */
import { Schema } from "effect"
import { HerdEvent } from "lemmings/HerdEvent"
import { HerdStats, ResourceCounts, ScalingDecision } from "lemmings/HerdStats"
import { QueueStats } from "lemmings/QueueRegistry"
import { FailureKind } from "lemmings/HerdTasks"

const { lastCreateError: _, ...resourceCounts } = ResourceCounts.fields

/**
 * A herd at one instant. Errors are text, and there only where they are exposed.
 *
 * @category models
 * @since 0.3.0
 */
export const HerdSnapshot = Schema.Struct({
  ...HerdStats.fields,
  resources: Schema.Struct({ ...resourceCounts, lastCreateError: Schema.optionalKey(Schema.String) })
})

/**
 * @category models
 * @since 0.3.0
 */
export type HerdSnapshot = typeof HerdSnapshot.Type

/**
 * One failure of a task. `error` is there only where errors are exposed.
 *
 * @category models
 * @since 0.3.0
 */
export const Failure = Schema.Struct({
  at: Schema.Number,
  id: Schema.String,
  label: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  priority: Schema.Int,
  attempt: Schema.Int,
  kind: FailureKind,
  again: Schema.Boolean,
  error: Schema.optionalKey(Schema.String)
})

/**
 * @category models
 * @since 0.3.0
 */
export type Failure = typeof Failure.Type

const { sample: __, ...decision } = ScalingDecision.fields

/**
 * One change of the number of workers, without what the policy was shown.
 *
 * @category models
 * @since 0.3.0
 */
export const Decision = Schema.Struct(decision)

/**
 * @category models
 * @since 0.3.0
 */
export type Decision = typeof Decision.Type

/**
 * A queue of durable jobs at one instant.
 *
 * @category models
 * @since 0.4.0
 */
export const QueueSnapshot = Schema.Struct({
  queue: Schema.String,
  /** What keeps the jobs: `memory`, `pglite`, `postgres`. */
  store: Schema.String,
  /** Whether the store can be reached. */
  ready: Schema.Boolean,
  /** Since when it can, or cannot: epoch milliseconds. */
  since: Schema.Number,
  /** Why it cannot be reached. There only where errors are exposed. */
  reason: Schema.optionalKey(Schema.String),
  /** `null`: the store did not answer in time. */
  stats: Schema.NullOr(QueueStats)
})

/**
 * @category models
 * @since 0.4.0
 */
export type QueueSnapshot = typeof QueueSnapshot.Type

/**
 * The process that the herds are in.
 *
 * @category models
 * @since 0.3.0
 */
export const ProcessFrame = Schema.Struct({
  pid: Schema.Int,
  uptimeSeconds: Schema.Finite,
  /** Part of one core, since the frame before: 1.5 is one and a half. */
  cpu: Schema.Finite,
  /** Bytes. */
  memoryUsed: Schema.Finite,
  memoryLimit: Schema.Finite,
  heapUsed: Schema.Finite,
  heapLimit: Schema.Finite,
  /** 0 to 1. */
  eventLoopUtilization: Schema.Finite,
  eventLoopDelayMillis: Schema.Finite
})

/**
 * @category models
 * @since 0.3.0
 */
export type ProcessFrame = typeof ProcessFrame.Type

/**
 * What a reader of events gets: the events of the herd, and what it missed. Errors and stacks are there only where errors
 * are exposed; otherwise they are the text "hidden".
 *
 * @category models
 * @since 0.3.0
 */
export const LoggedEvent = Schema.Union([
  ...HerdEvent.members,
  /** The reader was too slow, or away for too long. */
  Schema.TaggedStruct("Missed", {
    herd: Schema.String,
    at: Schema.Number,
    /** How many events. `null`: not known, because the process is another. */
    events: Schema.NullOr(Schema.Int)
  })
])

/**
 * @category models
 * @since 0.3.0
 */
export type LoggedEvent = typeof LoggedEvent.Type
