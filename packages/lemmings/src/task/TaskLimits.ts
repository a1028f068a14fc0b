/** Time limits of tasks, and the errors of those that run out of time. */
import { Cause, Exit } from "effect"
import type { Pool } from "../dispatch/FiberPool.ts"
import type { Prediction } from "../flow/Prediction.ts"
import type { Overflow } from "../model/HerdConfig.ts"
import {
  AcquireTimeout,
  DeadlineExceeded,
  HerdClosed,
  type HerdState,
  type ShedReason,
  TaskShed,
  TaskTimeout
} from "../model/HerdError.ts"
import type { TaskTerms } from "./TaskTerms.ts"

type Phase = "waiting" | "delayed" | "running"

/** Why the herd ends a task. */
export type Stop = "caller" | "timeout" | "deadline" | "acquire" | "closed"

/** What the errors say about the herd. */
interface Situation {
  readonly herd: string
  readonly state: HerdState
  readonly tally: { timedOut: number; acquireTimeouts: number }
  readonly pool: Pick<Pool<never>, "counts">
  readonly line: { readonly size: () => number; readonly admitting: () => number }
  readonly lastCreateError: () => unknown
}

const situation = ({ herd, lastCreateError, line, pool }: Situation, taskId: string, phase: Phase) => {
  const { busy, idle } = pool.counts()
  const error = lastCreateError()
  const known = { herd, taskId, phase, queued: line.size(), workers: idle + busy }
  return error === undefined ? known : { ...known, lastCreateError: error }
}

/** The error of a task that a closing herd does not run. */
export const closed = ({ herd, state }: Pick<Situation, "herd" | "state">): HerdClosed =>
  new HerdClosed({ herd, state })

// One for all tasks of a herd that close in the same state: of a hundred thousand of them, each would have its own stack.
const closedExits = new WeakMap<
  object,
  { readonly state: HerdState; readonly exit: Exit.Exit<never, unknown> }
>()

/** How a task ends that a closing herd does not run. */
export const closing = (herd: Pick<Situation, "herd" | "state">): Exit.Exit<never, unknown> => {
  const known = closedExits.get(herd)
  if (known !== undefined && known.state === herd.state) return known.exit
  const exit = Exit.fail(closed(herd))
  closedExits.set(herd, { state: herd.state, exit })
  return exit
}

/** Why a full line drops a task. */
export const droppedBy = (overflow: Overflow): ShedReason =>
  overflow === "dropOldest" ? "dropOldest" : "dropLowest"

/** How a task ends that was dropped: with a failure where its type has one, and otherwise with a defect. */
export const shedding = (
  { herd, sheds }: { readonly herd: string; readonly sheds: boolean },
  taskId: string,
  reason: ShedReason
): Exit.Exit<never, unknown> => {
  const error = new TaskShed({ herd, taskId, reason })
  return sheds ? Exit.fail(error) : Exit.die(error)
}

/** How a task ends that the herd ends. */
export const endOf = (
  herd: Situation,
  task: { readonly id: string; readonly terms: TaskTerms },
  why: Stop,
  phase: Phase
): Exit.Exit<never, unknown> => {
  const { acquireTimeout = 0, deadline: deadlineMillis = 0, timeout: timeoutMillis = 0 } = task.terms
  switch (why) {
    case "caller":
      return Exit.interrupt()
    case "timeout": {
      herd.tally.timedOut++
      return Exit.fail(new TaskTimeout({ ...situation(herd, task.id, phase), timeoutMillis }))
    }
    case "deadline":
      return Exit.fail(new DeadlineExceeded({ ...situation(herd, task.id, phase), deadlineMillis }))
    case "acquire": {
      herd.tally.acquireTimeouts++
      const { busy, idle, size } = herd.pool.counts()
      const error = herd.lastCreateError()
      return Exit.fail(
        new AcquireTimeout({
          herd: herd.herd,
          timeoutMillis: acquireTimeout,
          total: size,
          active: busy,
          idle,
          // It has left the queue already.
          waiting: herd.line.size() + herd.line.admitting() + 1,
          ...(error === undefined ? {} : { lastCreateError: error })
        })
      )
    }
    case "closed":
      return closing(herd)
  }
}

/** Whether a herd still runs what it accepted. */
export const isOpen = (state: HerdState): boolean => state === "running" || state === "draining"

/** What the end of a running attempt means, given why the herd stopped it. */
export const verdict = (
  herd: Situation,
  task: { readonly id: string; readonly terms: TaskTerms },
  exit: Exit.Exit<unknown, unknown>,
  stopping: Stop | undefined
): Exit.Exit<unknown, unknown> => {
  if (stopping === undefined || stopping === "caller") return exit
  // What finished in spite of a closing herd's interruption is worth more than the news of it.
  const late = exit._tag === "Success" || !Cause.hasInterruptsOnly(exit.cause)
  return stopping === "closed" && late ? exit : endOf(herd, task, stopping, "running")
}

/**
 * Stops a task that has waited and can no longer end before its deadline, instead of starting it: its expected run is
 * longer than what is left. One that has not waited is started whatever is expected, so that the expectation stays true.
 * Returns whether it did.
 */
export const stopOverdue = (
  task: {
    readonly enqueuedAt: number
    readonly terms: TaskTerms
    readonly stop: (why: Stop) => void
  },
  now: number,
  { expected }: Pick<Prediction, "expected">
): boolean => {
  const { deadline, label } = task.terms
  const waited = now - task.enqueuedAt
  // Asked of every task with a deadline: nobody gathers what is never asked for.
  if (deadline === undefined || waited + (expected(label) ?? 0) < deadline || waited <= 0) return false
  task.stop("deadline")
  return true
}
