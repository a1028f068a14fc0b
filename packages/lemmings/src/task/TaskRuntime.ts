/**
 * What the tasks of one herd share.
 *
 * @since 0.1.0
 */
import type { Cause, Clock, Context, Schedule } from "effect"
import type { Leasable, Pool } from "../dispatch/FiberPool.ts"
import type { HerdState, ShedReason } from "../model/HerdError.ts"
import type { HerdEvents } from "../model/HerdEvent.ts"
import type { TaskFailure } from "../model/HerdTasks.ts"
import type { Histogram } from "../internal/Histogram.ts"
import type { Ring } from "../internal/Ring.ts"
import type { SlidingWindow } from "../internal/SlidingWindow.ts"
import type { Supervision } from "../scaling/Supervisor.ts"
import type { Hooks, Middleware } from "../model/Task.ts"
import type { Line } from "../dispatch/TaskQueue.ts"
import type { Timers } from "../internal/Timers.ts"

/**
 * Tasks counted since the start, as in `HerdStats`.
 *
 * @category models
 * @since 0.1.0
 */
interface TaskTally {
  submitted: number
  running: number
  succeeded: number
  failed: number
  interrupted: number
  shed: number
  rejected: number
  retried: number
  requeued: number
  timedOut: number
  acquireTimeouts: number
}

/**
 * What stands in the line of a herd: a task, or several that were accepted together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting extends Leasable {
  /** Drops what the queue no longer holds. Call `pump` afterwards. */
  readonly shed: (reason: ShedReason) => void
  /** Bounds the wait for a worker that cannot be made. */
  readonly limit: () => void
  readonly unlimit: () => void
  /** When this wait began, on the herd's monotonic clock. */
  readonly waitingSince: number
}

/**
 * Tasks that wait for a worker.
 *
 * @category getters
 * @since 0.1.0
 */
export const queued = ({ batches, line }: Pick<Runtime, "batches" | "line">): number => {
  let tasks = line.size()
  for (const batch of batches) tasks += batch.tasks - 1
  return tasks
}

/**
 * Tasks that a worker could take: those in the queue and those that wait for room in it.
 *
 * @category getters
 * @since 0.2.0
 */
export const waiting = (rt: Pick<Runtime, "batches" | "line">): number => queued(rt) + rt.line.admitting()

/**
 * What the tasks of one herd share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runtime {
  readonly herd: string
  readonly pool: Pool<Waiting>
  readonly line: Line<Waiting>
  readonly timers: Timers
  readonly clock: Clock.Clock
  readonly events: HerdEvents["Service"]
  readonly window: SlidingWindow
  /** Since the start, for scraping. */
  readonly waits: Histogram
  readonly runs: Histogram
  readonly tally: TaskTally
  readonly delayed: Set<Waiting>
  /** Entries of the line that stand for several tasks. */
  readonly batches: Set<Waiting>
  /** The last ones, oldest first. */
  readonly failures: Ring<TaskFailure>
  readonly hooks: Hooks
  /** Whether anybody wants to hear of tasks: hooks, or readers of events. */
  readonly listening: () => boolean
  readonly middleware: ReadonlyArray<Middleware>
  readonly retry: Schedule.Schedule<unknown> | undefined
  readonly checkHealth: ((cause: Cause.Cause<unknown>) => boolean) | undefined
  readonly maxRequeues: number
  /** Under which the worker's resource is given to its task. */
  readonly resource: Context.Key<unknown, unknown> | undefined
  /** Whether `TaskShed` is in the type of this herd's tasks. */
  readonly sheds: boolean
  /** Milliseconds. `Infinity`: never. */
  readonly leakAfter: number
  readonly interruptLeaks: boolean
  supervision: Pick<Supervision, "awoken" | "noticed" | "resting">
  state: HerdState
  /** Creation fails and no worker can run a task. */
  starved: boolean
  sequence: number
  readonly lastCreateError: () => unknown
}
