/**
 * A herd in figures: builds the snapshots, and publishes them as Effect metrics
 * that are read when scraped, so that they cost nothing per task.
 */
import type { Effect, Scope } from "effect"
import type { HerdMetrics, HerdStats } from "../model/HerdStats.ts"
import type { Summary } from "../internal/SlidingWindow.ts"
import * as PulledMetrics from "./PulledMetrics.ts"
import type { Resources } from "../workers/Resources.ts"
import { priorityLevel } from "../model/Task.ts"
import { type Counts, held, type Place, queued, type Standing, waiting } from "../task/TaskRuntime.ts"

type Shown = Place & Counts & Pick<Standing, "state" | "since">

// Waiting tasks that are looked at for the longest wait.
const searched = 256

/** How long the task that waits longest has waited. */
const oldestWait = ({ line, timers }: Shown): number => {
  const now = timers.now()
  let since = line.peek()?.waitingSince ?? now
  const look = (task: { readonly waitingSince: number }) => {
    if (task.waitingSince < since) since = task.waitingSince
  }
  for (const task of line.size() <= searched ? line.waiting() : line.sample(searched)) look(task)
  let left = searched
  for (const task of line.suspended()) {
    look(task)
    if (--left === 0) break
  }
  return Math.max(0, now - since)
}

/** Waiting tasks above priority "normal". */
const urgent = ({ batches, line }: Shown): number => {
  let tasks = line.urgent()
  for (const batch of batches) if (batch.level > priorityLevel("normal")) tasks += batch.tasks - 1
  return tasks
}

/** The herd now. */
export const stats = (
  rt: Shown,
  resources: Resources["Service"],
  scaling: HerdStats["scaling"]
): HerdStats => {
  const workers = rt.pool.counts()
  const depth = queued(rt)
  const { capacity } = rt.line
  const next = rt.line.peek()
  const {
    created,
    createFailingSince,
    creationMillis: _,
    destroyed,
    lastCreateError,
    lastCreateFailureAt,
    ...tally
  } = resources.tally
  // The report of a shutdown asks for it.
  const { notEnded: __, ...tasks } = rt.tally
  const failing =
    createFailingSince === undefined || lastCreateFailureAt === undefined
      ? {}
      : { createFailingSince, lastCreateFailureAt }
  return {
    herd: rt.herd,
    state: rt.state,
    paused: rt.pool.paused(),
    since: rt.since,
    workers,
    tasks: {
      ...tasks,
      queued: depth,
      ready: waiting(rt),
      held: held(rt),
      delayed: rt.delayed.size,
      admitting: rt.line.admitting()
    },
    resources: {
      created,
      destroyed,
      alive: created - destroyed,
      spares: resources.idleSpares(),
      ...tally,
      ...failing,
      ...(lastCreateError === undefined ? {} : { lastCreateError })
    },
    queue: {
      depth,
      capacity: capacity === Infinity ? null : capacity,
      fill: capacity === Infinity || capacity === 0 ? 0 : depth / capacity,
      nextMillis: next === undefined ? 0 : Math.max(0, rt.timers.now() - next.enqueuedAt),
      oldestMillis: oldestWait(rt),
      urgent: urgent(rt)
    },
    longestRunMillis: Math.max(0, rt.timers.now() - (rt.pool.oldestStart() ?? Infinity)),
    utilization: workers.size === 0 ? 0 : Math.min(1, workers.busy / workers.size),
    ...largestKeys(rt),
    scaling
  }
}

// A snapshot looks at every key, and must stay short.
const mostKeys = 10_000
const shownKeys = 5

const largestKeys = ({ line, timers }: Pick<Place, "line" | "timers">): Pick<HerdStats, "keys"> => {
  const { flow } = line
  return flow === undefined || flow.size() > mostKeys ? {} : { keys: flow.keys(shownKeys, timers.now()) }
}

const timing = ({ count, max, mean, min, p50, p95, p99 }: Summary) => ({
  count,
  mean,
  min,
  max,
  p50,
  p95,
  p99
})

/** The herd over its window. */
export const metrics = (rt: Shown): HerdMetrics => {
  const window = rt.window.snapshot(rt.timers.now())
  const ended = window.successes + window.failures
  const seconds = window.spanMillis / 1000
  return {
    herd: rt.herd,
    windowMillis: window.spanMillis,
    arrivalRate: window.arrivals / seconds,
    endedRate: ended / seconds,
    succeededRate: window.successes / seconds,
    failedRate: window.failures / seconds,
    wait: timing(window.wait),
    run: timing(window.run),
    successRate: ended === 0 ? 0 : window.successes / ended,
    failureRate: ended === 0 ? 0 : window.failures / ended,
    totals: { succeeded: rt.tally.succeeded, failed: rt.tally.failed, retried: rt.tally.retried }
  }
}

/** Publishes the herd's figures under the attribute `herd` until the scope closes. */
export const publish = (
  rt: Shown,
  resources: Resources["Service"],
  stats: () => HerdStats,
  changes: { readonly up: number; readonly down: number }
): Effect.Effect<void, never, Scope.Scope> => {
  const { counter, gauge, histogram } = PulledMetrics.make({ herd: rt.herd })
  const { tally } = rt
  const { tally: owned } = resources
  const workers = "Workers, by what they do."
  const finished = "Tasks that ended, by outcome."
  const all = [
    gauge("lemmings_workers", workers, () => rt.pool.counts().idle, { state: "idle" }),
    gauge("lemmings_workers", workers, () => rt.pool.counts().busy, { state: "busy" }),
    gauge("lemmings_workers", workers, () => rt.pool.counts().starting, { state: "starting" }),
    gauge("lemmings_workers", workers, () => rt.pool.counts().stopping, { state: "stopping" }),
    gauge("lemmings_workers_target", "Workers wanted.", () => rt.pool.counts().target),
    gauge("lemmings_workers_min", "Floor of the workers wanted.", () => rt.pool.counts().min),
    gauge("lemmings_workers_max", "Ceiling of the workers wanted.", () => rt.pool.counts().max),
    gauge("lemmings_herd_running", "1 while the herd accepts tasks, 0 once it drains.", () =>
      rt.state === "running" ? 1 : 0
    ),
    gauge("lemmings_herd_paused", "1 while dispatch is stopped, otherwise 0.", () =>
      rt.pool.paused() ? 1 : 0
    ),
    gauge("lemmings_herd_pinned", "1 while a size asked for stands, and no policy changes it.", () =>
      stats().scaling.pinned ? 1 : 0
    ),
    gauge("lemmings_workers_burst", "Workers beyond workers.min.", () => rt.pool.counts().burst),
    counter("lemmings_workers_changes_total", "Changes of the workers wanted.", () => changes.up, {
      direction: "up"
    }),
    counter("lemmings_workers_changes_total", "Changes of the workers wanted.", () => changes.down, {
      direction: "down"
    }),
    gauge("lemmings_tasks_waiting", "Tasks waiting for a worker or for a limit.", () => queued(rt)),
    gauge("lemmings_tasks_held", "Tasks waiting for a limit.", () => held(rt)),
    gauge(
      "lemmings_keys",
      "Keys with limits or shares that are remembered.",
      () => rt.line.flow?.size() ?? 0
    ),
    gauge("lemmings_tasks_delayed", "Tasks waiting for their next attempt.", () => rt.delayed.size),
    gauge("lemmings_tasks_running", "Tasks that hold a worker.", () => tally.running),
    gauge(
      "lemmings_queue_fill_ratio",
      "Waiting tasks divided by the queue's capacity.",
      () => stats().queue.fill
    ),
    gauge(
      "lemmings_queue_next_wait_seconds",
      "How long the next task in line has waited.",
      () => stats().queue.nextMillis / 1000
    ),
    gauge(
      "lemmings_queue_oldest_wait_seconds",
      "How long the task that waits longest has waited.",
      () => oldestWait(rt) / 1000
    ),
    gauge(
      "lemmings_longest_run_seconds",
      "How long the attempt that has run longest has run.",
      () => stats().longestRunMillis / 1000
    ),
    gauge(
      "lemmings_resource_create_failures_in_a_row",
      "Calls of onCreate that failed since the last one that did not.",
      () => owned.createFailuresInARow
    ),
    gauge(
      "lemmings_resources_alive",
      "Resources created and not destroyed.",
      () => owned.created - owned.destroyed
    ),
    counter("lemmings_tasks_accepted_total", "Tasks accepted.", () => tally.submitted),
    counter("lemmings_tasks_finished_total", finished, () => tally.succeeded, { outcome: "succeeded" }),
    counter("lemmings_tasks_finished_total", finished, () => tally.failed, { outcome: "failed" }),
    counter("lemmings_tasks_finished_total", finished, () => tally.interrupted, { outcome: "interrupted" }),
    counter("lemmings_tasks_finished_total", finished, () => tally.shed, { outcome: "shed" }),
    counter("lemmings_tasks_rejected_total", "Submissions refused.", () => tally.rejected),
    counter("lemmings_tasks_retried_total", "Attempts that a retry schedule asked for.", () => tally.retried),
    counter(
      "lemmings_tasks_requeued_total",
      "Attempts begun again after an unhealthy worker.",
      () => tally.requeued
    ),
    counter(
      "lemmings_tasks_holds_total",
      "Attempts that ended because their key had to wait.",
      () => tally.holds
    ),
    counter(
      "lemmings_retries_refused_total",
      "Retries that the retry budget refused.",
      () => tally.retriesRefused
    ),
    counter("lemmings_tasks_timed_out_total", "Attempts that a timeout ended.", () => tally.timedOut),
    counter("lemmings_resources_created_total", "Resources created.", () => owned.created),
    counter("lemmings_resources_destroyed_total", "Resources destroyed.", () => owned.destroyed),
    counter(
      "lemmings_resource_create_failures_total",
      "Calls of onCreate that failed.",
      () => owned.createFailures
    ),
    counter(
      "lemmings_resource_destroy_failures_total",
      "Calls of onDestroy that failed.",
      () => owned.destroyFailures
    ),
    counter(
      "lemmings_resources_leaked_total",
      "Resources whose destruction did not end in time.",
      () => owned.leaked
    ),
    histogram("lemmings_task_wait_seconds", "From acceptance to the first start.", rt.waits),
    histogram("lemmings_task_run_seconds", "From start to end of an attempt.", rt.runs)
  ]
  return PulledMetrics.register(all)
}
