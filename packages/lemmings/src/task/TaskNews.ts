/** Tells hooks and listeners what becomes of a task. Builds nothing while nobody listens. */
import { Cause, type Clock, type Exit } from "effect"
import { AcquireTimeout, DeadlineExceeded, type ShedReason, TaskTimeout } from "../model/HerdError.ts"
import type { HerdEvents } from "../model/HerdEvent.ts"
import type { FailureKind, TaskFailure } from "../model/HerdTasks.ts"
import type { Ring } from "../internal/Ring.ts"
import type { Hooks, TaskInfo } from "../model/Task.ts"
import type { TaskTerms } from "./TaskTerms.ts"
import type { Lease } from "../workers/Worker.ts"

interface Listeners {
  readonly events: HerdEvents["Service"]
  readonly hooks: Hooks
  readonly pool: {
    readonly background: (where: string, effect: ReturnType<NonNullable<Hooks["onTaskStart"]>>) => void
  }
}

/** What others are told of a task. */
export interface Told {
  readonly id: string
  readonly level: number
  readonly begun: number
  readonly requeues: number
  readonly terms: Pick<TaskTerms, "key" | "label" | "criticality">
}

/** How an exit is counted. */
export const outcome = (exit: Exit.Exit<unknown, unknown>): "succeeded" | "failed" | "interrupted" => {
  if (exit._tag === "Success") return "succeeded"
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"
}

/** The task as hooks and middleware see it. */
export const info = (task: Told, lease: Lease | undefined): TaskInfo => ({
  id: task.id,
  label: task.terms.label,
  key: task.terms.key,
  priority: task.level,
  attempt: task.begun,
  requeues: task.requeues,
  workerId: lease?.workerId ?? 0
})

const named = ({ id, level, terms: { key, label } }: Told) => ({
  taskId: id,
  priority: level,
  ...(label === undefined ? {} : { label }),
  ...(key === undefined ? {} : { key })
})
const numbered = (task: Told, lease: Lease | undefined) => ({
  attempt: task.begun,
  workerId: lease?.workerId ?? 0
})

/** A failure said that the key has to wait. */
export const held = (
  { events }: Pick<Listeners, "events">,
  task: Told,
  lease: Lease,
  holdMillis: number
): void => {
  if (events.active()) events.emit({ _tag: "TaskHeld", ...named(task), ...numbered(task, lease), holdMillis })
}

/** The budget had no retry left. */
export const retryRefused = ({ events }: Pick<Listeners, "events">, task: Told): void => {
  if (events.active()) events.emit({ _tag: "RetryRefused", ...named(task), attempt: task.begun })
}

/** Told with the next thing that is told, or by `flush`: the task stands nowhere yet. */
export const accepted = ({ events }: Listeners, task: Told): void => {
  if (events.active()) events.keep({ _tag: "TaskAccepted", ...named(task) })
}

export const started = (
  { events, hooks, pool }: Listeners,
  task: Told,
  lease: Lease,
  waitMillis: number
): void => {
  if (events.active())
    events.emit({ _tag: "TaskStarted", ...named(task), ...numbered(task, lease), waitMillis })
  const { onTaskStart } = hooks
  if (onTaskStart === undefined) return
  const about = info(task, lease)
  events.after(() => pool.background("onTaskStart", onTaskStart(about)))
}

export const finished = (
  { events, hooks, pool }: Listeners,
  task: Told,
  lease: Lease,
  exit: Exit.Exit<unknown, unknown>,
  runMillis: number
): void => {
  if (events.active()) {
    const ended = { ...named(task), ...numbered(task, lease), outcome: outcome(exit), runMillis }
    events.emit({ _tag: "TaskFinished", ...ended })
  }
  const { onTaskComplete, onTaskError } = hooks
  if (exit._tag === "Success") {
    if (onTaskComplete === undefined) return
    const about = info(task, lease)
    events.after(() => pool.background("onTaskComplete", onTaskComplete(about, runMillis)))
  } else if (onTaskError !== undefined) {
    const about = info(task, lease)
    events.after(() => pool.background("onTaskError", onTaskError(about, exit.cause, runMillis)))
  }
}

// Failures kept.
const kept = 50

/** An error may throw at every touch, as a Proxy does, and its task has ended all the same. */
const kindOf = (cause: Cause.Cause<unknown>, herd: string, id: string): FailureKind => {
  try {
    return kindOfError(cause, herd, id)
  } catch {
    return "failure"
  }
}

const kindOfError = (cause: Cause.Cause<unknown>, herd: string, id: string): FailureKind => {
  if (Cause.hasDies(cause)) return "defect"
  const error = Cause.squash(cause)
  if (error instanceof AcquireTimeout && error.herd === herd) return "acquireTimeout"
  // The same errors of another herd are the task's own.
  const own = (limit: { readonly herd: string; readonly taskId: string }) =>
    limit.herd === herd && limit.taskId === id
  if (error instanceof TaskTimeout && own(error)) return "timeout"
  if (error instanceof DeadlineExceeded && own(error)) return "deadline"
  return "failure"
}

/** Remembers a failure for whoever asks later. */
export const failed = (
  {
    clock,
    failures,
    herd
  }: { readonly clock: Clock.Clock; readonly failures: Ring<TaskFailure>; readonly herd: string },
  task: Told,
  cause: Cause.Cause<unknown>,
  again: boolean
): void => {
  if (failures.size === kept) failures.shift()
  const { taskId: id, ...names } = named(task)
  const kind = kindOf(cause, herd, id)
  failures.push({
    at: clock.currentTimeMillisUnsafe(),
    id,
    ...names,
    attempt: task.begun,
    kind,
    again,
    cause
  })
}

export const requeued = ({ events }: Listeners, task: Told, lease: Lease): void => {
  if (events.active()) events.emit({ _tag: "TaskRequeued", ...named(task), ...numbered(task, lease) })
}

export const retried = ({ events }: Listeners, task: Told, delayMillis: number): void => {
  if (events.active())
    events.emit({ _tag: "TaskRetried", ...named(task), ...numbered(task, undefined), delayMillis })
}

export const shed = ({ events }: Listeners, task: Told, reason: ShedReason | "closed"): void => {
  if (events.active()) events.emit({ _tag: "TaskShed", ...named(task), reason })
}
