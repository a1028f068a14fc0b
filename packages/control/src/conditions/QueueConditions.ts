/** What can be wrong with a queue of durable jobs, and with the process. */
import type { Condition, ProcessLook, QueueLook } from "./Condition.ts"
import { bytes, count, counted, millis, percent } from "./Words.ts"

const open = { kind: "open" } as const

/** Jobs of the last minute that must have ended before their failures mean something. */
const enough = 5

/** Worst first. */
export const queueConditions: ReadonlyArray<Condition<QueueLook>> = [
  {
    alert: "LemmingsStoreAway",
    title: "The store does not answer",
    severity: "critical",
    calm: 0,
    unready: true,
    hides: ["LemmingsDeadLetters", "LemmingsDeadLettersGrow"],
    says: ({ queue: { ready, since, store } }) =>
      ready
        ? undefined
        : {
            sentence: `cannot reach its store (${store})`,
            detail: "nothing to restart here: workers go on when the store is back",
            error: "store",
            since,
            remedy: open
          },
    rule: {
      expr: `lemmings_jobs_store_ready == 0`,
      for: "1m",
      summary: "The store of queue {{ $labels.queue }} does not answer",
      todo: "Look at the database: nothing has to be restarted here, and jobs are kept."
    }
  },
  {
    alert: "LemmingsJobsFail",
    title: "Jobs fail",
    severity: "warning",
    calm: 3_000,
    says: ({ queue: { stats } }, told) => {
      if (stats === null) return undefined
      const { completed, failed } = stats.lastMinute
      const ended = completed + failed
      if (ended < enough || failed / ended <= (told ? 0.05 : 0.1)) return undefined
      return {
        sentence: `lost ${percent(failed / ended)} of the jobs that ended in the last minute`,
        detail: `${count(failed)} of ${count(ended)} failed for good`,
        remedy: { kind: "review" }
      }
    },
    rule: {
      expr: `max by (queue) (lemmings_jobs_last_minute{outcome="failed"}) / sum by (queue) (max by (queue, outcome) (lemmings_jobs_last_minute{outcome=~"completed|failed"})) > 0.1`,
      for: "5m",
      summary: "{{ $value | humanizePercentage }} of the jobs of queue {{ $labels.queue }} fail for good",
      todo: "The dead letters in the dashboard say why. Replay them when the reason is gone."
    }
  },
  {
    alert: "LemmingsDeadLettersGrow",
    title: "Dead letters grow",
    severity: "warning",
    calm: 3_000,
    hides: ["LemmingsDeadLetters"],
    says: ({ newLetters, queue: { stats } }) =>
      stats === null || newLetters <= 0
        ? undefined
        : {
            sentence: `has ${counted(newLetters, "new dead letter")} in the last 5 min`,
            detail: `${count(stats.deadLetters)} in all`,
            remedy: { kind: "review" }
          },
    rule: {
      expr: `max by (queue) (delta(lemmings_jobs_dead_letters[15m])) > 0`,
      for: "5m",
      summary: "Queue {{ $labels.queue }} has {{ $value | humanize }} new dead letters in 15 minutes",
      todo: "Group them by reason in the dashboard. Replay them when the reason is gone."
    }
  },
  {
    alert: "LemmingsQueuePaused",
    title: "Queue paused with jobs waiting",
    severity: "warning",
    calm: 0,
    hides: ["LemmingsJobsWaitLong"],
    says: ({ queue: { stats } }) =>
      stats === null || !stats.paused || stats.waiting === 0
        ? undefined
        : {
            sentence: `is paused while ${counted(stats.waiting, "job waits", "jobs wait")}`,
            detail: `the oldest for ${millis(stats.oldestMillis)}`,
            remedy: { kind: "resume" }
          },
    rule: {
      expr: `max by (queue) (lemmings_jobs_paused) == 1 and on (queue) max by (queue) (lemmings_jobs_stored{state="waiting"}) > 0`,
      for: "10m",
      summary: "Queue {{ $labels.queue }} is paused, and jobs wait",
      todo: "Somebody paused it, in all processes. Resume it when the reason is gone."
    }
  },
  {
    alert: "LemmingsJobsWaitLong",
    title: "Jobs wait long",
    severity: "warning",
    calm: 3_000,
    says: ({ queue: { stats } }, told) =>
      stats === null || stats.paused || stats.oldestMillis < (told ? 150_000 : 300_000)
        ? undefined
        : {
            sentence: `lets a job wait for ${millis(stats.oldestMillis)}`,
            detail: `${counted(stats.waiting, "job waits", "jobs wait")} · ${count(stats.running)} run`,
            remedy: open
          },
    rule: {
      expr: `max by (queue) (lemmings_jobs_oldest_seconds) > 300 and on (queue) max by (queue) (lemmings_jobs_paused) == 0`,
      for: "5m",
      summary: "The oldest job of queue {{ $labels.queue }} waits for {{ $value | humanizeDuration }}",
      todo: "Start more processes that run its jobs, or raise their workers. With none running: no process works on it."
    }
  },
  {
    alert: "LemmingsDeadLetters",
    title: "Dead letters wait for a decision",
    severity: "warning",
    calm: 0,
    says: ({ queue: { stats } }) =>
      stats === null || stats.deadLetters === 0
        ? undefined
        : {
            sentence: `has ${counted(stats.deadLetters, "dead letter")}`,
            detail: "none new in the last 5 min",
            remedy: { kind: "review" }
          },
    rule: {
      expr: `max by (queue) (lemmings_jobs_dead_letters) > 0`,
      for: "1h",
      summary: "Queue {{ $labels.queue }} has {{ $value }} dead letters",
      todo: "Replay them when their reason is gone, or purge them."
    }
  }
]

export const processConditions: ReadonlyArray<Condition<ProcessLook>> = [
  {
    alert: "LemmingsEventLoopLate",
    title: "The event loop is late",
    severity: "warning",
    calm: 3_000,
    says: ({ eventLoopDelayMillis, eventLoopUtilization }, told) =>
      eventLoopDelayMillis <= (told ? 250 : 500) || eventLoopUtilization <= (told ? 0.8 : 0.9)
        ? undefined
        : {
            sentence: `has its event loop ${millis(eventLoopDelayMillis)} late`,
            detail: `busy ${percent(eventLoopUtilization)} of the time: something computes for long on the main thread`,
            remedy: open
          },
    rule: {
      expr: `nodejs_eventloop_delay_seconds > 0.5 and nodejs_eventloop_utilization_ratio > 0.9`,
      for: "5m",
      summary: "The event loop of {{ $labels.instance }} is {{ $value | humanizeDuration }} late",
      todo: "Something computes for long on the main thread. More workers make it worse: move the work to threads."
    }
  },
  {
    alert: "LemmingsMemoryFull",
    title: "Memory is almost used up",
    severity: "warning",
    calm: 3_000,
    says: ({ memoryLimit, memoryUsed }, told) =>
      memoryLimit <= 0 || memoryUsed / memoryLimit <= (told ? 0.85 : 0.9)
        ? undefined
        : {
            sentence: `uses ${percent(memoryUsed / memoryLimit)} of its memory`,
            detail: `${bytes(memoryUsed)} of ${bytes(memoryLimit)}`,
            remedy: open
          },
    rule: {
      expr: `process_resident_memory_bytes / process_memory_limit_bytes > 0.9`,
      for: "5m",
      summary: "{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory",
      todo: "Give it more, or let fewer workers run at a time: the policy memory does so by itself."
    }
  }
]
