/**
 * A herd's tasks one by one, for whoever is on call: who runs, who waits, and the end of one of them. What it costs depends
 * on what is asked for, not on how much waits.
 */
import { Effect } from "effect"
import { Batch } from "../task/Batch.ts"
import { checkInteger } from "../model/HerdConfig.ts"
import type { InvalidConfig } from "../model/HerdError.ts"
import type { Obstacle, TaskExplanation } from "../model/HerdFlow.ts"
import type { QueueLevels, TaskPage, TaskPageOptions, TaskSummary } from "../model/HerdTasks.ts"
import { TaskRun } from "../task/TaskRun.ts"
import { isOpen } from "../task/TaskLimits.ts"
import { type Counts, type Place, queued, type Standing } from "../task/TaskRuntime.ts"
import { sentenceOf } from "./Explanation.ts"
import type { TaskTerms } from "../task/TaskTerms.ts"

// Waiting tasks that are looked at one by one, and the farthest and the longest page.
const searched = 10_000
const farthest = 10_000
const longest = 1_000

/** Waiting tasks by priority. */
export const levels = (rt: Place & Counts): QueueLevels => {
  const counts = new Map<number, number>()
  const add = (priority: number, tasks: number) => counts.set(priority, (counts.get(priority) ?? 0) + tasks)
  const sample = rt.line.sample(searched).filter((task) => !rt.batches.has(task))
  const alone = rt.line.size() - rt.batches.size
  const each = sample.length === 0 ? 0 : alone / sample.length
  for (const task of sample) add(task.level, each)
  for (const batch of rt.batches) add(batch.level, batch.tasks)
  return {
    estimated: rt.line.size() > searched,
    levels: [...counts]
      .map(([priority, tasks]) => ({ priority, tasks: Math.round(tasks) }))
      .toSorted((a, b) => b.priority - a.priority)
  }
}

interface Shown {
  readonly id: string
  readonly level: number
  readonly begun: number
  readonly enqueuedAt: number
  readonly terms: TaskTerms
}

const summary = (task: Shown, status: TaskSummary["status"], now: number): TaskSummary => {
  const { key, label } = task.terms
  return {
    id: task.id,
    ...(label === undefined ? {} : { label }),
    ...(key === undefined ? {} : { key }),
    priority: task.level,
    status,
    attempt: task.begun,
    ageMillis: Math.max(0, now - task.enqueuedAt)
  }
}

/** The leases that tasks hold, longest first. */
const runningTasks = (rt: Place & Counts) =>
  rt.pool
    .leases()
    .toSorted((a, b) => a.startedAt - b.startedAt)
    .flatMap((lease) => (lease.holder instanceof TaskRun ? [{ lease, task: lease.holder }] : []))

/** The next tasks in line, at most `count`, those of a batch one by one. */
function* nextInLine(rt: Place & Counts, count: number): Generator<Shown> {
  let left = count
  for (const entry of rt.line.first(count)) {
    if (entry instanceof TaskRun) yield entry
    else if (entry instanceof Batch) yield* entry.first(left)
    left -= entry.tasks
    if (left <= 0) return
  }
}

/** One page of the tasks that have not ended. */
export const tasks = (
  rt: Place & Counts,
  options: TaskPageOptions = {}
): Effect.Effect<TaskPage, InvalidConfig> =>
  // Read at the call, whenever the page is asked for.
  page(rt, { ...options })

const page = (rt: Place & Counts, asked: TaskPageOptions): Effect.Effect<TaskPage, InvalidConfig> =>
  Effect.gen(function* () {
    const offset = yield* checkInteger("offset", asked.offset ?? 0, 0, farthest)
    const limit = yield* checkInteger("limit", asked.limit ?? 100, 1, longest)
    const { status } = asked
    const now = rt.timers.now()
    const wants = (state: TaskSummary["status"]) => status === undefined || status === state
    const running = wants("running") ? runningTasks(rt) : []
    const waits = wants("queued") ? queued(rt) : 0
    const delayed = wants("delayed") ? rt.delayed.size : 0
    const end = offset + limit

    const found: Array<TaskSummary> = []
    for (const { lease, task } of running.slice(offset, end)) {
      const { startedAt, workerId } = lease
      found.push({ ...summary(task, "running", now), runMillis: Math.max(0, now - startedAt), workerId })
    }
    const passed = Math.max(0, offset - running.length)
    if (waits > passed && running.length < end) {
      const next = [...nextInLine(rt, end - running.length)].slice(passed)
      for (const task of next) found.push(summary(task, "queued", now))
    }
    const before = running.length + waits
    if (delayed > 0 && before < end) {
      let place = before
      for (const task of rt.delayed) {
        if (place >= end) break
        if (place++ >= offset && task instanceof TaskRun) found.push(summary(task, "delayed", now))
      }
    }
    return { total: before + delayed, offset, tasks: found }
  })

/** Where the task with this id is. A waiting one has to be searched for. */
const find = (rt: Place & Counts, id: string): TaskRun | Batch | undefined => {
  const among = (all: Iterable<unknown>) => {
    for (const task of all) if (task instanceof TaskRun && task.id === id) return task
    return undefined
  }
  const here =
    among(runningTasks(rt).map(({ task }) => task)) ??
    among(rt.delayed) ??
    among(rt.line.waiting()) ??
    among(rt.line.suspended())
  if (here !== undefined) return here
  const sequence = Number(id)
  if (String(sequence) !== id || !Number.isInteger(sequence)) return undefined
  for (const batch of rt.batches) if (batch instanceof Batch && batch.holds(sequence)) return batch
  return undefined
}

/** Why a task does not run, or `undefined` when no task with this id has not ended. */
export const explain = (
  rt: Place & Counts & Pick<Standing, "state">,
  id: string
): TaskExplanation | undefined => {
  const task = find(rt, id)
  if (task === undefined) return undefined
  const now = rt.timers.now()
  const { key, level, weight = 1 } = task
  const status =
    task instanceof Batch ? "queued" : task.phase === "new" || task.phase === "done" ? "queued" : task.phase
  const waits = status === "queued" && task.slot >= 0
  const { flow } = rt.line
  const line = waits && flow !== undefined ? flow.explain(task, now) : undefined
  const ahead = line?.ahead ?? (waits ? rt.line.ahead(task) : undefined)
  const blockedBy: Array<Obstacle> = []
  if (status === "delayed") blockedBy.push("delay")
  if (status === "queued") {
    if (!isOpen(rt.state)) blockedBy.push("closing")
    if (rt.pool.paused()) blockedBy.push("paused")
    blockedBy.push(...(line?.blockedBy ?? []))
    if (line === undefined && ahead !== undefined && rt.line.peek() !== task) blockedBy.push("order")
    const limited = blockedBy.some((what) => what !== "order" && what !== "room")
    if (!limited && rt.pool.idle() === 0) blockedBy.unshift("worker")
  }
  const opensAt = status === "delayed" && task instanceof TaskRun ? task.triesAgainAt : undefined
  const opensInMillis = opensAt === undefined ? line?.opensInMillis : Math.max(0, Math.ceil(opensAt - now))
  const known = { status, key, ahead, blockedBy, opensInMillis } as const
  return {
    id,
    status,
    priority: level,
    ...(key === undefined ? {} : { key }),
    weight,
    ageMillis: Math.max(0, now - task.enqueuedAt),
    ...(ahead === undefined ? {} : { ahead }),
    blockedBy,
    ...(opensInMillis === undefined ? {} : { opensInMillis }),
    sentence: sentenceOf(known)
  }
}

/** Ends one task. Returns whether it was there. */
export const interrupt = (rt: Place & Counts, id: string): boolean => {
  const task = find(rt, id)
  if (task === undefined) return false
  if (task instanceof Batch) task.interruptOne(Number(id))
  else task.stop("caller")
  rt.pool.pump()
  return true
}
