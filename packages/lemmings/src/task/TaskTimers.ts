/** The timers of one task: its limits, and the watch for leaks. */
import type { Context } from "effect"
import * as TaskExtra from "./TaskExtra.ts"
import * as TaskLeak from "./TaskLeak.ts"
import type { Stop } from "./TaskLimits.ts"
import type { TaskTerms } from "./TaskTerms.ts"
import type { Runtime } from "./TaskRuntime.ts"
import type { Lease } from "../workers/Worker.ts"

const { unset } = TaskExtra

interface Timed {
  readonly id: string
  readonly level: number
  readonly begun: number
  readonly enqueuedAt: number
  readonly terms: TaskTerms
  readonly more: TaskExtra.Extra
  readonly stop: (why: Stop) => void
}

const field = { timeout: "timeout", deadline: "deadline", acquire: "acquireTimeout" } as const

/** Starts the clock of a limit that the task has, unless it runs already. */
export const arm = (rt: Runtime, task: Timed, limit: keyof typeof field, from: number): void => {
  const millis = task.terms[field[limit]]
  if (millis === undefined) return
  const { more } = task
  if (millis === Infinity || more[limit] !== unset) return
  more[limit] = rt.timers.schedule(from + millis, () => {
    more[limit] = unset
    task.stop(limit)
    rt.pool.pump()
  })
}

/** Starts the clock of the limit that ends whatever the task is doing. */
export const begin = (rt: Runtime, task: Timed): void => {
  if (task.terms.deadline !== undefined) arm(rt, task, "deadline", task.enqueuedAt)
}

/** Looks for the attempt in `leakAfter`. */
export const watch = (
  rt: Runtime,
  task: Timed,
  context: Context.Context<never>,
  lease: Lease,
  now: number
): void => {
  const { begun, id, level, more, terms } = task
  const leaked = () => {
    more.leak = unset
    if (rt.interruptLeaks) task.stop("caller")
  }
  more.leak = TaskLeak.watch(
    rt,
    { id, level, begun, submittedAt: terms.submittedAt ?? "", leaked },
    context,
    lease,
    now
  )
}

const ofAttempt = ["timeout", "acquire", "leak"] as const
const ofTask = [...ofAttempt, "deadline", "delay"] as const

/** Ends the clocks of the wait or the run that is over, and with `all` every clock of the task. */
export const disarm = (rt: Runtime, extra: TaskExtra.Extra, all = false): void => {
  for (const timer of all ? ofTask : ofAttempt) {
    if (extra[timer] === unset) continue
    rt.timers.cancel(extra[timer])
    extra[timer] = unset
  }
}
