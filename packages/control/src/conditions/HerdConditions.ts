/** What can be wrong with a herd. */
import type { Condition, HerdLook, Said } from "./Condition.ts"
import { count, counted, millis, percent, rate } from "./Words.ts"

const open = { kind: "open" } as const

const waits = ({ stats: { queue } }: HerdLook): string =>
  queue.depth === 0
    ? "nothing waits"
    : `${counted(queue.depth, "task waits", "tasks wait")}, the oldest for ${millis(queue.oldestMillis)}`

const working = ({ stats: { workers } }: HerdLook): number => workers.idle + workers.busy

/** Whether the herd is there to work: nobody has paused it, and it is not closing. */
const atWork = ({ stats }: HerdLook): boolean =>
  stats.state === "running" && !stats.paused && !stats.scaling.paused

/** Tasks in the last seconds that must have ended before their failures mean something. */
const enough = 5

const failing =
  (mark: number, ends: number) =>
  (look: HerdLook, told: boolean): Said | undefined => {
    const { failed, succeeded } = look.recent
    const ended = failed + succeeded
    if (ended < (told ? 1 : enough) || failed / ended <= (told ? ends : mark)) return undefined
    return {
      sentence: `fails ${percent(failed / ended)} of its tasks`,
      detail: `${rate(look.metrics.failedRate)} fail · ${waits(look)}`,
      error: "tasks",
      remedy: look.stats.state === "running" && !look.stats.paused ? { kind: "pause" } : open
    }
  }

/** Worst first. */
export const herdConditions: ReadonlyArray<Condition<HerdLook>> = [
  {
    alert: "LemmingsNoWorkers",
    title: "No worker can be created",
    severity: "critical",
    calm: 1_000,
    hides: [
      "LemmingsResourcesFail",
      "LemmingsNothingFinishes",
      "LemmingsSaturated",
      "LemmingsWaitsLong",
      "LemmingsSizePinned"
    ],
    says: (look) => {
      const { resources, workers } = look.stats
      const tries = workers.starting > 0 || workers.target > 0 || look.stats.queue.depth > 0
      if (look.stats.state !== "running" || resources.createFailuresInARow < 2) return undefined
      if (working(look) > 0 || !tries) return undefined
      return {
        sentence: "has no working worker: every onCreate fails",
        detail: `${counted(resources.createFailuresInARow, "failure")} in a row · ${waits(look)} · it goes on by itself when onCreate succeeds`,
        error: "create",
        since: resources.createFailingSince,
        remedy: open
      }
    },
    rule: {
      expr: `lemmings_resource_create_failures_in_a_row > 2 and on (instance, herd) sum by (instance, herd) (lemmings_workers{state=~"idle|busy"}) == 0`,
      for: "1m",
      summary: `Herd {{ $labels.herd }} has no working worker: onCreate failed {{ $value }} times in a row`,
      todo: "What its workers connect to is down or refuses them. Tasks wait meanwhile and go on by themselves when it is back."
    }
  },
  {
    alert: "LemmingsMostTasksFail",
    title: "Most tasks fail",
    severity: "critical",
    calm: 3_000,
    hides: ["LemmingsTasksFail"],
    says: failing(0.5, 0.4),
    rule: {
      expr: `sum by (instance, herd) (rate(lemmings_tasks_finished_total{outcome="failed"}[5m])) / sum by (instance, herd) (rate(lemmings_tasks_finished_total{outcome=~"succeeded|failed"}[5m])) > 0.5`,
      for: "2m",
      summary: "{{ $value | humanizePercentage }} of the tasks of herd {{ $labels.herd }} fail",
      todo: "Pause the herd where failing tasks do harm; new ones wait. The failures in the dashboard say which and why; errors are shown where exposeErrors is set."
    }
  },
  {
    alert: "LemmingsNothingFinishes",
    title: "Nothing finishes",
    severity: "critical",
    calm: 1_000,
    hides: ["LemmingsSaturated", "LemmingsWaitsLong"],
    says: (look) => {
      const { longestRunMillis, queue, tasks, workers } = look.stats
      const { failed, succeeded } = look.recent
      if (!atWork(look) || tasks.ready === 0 || workers.busy === 0 || workers.idle > 0) return undefined
      if (failed + succeeded > 0 || longestRunMillis < 60_000 || queue.oldestMillis < 60_000) return undefined
      return {
        sentence: `has all ${count(workers.busy)} workers busy, and none has finished`,
        detail: `the longest for ${millis(longestRunMillis)} · ${waits(look)}`,
        remedy: open
      }
    },
    rule: {
      expr: `lemmings_tasks_waiting > 0 and on (instance, herd) sum by (instance, herd) (rate(lemmings_tasks_finished_total[5m])) == 0 and on (instance, herd) lemmings_herd_paused == 0`,
      for: "5m",
      summary: "Herd {{ $labels.herd }} has {{ $value }} tasks waiting and finished none in 5 minutes",
      todo: "Look at the running tasks in the dashboard, longest first: they hang. Interrupt one, and give such tasks a timeout."
    }
  },
  {
    alert: "LemmingsResourcesFail",
    title: "Resources cannot be created",
    severity: "warning",
    calm: 3_000,
    says: (look) => {
      const { resources, workers } = look.stats
      if (look.stats.state !== "running" || resources.createFailuresInARow < 3) return undefined
      if (workers.starting === 0) return undefined
      return {
        sentence: `has ${count(working(look))} working workers and cannot create more`,
        detail: `${counted(resources.createFailuresInARow, "failure")} of onCreate in a row · ${waits(look)}`,
        error: "create",
        since: resources.createFailingSince,
        remedy: open
      }
    },
    rule: {
      expr: `increase(lemmings_resource_create_failures_total[5m]) > 3`,
      summary:
        "Herd {{ $labels.herd }} could not create a resource {{ $value | humanize }} times in 5 minutes",
      todo: "What its workers connect to refuses more of them, or fails now and then. Look at its limits of connections."
    }
  },
  {
    alert: "LemmingsTasksFail",
    title: "Tasks fail",
    severity: "warning",
    calm: 3_000,
    says: failing(0.1, 0.05),
    rule: {
      expr: `sum by (instance, herd) (rate(lemmings_tasks_finished_total{outcome="failed"}[5m])) / sum by (instance, herd) (rate(lemmings_tasks_finished_total{outcome=~"succeeded|failed"}[5m])) > 0.1`,
      for: "5m",
      summary: "{{ $value | humanizePercentage }} of the tasks of herd {{ $labels.herd }} fail",
      todo: "The failures in the dashboard say which and why; errors are shown where exposeErrors is set."
    }
  },
  {
    alert: "LemmingsPaused",
    title: "Paused with tasks waiting",
    severity: "warning",
    calm: 0,
    hides: ["LemmingsWaitsLong", "LemmingsQueueFull"],
    says: (look) => {
      const { paused, queue, scaling, since, state } = look.stats
      if (state !== "running" || (!paused && !scaling.paused) || queue.depth === 0) return undefined
      return {
        sentence: `is paused${scaling.paused ? ` by its policy ${scaling.policy}` : ""} while ${counted(queue.depth, "task waits", "tasks wait")}`,
        detail: `the oldest for ${millis(queue.oldestMillis)}`,
        since,
        remedy: scaling.paused ? open : { kind: "resume" }
      }
    },
    rule: {
      expr: `lemmings_tasks_waiting > 0 and on (instance, herd) lemmings_herd_paused == 1`,
      for: "10m",
      summary: "Herd {{ $labels.herd }} is paused and {{ $value }} tasks wait",
      todo: "Somebody paused it, or its policy did, for want of memory. Resume it when the reason is gone."
    }
  },
  {
    alert: "LemmingsSizePinned",
    title: "Size pinned with tasks waiting",
    severity: "warning",
    calm: 1_000,
    hides: ["LemmingsWaitsLong"],
    says: (look) => {
      const { queue, scaling, tasks, workers } = look.stats
      if (!atWork(look) || !scaling.pinned || workers.target >= workers.max) return undefined
      if (tasks.ready === 0 || workers.idle > 0 || queue.oldestMillis < 2_000) return undefined
      return {
        sentence: `was resized by hand to ${count(workers.target)} of ${count(workers.max)} workers, and tasks wait`,
        detail: waits(look),
        // A fixed number of workers has nobody else to choose it.
        remedy: scaling.policy === "fixed" ? open : { kind: "auto" }
      }
    },
    rule: {
      expr: `lemmings_herd_pinned == 1 and on (instance, herd) lemmings_workers_target < lemmings_workers_max and on (instance, herd) lemmings_queue_oldest_wait_seconds > 10`,
      for: "10m",
      summary: "Herd {{ $labels.herd }} was resized by hand, and tasks wait",
      todo: "Let its policy choose again: Auto in the dashboard, or PATCH /herds/:id with target auto."
    }
  },
  {
    alert: "LemmingsSaturated",
    title: "Workers at their maximum",
    severity: "warning",
    calm: 3_000,
    hides: ["LemmingsWaitsLong"],
    says: (look, told) => {
      const { queue, tasks, workers } = look.stats
      if (!atWork(look) || workers.target < workers.max || workers.idle > 0 || tasks.ready === 0)
        return undefined
      if (queue.oldestMillis < (told ? 5_000 : 10_000)) return undefined
      return {
        sentence: `has all of its ${count(workers.max)} workers, and tasks still wait`,
        detail: waits(look),
        remedy: open
      }
    },
    rule: {
      expr: `lemmings_workers_target >= on (instance, herd) lemmings_workers_max and on (instance, herd) lemmings_tasks_waiting > 0`,
      for: "10m",
      summary: "Herd {{ $labels.herd }} has all of its {{ $value }} workers and tasks still wait",
      todo: "Raise workers.max (Set bounds in the dashboard) if what the workers use can bear it; otherwise shed load before it comes."
    }
  },
  {
    alert: "LemmingsQueueFull",
    title: "Queue almost full",
    severity: "warning",
    calm: 3_000,
    says: (look, told) => {
      const { capacity, fill } = look.stats.queue
      if (look.stats.state !== "running" || fill <= (told ? 0.8 : 0.9)) return undefined
      return {
        sentence: `has a queue that is ${percent(fill)} full`,
        detail: `${waits(look)} · room for ${count(capacity ?? 0)}`,
        remedy: open
      }
    },
    rule: {
      expr: `lemmings_queue_fill_ratio > 0.9`,
      for: "2m",
      summary: "The queue of herd {{ $labels.herd }} is {{ $value | humanizePercentage }} full",
      todo: "Soon tasks are refused, dropped, or their submitters wait. See Workers at their maximum."
    }
  },
  {
    alert: "LemmingsTasksDropped",
    title: "Tasks are dropped",
    severity: "warning",
    calm: 3_000,
    says: (look) => {
      const { dropped } = look.recent
      if (look.stats.state !== "running" || dropped < 3) return undefined
      return {
        sentence: `dropped or refused ${counted(dropped, "task")} in the last 10 s`,
        detail: waits(look),
        remedy: open
      }
    },
    rule: {
      expr: `sum by (instance, herd) (rate(lemmings_tasks_finished_total{outcome="shed"}[5m])) + on (instance, herd) sum by (instance, herd) (rate(lemmings_tasks_rejected_total[5m])) > 0.1`,
      for: "5m",
      summary: "Herd {{ $labels.herd }} drops or refuses {{ $value | humanize }} tasks a second",
      todo: "More comes than can be done in time. Raise workers.max where what they use can bear it, or send less."
    }
  },
  {
    alert: "LemmingsKeyOnHold",
    title: "A key is on hold",
    severity: "warning",
    calm: 1_000,
    says: ({ keys }) => {
      const held = keys.filter(({ held, onHold }) => onHold && held > 0)
      const first = held[0]
      if (first === undefined) return undefined
      const { held: tasks, key, opensInMillis } = first
      const others = held.length > 1 ? ` · ${counted(held.length - 1, "other key")} on hold` : ""
      return {
        sentence: `holds the key ${JSON.stringify(key ?? "")} while ${counted(tasks, "task waits", "tasks wait")} for it`,
        detail: `${opensInMillis === undefined ? "one task tries whether it may go on" : `opens in ${millis(opensInMillis)}`}${others}`,
        remedy: key === undefined ? open : { kind: "release", key }
      }
    },
    rule: {
      expr: `increase(lemmings_tasks_holds_total[5m]) > 0 and on (instance, herd) lemmings_tasks_held > 0`,
      for: "10m",
      summary: "Keys of herd {{ $labels.herd }} were put on hold {{ $value | humanize }} times in 5 minutes",
      todo: "What the tasks of the key call asks for a pause. It opens by itself; Release tries at once."
    }
  },
  {
    alert: "LemmingsHeld",
    title: "Limits let nothing start",
    severity: "warning",
    calm: 1_000,
    says: (look) => {
      const { queue, tasks } = look.stats
      if (!atWork(look) || tasks.held === 0 || tasks.ready > 0 || tasks.running > 0) return undefined
      if (queue.oldestMillis < 60_000) return undefined
      return {
        sentence: `holds ${counted(tasks.held, "task")} back, and nothing of it runs`,
        detail: `${waits(look)} · a limit is 0, or keys are on hold`,
        remedy: open
      }
    },
    rule: {
      expr: `lemmings_tasks_held > 0 and on (instance, herd) sum by (instance, herd) (rate(lemmings_tasks_finished_total[5m])) == 0 and on (instance, herd) lemmings_tasks_running == 0 and on (instance, herd) lemmings_herd_paused == 0`,
      for: "10m",
      summary:
        "Herd {{ $labels.herd }} holds {{ $value }} tasks back, and nothing of it has run for 10 minutes",
      todo: "A limit is 0, or keys are on hold. GET /herds/:id/keys shows which; explain of one task says why. Release the key, or change the limits."
    }
  },
  {
    alert: "LemmingsRetriesRefused",
    title: "Retries are refused",
    severity: "warning",
    calm: 3_000,
    says: (look) => {
      const { refused } = look.recent
      if (look.stats.state !== "running" || refused < 3) return undefined
      return {
        sentence: `refused ${counted(refused, "retry", "retries")} in the last 10 s: its retry budget is used up`,
        detail: waits(look),
        error: "tasks",
        remedy: open
      }
    },
    rule: {
      expr: `sum by (instance, herd) (rate(lemmings_retries_refused_total[5m])) > 0`,
      for: "10m",
      summary: "The retry budget of herd {{ $labels.herd }} refuses {{ $value | humanize }} retries a second",
      todo: "What the tasks use fails more often than retries may mend. Look at recent failures; the budget keeps the load off until it is well."
    }
  },
  {
    alert: "LemmingsWaitsLong",
    title: "Tasks wait long",
    severity: "warning",
    calm: 3_000,
    says: (look, told) => {
      const { queue, tasks } = look.stats
      if (!atWork(look) || tasks.ready === 0) return undefined
      if (queue.oldestMillis < (told ? 5_000 : 10_000)) return undefined
      return {
        sentence: `lets a task wait for ${millis(queue.oldestMillis)}`,
        detail: waits(look),
        remedy: open
      }
    },
    rule: {
      expr: `histogram_quantile(0.99, sum by (instance, herd, le) (rate(lemmings_task_wait_seconds_bucket[5m]))) > 5 or (lemmings_queue_oldest_wait_seconds > 10 and on (instance, herd) lemmings_herd_paused == 0)`,
      for: "5m",
      summary: "Tasks of herd {{ $labels.herd }} wait longer than {{ $value | humanizeDuration }}",
      todo: "Compare what arrives with what ends. Growing arrivals: raise the bounds. Longer runs: something that the tasks use has become slow."
    }
  },
  {
    alert: "LemmingsResourcesLeak",
    title: "Resources were left behind",
    severity: "warning",
    calm: 600_000,
    says: ({ recent, stats }) => {
      if (recent.leaked === 0) return undefined
      return {
        sentence: `left ${counted(stats.resources.leaked, "resource")} behind whose destruction did not end`,
        remedy: open
      }
    },
    rule: {
      expr: `increase(lemmings_resources_leaked_total[1h]) > 0`,
      summary:
        "Herd {{ $labels.herd }} left {{ $value | humanize }} resources behind whose destruction did not end",
      todo: "onDestroy hangs. Give it a time limit of its own, and look for connections that nobody closes."
    }
  }
]
