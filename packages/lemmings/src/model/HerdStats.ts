/**
 * A herd in figures: one snapshot, one windowed report, one shutdown report.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { HerdState } from "./HerdError.ts"
import { KeyUse } from "./HerdFlow.ts"
import { SystemReading } from "./SystemMetrics.ts"

const Count = Schema.Int

/**
 * Workers by what they do. `size` = idle + busy + starting. `base` + `burst` = size.
 *
 * @category models
 * @since 0.1.0
 */
export const WorkerCounts = Schema.Struct({
  /** Floor and ceiling that a policy keeps to. */
  min: Count,
  max: Count,
  /** Workers wanted now. */
  target: Count,
  /** Workers that run or will run tasks: idle, busy and starting. */
  size: Count,
  /** Ready, nothing to do. */
  idle: Count,
  /** Running a task. */
  busy: Count,
  /** Creating their resource, the first or a replacement. */
  starting: Count,
  /** Leaving: finishing their last task or destroying their resource. */
  stopping: Count,
  /** Up to `min`. */
  base: Count,
  /** Beyond `min`. */
  burst: Count,
  /** Most workers at one time since the start. */
  peak: Count
})

/**
 * Tasks by what became of them, since the herd started. At every step
 * `submitted` = queued + delayed + running + succeeded + failed + interrupted + shed.
 *
 * @category models
 * @since 0.1.0
 */
export const TaskCounts = Schema.Struct({
  /** Accepted. */
  submitted: Count,
  /** Waiting for a worker, or for a limit. */
  queued: Count,
  /** Waiting for a worker alone. With those that are held: all that are queued or wait for room. */
  ready: Count,
  /** Waiting for a limit: of their key, of the herd, or a hold. */
  held: Count,
  /** Waiting for their next attempt. Not part of `queued`. */
  delayed: Count,
  /** Holding a worker, those of `runNow` included. */
  running: Count,
  succeeded: Count,
  /** Ended with a typed failure, a defect, a timeout or a missed deadline. */
  failed: Count,
  interrupted: Count,
  /** Accepted and dropped before they started. */
  shed: Count,
  /** Refused: queue full, or herd closing. Not part of `submitted`. */
  rejected: Count,
  /** Submitters waiting for room in the queue. Not part of `submitted`. */
  admitting: Count,
  /** Attempts that a schedule asked for. */
  retried: Count,
  /** Attempts begun again because a worker was unhealthy. */
  requeued: Count,
  /** Attempts that ended because their key had to wait (`limits.hold`). Not counted as attempts of their tasks. */
  holds: Count,
  /** Retries that `retryBudget` refused. */
  retriesRefused: Count,
  /** Attempts that a timeout ended. */
  timedOut: Count,
  /** Waits that `acquireTimeout` ended. */
  acquireTimeouts: Count
})

/**
 * Resources since the herd started. `created` - `destroyed` = `alive`.
 *
 * @category models
 * @since 0.1.0
 */
export const ResourceCounts = Schema.Struct({
  created: Count,
  destroyed: Count,
  alive: Count,
  /** Spares of `runNow` ready to use. */
  spares: Count,
  /** Temporary resources in use by `runNow`. */
  temporary: Count,
  createFailures: Count,
  destroyFailures: Count,
  /** Resources whose destruction did not end in time. */
  leaked: Count,
  /** Calls of `validate` that said no, failed, or took too long. */
  invalid: Count,
  /** Calls of `onCreate` that failed since the last one that did not. */
  createFailuresInARow: Count,
  /** When the first of those failed, and when the last: epoch milliseconds. Absent when the last call did not fail. */
  createFailingSince: Schema.optionalKey(Schema.Number),
  lastCreateFailureAt: Schema.optionalKey(Schema.Number),
  /** The last error of `onCreate`, when its last call failed. */
  lastCreateError: Schema.optionalKey(Schema.Defect())
})

/**
 * Why a resource had to go.
 *
 * - `expired`: older than `maxLifetime`. `spent`: `maxUses`. `unwanted`: `recycleWhen` said so.
 * - `invalid`: `validate` said so, failed, or took too long. `unhealthy`: `checkHealth` said so.
 * - `idle`: unused for longer than `idleTimeToLive`. `evicted`: `evictAll`.
 * - `clock`: the clock jumped, so nobody knows how old it is. `lost`: `awaitLost` ended.
 *
 * @category models
 * @since 0.2.0
 */
export const RecycleReason = Schema.Literals([
  "expired",
  "spent",
  "unwanted",
  "invalid",
  "unhealthy",
  "idle",
  "evicted",
  "clock",
  "lost"
])

/**
 * @category models
 * @since 0.2.0
 */
export type RecycleReason = typeof RecycleReason.Type

/**
 * A herd at one instant.
 *
 * @category models
 * @since 0.1.0
 */
export const HerdStats = Schema.Struct({
  herd: Schema.String,
  state: HerdState,
  paused: Schema.Boolean,
  /** When `state` or `paused` last changed, or the herd began: epoch milliseconds. */
  since: Schema.Number,
  workers: WorkerCounts,
  tasks: TaskCounts,
  resources: ResourceCounts,
  queue: Schema.Struct({
    /** Tasks waiting, delayed ones not included. */
    depth: Count,
    /** Most that may wait. `null`: unbounded. */
    capacity: Schema.NullOr(Count),
    /** depth ÷ capacity, a ratio. 0 when unbounded. */
    fill: Schema.Finite,
    /** Milliseconds since the next task in line was accepted. 0 when none waits. */
    nextMillis: Schema.Finite,
    /**
     * Milliseconds that the one of them that waits longest has waited, tasks that wait for a limit or for room included.
     * With more than 256, the longest of so many of them. 0 when none waits.
     */
    oldestMillis: Schema.Finite,
    /** Waiting tasks above priority "normal". */
    urgent: Count
  }),
  /** Milliseconds that the attempt that has run longest has run. 0 when none runs. */
  longestRunMillis: Schema.Finite,
  /** busy ÷ size, a ratio. 0 without workers. */
  utilization: Schema.Finite,
  /**
   * The five keys with the most tasks, running ones included. Absent without limits and fairness, and where more than
   * 10,000 keys are remembered: `herd.keys` looks at all of them.
   */
  keys: Schema.optionalKey(Schema.Array(KeyUse)),
  scaling: Schema.Struct({
    /** Name of the policy. */
    policy: Schema.String,
    /** `resize` set the number of workers, and the policy leaves it alone until `setBounds` or `resize("auto")`. */
    pinned: Schema.Boolean,
    /** The policy stops dispatch. */
    paused: Schema.Boolean
  })
})

/**
 * @category models
 * @since 0.1.0
 */
export type HerdStats = typeof HerdStats.Type

/**
 * A resource pool at one instant. `total` = `idle` + `active` + `starting`. `created` - `destroyed` = `alive`.
 *
 * @category models
 * @since 0.2.0
 */
export const PoolStats = Schema.Struct({
  pool: Schema.String,
  state: HerdState,
  paused: Schema.Boolean,
  min: Count,
  max: Count,
  /** Resources that are or will be lent. */
  total: Count,
  idle: Count,
  /** Lent. */
  active: Count,
  /** Being created, validated or replaced. */
  starting: Count,
  /** Borrowers waiting. */
  waiting: Count,
  /** Loans since the start. */
  borrowed: Count,
  /** Borrowers that got no resource in time. */
  timeouts: Count,
  ...ResourceCounts.fields
})

/**
 * @category models
 * @since 0.2.0
 */
export type PoolStats = typeof PoolStats.Type

/**
 * How long something took over the window. Milliseconds; quantiles are within 1/32 of the truth.
 *
 * @category models
 * @since 0.1.0
 */
export const Timing = Schema.Struct({
  count: Count,
  mean: Schema.Finite,
  min: Schema.Finite,
  max: Schema.Finite,
  p50: Schema.Finite,
  p95: Schema.Finite,
  p99: Schema.Finite
})

/**
 * What happened over the last `window`, and totals since the start.
 *
 * @category models
 * @since 0.1.0
 */
export const HerdMetrics = Schema.Struct({
  herd: Schema.String,
  /** Milliseconds that the rates cover: the window, or less when the herd is younger. */
  windowMillis: Schema.Finite,
  /** Tasks accepted per second. */
  arrivalRate: Schema.Finite,
  /** Attempts ended per second, failed ones included, interrupted and shed ones not. */
  endedRate: Schema.Finite,
  /** Those of them that succeeded, and those that failed, per second. */
  succeededRate: Schema.Finite,
  failedRate: Schema.Finite,
  /** Submission to first start. */
  wait: Timing,
  /** Start to exit of each attempt, failed ones included. */
  run: Timing,
  /** Attempts that succeeded ÷ ended over the window, a ratio. 0 when none ended. */
  successRate: Schema.Finite,
  /** Attempts that failed ÷ ended over the window, a ratio. 0 when none ended. */
  failureRate: Schema.Finite,
  totals: Schema.Struct({ succeeded: Count, failed: Count, retried: Count })
})

/**
 * @category models
 * @since 0.1.0
 */
export type HerdMetrics = typeof HerdMetrics.Type

/**
 * What became of the tasks and resources that a stop found.
 *
 * @category models
 * @since 0.1.0
 */
export const ShutdownReport = Schema.Struct({
  /** Tasks that came to their own end while draining: succeeded or failed. */
  completed: Count,
  /** Running tasks that were interrupted, or that failed because what they ran on was lost (`HerdError.notEnded`). */
  interrupted: Count,
  /** Waiting tasks that never ran to an end; their callers got `HerdClosed`, or their last own error. */
  abandoned: Count,
  /** Tasks and resources that did not end in time and were left behind. */
  leaked: Count
})

/**
 * @category models
 * @since 0.1.0
 */
export type ShutdownReport = typeof ShutdownReport.Type

/**
 * What a scaling policy is shown: one herd at one instant. Times are milliseconds, rates are per second.
 *
 * @category models
 * @since 0.2.0
 */
export const ScalingSample = Schema.Struct({
  /** Time on the herd's monotonic clock. */
  now: Schema.Finite,
  /** Since the sample before, or since the herd began. */
  sinceMillis: Schema.Finite,
  workers: WorkerCounts,
  /** Tasks waiting for a worker or for room in the queue, delayed ones and those that a limit holds not included. */
  queued: Count,
  /** Tasks waiting for a limit: more workers would not help them. Absent where nothing has limits. */
  held: Schema.optionalKey(Count),
  /** How long the one of them that waits longest has waited. With more than 4,096, the next one. */
  oldestWaitMillis: Schema.Finite,
  /** For how long there has always been somebody who waits. 0 when nobody does. */
  waitingMillis: Schema.Finite,
  /** How long the attempt that has run longest has run. 0 when none runs. */
  longestRunMillis: Schema.Finite,
  /** How long the attempts that run have run so far, on average. 0 when none runs. */
  meanRunMillis: Schema.Finite,
  /** The last of the waiting tasks may not wait: it is refused unless a worker comes for it. */
  refusing: Schema.optionalKey(Schema.Boolean),
  /** Attempts that asked for a worker since the start: tasks accepted, retries and re-queues. */
  arrivals: Count,
  /** Attempts that ended since the start, failed ones included, interrupted and shed ones not. */
  ended: Count,
  /** Moving averages over 2 and over 20 seconds. */
  arrivalRate: Schema.Struct({ fast: Schema.Finite, slow: Schema.Finite }),
  endedRate: Schema.Struct({ fast: Schema.Finite, slow: Schema.Finite }),
  /**
   * Moving average of how long an attempt keeps its worker from the next: its run, failed ones included, and then
   * `ready`, validation and the replacement of the resource. `null` until one has ended.
   */
  serviceMillis: Schema.NullOr(Schema.Finite),
  /** Moving average of creating a resource. 0 when workers own none, or none has been made. */
  creationMillis: Schema.Finite,
  /** Readings of the process, for a policy that asks for them. */
  system: Schema.optionalKey(SystemReading),
  /** How much of its time each worker's resource was busy since the sample before, 0 to 1, as far as resources say. */
  utilization: Schema.optionalKey(
    Schema.Array(Schema.Struct({ workerId: Schema.Int, utilization: Schema.Finite }))
  )
})

/**
 * @category models
 * @since 0.2.0
 */
export type ScalingSample = typeof ScalingSample.Type

/**
 * One change of the number of workers, and why. Also the `Resized` event and a line in the log.
 *
 * @category models
 * @since 0.2.0
 */
export const ScalingDecision = Schema.Struct({
  /** Epoch milliseconds. */
  at: Schema.Number,
  from: Count,
  to: Count,
  /** Name of the policy, or the call that changed it: `"resize"`, `"setBounds"`, `"start"`. */
  by: Schema.String,
  /** In words, with the figures that decided. */
  reason: Schema.String,
  /** Whether the policy stops dispatch. */
  paused: Schema.Boolean,
  /** What the policy was shown. */
  sample: Schema.optionalKey(ScalingSample)
})

/**
 * @category models
 * @since 0.2.0
 */
export type ScalingDecision = typeof ScalingDecision.Type
