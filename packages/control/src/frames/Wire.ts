/** What leaves the process: herds and their tasks, with nothing in it that was not asked for. */
import { Cause, Inspectable } from "effect"
import type { HerdEvent } from "lemmings/HerdEvent"
import type { HerdStats } from "lemmings/HerdStats"
import type { TaskFailure, TaskSummary } from "lemmings/HerdTasks"
import type { Failure, HerdSnapshot, LoggedEvent } from "../model/ControlModel.ts"
import type { Names, Settings } from "../model/Settings.ts"

type Rules = Pick<Settings, "exposeErrors" | "redact">

/** What an error says. */
export const text = (error: unknown): string => {
  if (Cause.isCause(error)) return Cause.pretty(error)
  if (error instanceof Error) return error.stack ?? String(error)
  return typeof error === "string" ? error : Inspectable.toStringUnknown(error, 0)
}

/** Without what the hook leaves out, and with what it puts instead. A hook that throws shows nothing. */
const redacted = <T extends object>(task: T, { redact }: Rules): T => {
  const { key, label, ...rest }: Names = task
  if (label === undefined && key === undefined) return task
  const names = { ...(label === undefined ? {} : { label }), ...(key === undefined ? {} : { key }) }
  try {
    return { ...rest, ...redact(names) } as T
  } catch {
    return rest as T
  }
}

export const wireStats = (name: string, stats: HerdStats, { exposeErrors }: Rules): HerdSnapshot => {
  const { lastCreateError, ...resources } = stats.resources
  const shown =
    exposeErrors && lastCreateError !== undefined ? { lastCreateError: text(lastCreateError) } : {}
  return { ...stats, herd: name, resources: { ...resources, ...shown } }
}

export const wireTask = (task: TaskSummary, rules: Rules): TaskSummary => redacted(task, rules)

/** A key of a herd, or what is said of a task with one. */
export const wireKey = <T extends { readonly key?: string }>(keyed: T, rules: Rules): T =>
  redacted(keyed, rules)

export const wireFailure = ({ cause, ...failure }: TaskFailure, rules: Rules): Failure => ({
  ...redacted(failure, rules),
  ...(rules.exposeErrors ? { error: text(cause) } : {})
})

export const wireEvent = (event: HerdEvent, name: string, rules: Rules): LoggedEvent => {
  const named = { ...redacted(event, rules), herd: name }
  const hide = (value: unknown) => (rules.exposeErrors ? text(value) : "hidden")
  if ("error" in named) return { ...named, error: hide(named.error) }
  if ("stack" in named) return { ...named, stack: hide(named.stack) }
  return named
}
