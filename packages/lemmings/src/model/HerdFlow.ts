/**
 * What a herd says of its flow control: keys, and why a task does not run.
 *
 * @since 0.5.0
 */
import { Schema } from "effect"

/**
 * One key of a herd.
 *
 * @category models
 * @since 0.5.0
 */
export const KeyUse = Schema.Struct({
  /** `undefined`: the tasks without a key. */
  key: Schema.optionalKey(Schema.String),
  /** Tasks that wait for a worker alone. */
  ready: Schema.Number,
  /** Tasks that wait for a limit. */
  held: Schema.Number,
  /** Weight that runs. A task's weight is 1 unless it says another. */
  running: Schema.Number,
  /** Most weight that may run. Absent: no limit. */
  concurrency: Schema.optionalKey(Schema.Number),
  /** Share of the herd while others want it, relative to the other keys. */
  share: Schema.Number,
  /** Part of what all keys run that this one runs, 0 to 1. */
  used: Schema.Number,
  /** Milliseconds until a rate or a hold lets the next task start. Absent: neither holds it. */
  opensInMillis: Schema.optionalKey(Schema.Number),
  /** Whether the key is on hold. */
  onHold: Schema.Boolean
})

/**
 * @category models
 * @since 0.5.0
 */
export type KeyUse = typeof KeyUse.Type

/**
 * What keeps a waiting task from running.
 *
 * - `paused`: dispatch is paused.
 * - `closing`: the herd runs no more tasks.
 * - `worker`: no worker is free.
 * - `order`: others are before it.
 * - `room`: the queue is full, and the task waits for room in it.
 * - `hold`: its key is on hold.
 * - `probe`: its key was on hold, and one task is trying whether it may go on.
 * - `turn`: tasks of its key run one after the other, and one has not ended.
 * - `concurrency`: as much of its key runs as may.
 * - `keyRate`: its key has started as many as it may for now.
 * - `weight`: as much weight runs in the herd as may.
 * - `rate`: the herd has started as many as it may for now.
 * - `delay`: an attempt failed, and the next one waits for its time.
 *
 * @category models
 * @since 0.5.0
 */
export const Obstacle = Schema.Literals([
  "paused",
  "closing",
  "worker",
  "order",
  "room",
  "hold",
  "probe",
  "turn",
  "concurrency",
  "keyRate",
  "weight",
  "rate",
  "delay"
])

/**
 * @category models
 * @since 0.5.0
 */
export type Obstacle = typeof Obstacle.Type

/**
 * Why a task does or does not run.
 *
 * @category models
 * @since 0.5.0
 */
export const TaskExplanation = Schema.Struct({
  id: Schema.String,
  status: Schema.Literals(["queued", "delayed", "running"]),
  /** Integer priority level, larger first. */
  priority: Schema.Number,
  key: Schema.optionalKey(Schema.String),
  weight: Schema.Number,
  /** Milliseconds since the task was accepted. */
  ageMillis: Schema.Number,
  /** Tasks of its key and level before it. Absent where it does not wait. */
  ahead: Schema.optionalKey(Schema.Number),
  /** What blocks it, the first thing first. Empty: it is next. */
  blockedBy: Schema.Array(Obstacle),
  /** Milliseconds until that opens, where a clock says it. */
  opensInMillis: Schema.optionalKey(Schema.Number),
  /** One sentence for people. */
  sentence: Schema.String
})

/**
 * @category models
 * @since 0.5.0
 */
export type TaskExplanation = typeof TaskExplanation.Type
