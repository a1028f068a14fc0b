/**
 * What a dashboard is sent, as schemas: overviews of all, and details of what is open.
 *
 * @since 0.5.0
 */
import { Schema } from "effect"
import { HerdState } from "lemmings/HerdError"
import { KeyUse } from "lemmings/HerdFlow"
import { HerdMetrics } from "lemmings/HerdStats"
import { QueueLevels, TaskSummary } from "lemmings/HerdTasks"
import { Decision, Failure, HerdSnapshot, ProcessFrame, QueueSnapshot } from "./ControlModel.ts"
import { Problem } from "./Problem.ts"

const Count = Schema.Int

/**
 * One herd in a line of a table.
 *
 * @category models
 * @since 0.5.0
 */
export const HerdOverview = Schema.Struct({
  id: Schema.String,
  state: HerdState,
  /** By a caller or by its policy. */
  paused: Schema.Boolean,
  pinned: Schema.Boolean,
  policy: Schema.String,
  size: Count,
  busy: Count,
  starting: Count,
  min: Count,
  max: Count,
  /** Tasks that wait, and those of them that wait for a limit. */
  waiting: Count,
  held: Count,
  /** Milliseconds that the one that waits longest has waited, to the next tenth of a second. */
  oldestMillis: Schema.Finite,
  /** Attempts that succeed and that fail per second, and the part that fails, over the herd's window. */
  succeededRate: Schema.Finite,
  failedRate: Schema.Finite,
  failureRate: Schema.Finite,
  /** What succeeded per second, in up to 60 stretches of ten seconds, oldest first. */
  spark: Schema.Array(Schema.Finite)
})

/**
 * @category models
 * @since 0.5.0
 */
export type HerdOverview = typeof HerdOverview.Type

/**
 * A herd over up to ten minutes, a number a second in each list, oldest first. Rates are per second, times milliseconds
 * over the herd's window.
 *
 * @category models
 * @since 0.5.0
 */
export const Points = Schema.Struct({
  at: Schema.Array(Schema.Finite),
  arrivalRate: Schema.Array(Schema.Finite),
  succeededRate: Schema.Array(Schema.Finite),
  failedRate: Schema.Array(Schema.Finite),
  waitP50: Schema.Array(Schema.Finite),
  waitP99: Schema.Array(Schema.Finite),
  runP50: Schema.Array(Schema.Finite),
  runP99: Schema.Array(Schema.Finite),
  oldest: Schema.Array(Schema.Finite),
  /** Workers, those of them that run a task, and tasks that wait. */
  size: Schema.Array(Schema.Finite),
  busy: Schema.Array(Schema.Finite),
  queued: Schema.Array(Schema.Finite)
})

/**
 * @category models
 * @since 0.5.0
 */
export type Points = typeof Points.Type

/**
 * The herd that is open.
 *
 * @category models
 * @since 0.5.0
 */
export const HerdDetail = Schema.Struct({
  stats: HerdSnapshot,
  metrics: HerdMetrics,
  levels: QueueLevels,
  /** The 20 tasks that have run longest, longest first, and the 20 that are next. */
  running: Schema.Array(TaskSummary),
  waiting: Schema.Array(TaskSummary),
  /** Since the frame before, oldest first; in the first frame, the last 50. Errors are cut after 600 characters. */
  failures: Schema.Array(Failure),
  /** Since the frame before, oldest first; in the first frame, the last ten minutes. */
  points: Points,
  /** Since the frame before, oldest first; in the first frame, the last 100. */
  decisions: Schema.Array(Decision),
  /** The 20 keys with the most tasks. Absent where the herd has no flow control. */
  keys: Schema.optionalKey(Schema.Array(KeyUse))
})

/**
 * @category models
 * @since 0.5.0
 */
export type HerdDetail = typeof HerdDetail.Type

/**
 * What a dashboard shows at one instant, beside what it has been sent before.
 *
 * @category models
 * @since 0.5.0
 */
export const Frame = Schema.Struct({
  /** The first frame of a connection has everything. */
  first: Schema.Boolean,
  at: Schema.Number,
  /** Of the process, where the options say it. */
  service: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  /** Whether the herds may only be looked at, and whether errors are shown. */
  readOnly: Schema.Boolean,
  exposeErrors: Schema.Boolean,
  process: ProcessFrame,
  /** All that are told, worst first. */
  problems: Schema.Array(Problem),
  /** The names of all, in order. There where they have changed. */
  herdIds: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Those that have changed. */
  herds: Schema.Array(HerdOverview),
  /** All, as they were read last, at most a second before. There where they have changed. */
  queues: Schema.optionalKey(Schema.Array(QueueSnapshot)),
  /** The herd that was asked for with `herd`, while it is there. */
  open: Schema.optionalKey(HerdDetail)
})

/**
 * @category models
 * @since 0.5.0
 */
export type Frame = typeof Frame.Type
