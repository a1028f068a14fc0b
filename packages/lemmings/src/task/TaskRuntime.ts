/** What the tasks of one herd share. */
import type { Cause, Clock, Context, Schedule } from "effect"
import type { Prediction } from "../flow/Prediction.ts"
import type { RetryBudget } from "../flow/RetryBudget.ts"
import type { Leasable, Pool } from "../dispatch/FiberPool.ts"
import type { HerdState, ShedReason } from "../model/HerdError.ts"
import type { HerdEvents } from "../model/HerdEvent.ts"
import type { TaskFailure } from "../model/HerdTasks.ts"
import { Histogram } from "../internal/Histogram.ts"
import { Ring } from "../internal/Ring.ts"
import { SlidingWindow } from "../internal/SlidingWindow.ts"
import { type Supervision, unsupervised } from "../scaling/Supervisor.ts"
import type { AsyncContext } from "../internal/AsyncContext.ts"
import type { Hooks, Middleware } from "../model/Task.ts"
import type * as SelfWait from "./SelfWait.ts"
import type { Line } from "../dispatch/TaskQueue.ts"
import type { Timers } from "../internal/Timers.ts"

/** Tasks counted since the start, as in `HerdStats`. */
interface TaskTally {
  submitted: number
  running: number
  succeeded: number
  failed: number
  /** Of those that failed since the herd began to stop: what they ran on was lost. */
  notEnded: number
  interrupted: number
  shed: number
  rejected: number
  retried: number
  requeued: number
  /** Attempts that a hold of their key has ended. */
  holds: number
  /** Retries that the budget refused. */
  retriesRefused: number
  timedOut: number
  acquireTimeouts: number
}

/** What stands in the line of a herd: a task, or several that were accepted together. */
export interface Waiting extends Leasable {
  /** Settles what the queue no longer holds, and has it told by the loop. Call `pump` afterwards. */
  readonly shed: (reason: ShedReason) => void
  /**
   * Settles what the queue no longer holds, in a step that must be short: it is counted, and nobody is told. Call `tell`
   * afterwards, until `told`.
   */
  readonly drop: (reason: ShedReason | "closed") => void
  /** Tells those who wait, by one task, that it was dropped. */
  readonly tell: () => void
  /** Whether nobody is left to be told. */
  readonly told: boolean
  /** Bounds the wait for a worker that cannot be made. */
  readonly limit: () => void
  readonly unlimit: () => void
  /** The fiber that waits for its end, where it is known. */
  readonly waiter?: object | undefined
  /** When this wait began, on the herd's monotonic clock. */
  readonly waitingSince: number
}

/** Tasks that wait for a worker. */
export const queued = ({ batches, line }: Pick<Runtime, "batches" | "line">): number => {
  let tasks = line.size()
  for (const batch of batches) tasks += batch.tasks - 1
  return tasks
}

/**
 * Tasks that a worker could take: those in the queue and those that wait for room in it, without those that a limit holds.
 */
export const waiting = (rt: Pick<Runtime, "batches" | "line" | "timers">): number =>
  rt.line.flow === undefined ? queued(rt) + rt.line.admitting() : rt.line.flow.ready(rt.timers.now())

/** Tasks that wait for a limit. */
export const held = ({ line, timers }: Pick<Runtime, "line" | "timers">): number =>
  line.flow === undefined ? 0 : line.flow.held(timers.now())

/** Where the tasks of a herd wait and run. For every room of the herd. */
export interface Place {
  readonly herd: string
  readonly pool: Pool<Waiting>
  readonly line: Line<Waiting>
  readonly timers: Timers
  readonly clock: Clock.Clock
  /** The async context of the layer. */
  readonly own: AsyncContext
}

/** What was counted: written by tasks, read by snapshots, metrics and the supervisor. */
export interface Counts {
  readonly tally: TaskTally
  readonly window: SlidingWindow
  /** Since the start, for scraping. */
  readonly waits: Histogram
  readonly runs: Histogram
  readonly delayed: Set<Waiting>
  /** Entries of the line that stand for several tasks. */
  readonly batches: Set<Waiting>
}

/** Who hears of tasks. For `TaskNews`. */
export interface News {
  readonly events: HerdEvents["Service"]
  readonly hooks: Hooks
  /** Whether anybody wants to hear of tasks: hooks, or readers of events. */
  readonly listening: () => boolean
  /** The last ones, oldest first. */
  readonly failures: Ring<TaskFailure>
}

/** What the layer said that counts for every task. For tasks alone. */
export interface Rules {
  readonly middleware: ReadonlyArray<Middleware>
  readonly retry: Schedule.Schedule<unknown> | undefined
  readonly checkHealth: ((cause: Cause.Cause<unknown>) => boolean) | undefined
  readonly maxRequeues: number
  /** Under which the worker's resource is given to its task. */
  readonly resource: Context.Key<unknown, unknown> | undefined
  /** Whether `TaskShed` is in the type of this herd's tasks. */
  readonly sheds: boolean
  /** How long tasks are expected to run. */
  readonly prediction: Prediction
  /** Bounds retries of all tasks together. */
  readonly budget: RetryBudget | undefined
  /** Milliseconds. `Infinity`: never. */
  readonly leakAfter: number
  readonly interruptLeaks: boolean
  readonly lastCreateError: () => unknown
}

/** What changes in the life of a herd, each by one part of it. */
export interface Standing {
  /** Changed by `Shutdown`. */
  state: HerdState
  /** When the state, or whether dispatch is paused, last changed: epoch milliseconds. Changed by `stands`. */
  since: number
  /** Creation fails and no worker can run a task. Changed by what the pool says. */
  starved: boolean
  /** Whether all workers wait for their own herd. Changed by `SelfWait`. */
  readonly selfWait: SelfWait.Looks
  /** Of the next task. Changed by tasks. */
  sequence: number
  /** Who decides the number of workers. Nobody, until `Sizing` starts. */
  supervision: Pick<Supervision, "awoken" | "resting" | "wanted"> & {
    /** So many tasks have to wait, since this time on the herd's monotonic clock. */
    readonly noticed: (since: number, tasks: number) => void
  }
}

/** Notes that the state of the herd, or whether it is paused, has changed. */
export const stands = (rt: Pick<Runtime, "clock" | "since">): void => {
  rt.since = rt.clock.currentTimeMillisUnsafe()
}

/** What the tasks of one herd share. Its parts say who reads them. */
export interface Runtime extends Place, Counts, News, Rules, Standing {}

/** What a herd shares that has not begun. */
export const make = (
  place: Place,
  news: Pick<News, "events" | "hooks">,
  rules: Rules,
  window: number
): Runtime => ({
  herd: place.herd,
  pool: place.pool,
  line: place.line,
  timers: place.timers,
  clock: place.clock,
  own: place.own,
  events: news.events,
  window: new SlidingWindow(window, place.timers.now()),
  waits: new Histogram(),
  runs: new Histogram(),
  tally: {
    submitted: 0,
    running: 0,
    succeeded: 0,
    failed: 0,
    notEnded: 0,
    interrupted: 0,
    shed: 0,
    rejected: 0,
    retried: 0,
    requeued: 0,
    holds: 0,
    retriesRefused: 0,
    timedOut: 0,
    acquireTimeouts: 0
  },
  delayed: new Set(),
  batches: new Set(),
  failures: new Ring(),
  hooks: news.hooks,
  listening: Object.values(news.hooks).some((hook) => hook !== undefined) ? () => true : news.events.active,
  middleware: rules.middleware,
  retry: rules.retry,
  checkHealth: rules.checkHealth,
  maxRequeues: rules.maxRequeues,
  resource: rules.resource,
  sheds: rules.sheds,
  prediction: rules.prediction,
  budget: rules.budget,
  leakAfter: rules.leakAfter,
  interruptLeaks: rules.interruptLeaks,
  lastCreateError: rules.lastCreateError,
  supervision: unsupervised,
  state: "running",
  since: place.clock.currentTimeMillisUnsafe(),
  starved: false,
  selfWait: { armed: false, after: 0, started: 0, since: 0, told: false },
  sequence: 1
})
