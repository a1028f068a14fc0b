/** What a thread's herd knows of one task that it was given. */
import { type Context, Effect, Exit } from "effect"
import type { Call } from "../task/ThreadTask.ts"
import type { Origin } from "../wire/Wire.ts"
import type { Reports } from "./Reports.ts"

/** A task on its way to a thread or on it. */
export interface Pending {
  readonly call: Call
  readonly context: Context.Context<never>
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
  /** Milliseconds that it will take, as far as we know. */
  readonly expected: number
  /** Its caller left, or its thread is stuck: it is settled when the thread says so. */
  left: boolean
  ended: (() => void) | undefined
  /** It is for this thread and no other. */
  readonly pinned: boolean
  /** What the caller hears, from the first report on. */
  reports: Reports | undefined
}

/** A task that waits here, because the buffers that it moves would be gone if it were taken back. */
export interface Held {
  readonly payload: unknown
  readonly origin: Origin | undefined
}

/** Ends a task that is not sent. */
export const refuse = ({ end }: Pending, error: unknown): Effect.Effect<void> => {
  end(Exit.fail(error))
  return Effect.void
}

/** Whether buffers go with the task. */
export const moves = ({ call }: Pending): boolean => call.transfer !== undefined && call.transfer.length > 0
