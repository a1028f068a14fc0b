/** What most tasks never need, made for those that do, so that a waiting task stays small. */
import type { Exit } from "effect"
import type { Step } from "./Retry.ts"
import type { Stop } from "./TaskLimits.ts"

/** A timer's slot when there is no timer. */
export const unset = -1

export interface Extra {
  /** Why the herd ends the running attempt. */
  stopping: Stop | undefined
  /** Its wait is in the statistics already, although it has not begun. */
  counted: boolean
  /** Executions begun again because a worker was unhealthy. */
  requeues: number
  /** How often a hold of its key has put it back. */
  holds: number
  timeout: number
  deadline: number
  delay: number
  /** When the next attempt is due, while it waits for its time. */
  delayUntil: number | undefined
  acquire: number
  leak: number
  /** When the present wait began, if not with the acceptance. */
  waitingSince: number | undefined
  step: Step | undefined
  /** The end of the last attempt, while the task waits for the next. */
  last: Exit.Failure<unknown, unknown> | undefined
  whenAccepted: (() => void) | undefined
}

export const make = (): Extra => ({
  stopping: undefined,
  counted: false,
  requeues: 0,
  holds: 0,
  timeout: unset,
  deadline: unset,
  delay: unset,
  delayUntil: undefined,
  acquire: unset,
  leak: unset,
  waitingSince: undefined,
  step: undefined,
  last: undefined,
  whenAccepted: undefined
})
