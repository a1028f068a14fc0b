/**
 * What a puller is given, what it gives to handlers, and what it counts.
 *
 * @since 0.5.0
 */
import { Cause, type Effect } from "effect"
import { HerdClosed, type HerdStats, QueueFull, TaskShed } from "lemmings"
import type { TaskOptions } from "lemmings/Task"
import type { Settlement } from "../port/JobStore.ts"
import type * as Limits from "../port/Limits.ts"
import type { JobDied } from "./JobEvents.ts"

/**
 * What a handler is told beside the payload.
 *
 * @category models
 * @since 0.4.0
 */
export interface JobContext {
  /**
   * The same in every attempt: a receiver that remembers it can throw away what it gets a second time. A replayed dead letter
   * is a new job with a new id, unless it has a key.
   */
  readonly id: string
  readonly queue: string
  /** This execution, from 1. Those that were given back do not count. */
  readonly attempt: number
  /** Most executions: the job's own attempts, and those that were lost. */
  readonly attempts: number
  /** Executions before this one that were lost with their process: their effects may have happened. */
  readonly losses: number
  readonly priority: number
  /**
   * Renews the lease now. Leases are renewed by themselves while the event loop turns: this is for a handler that is about
   * to keep it busy for longer than a third of the lease.
   */
  readonly heartbeat: Effect.Effect<void>
}

/** The herd, as a puller needs it. */
export interface PulledHerd {
  readonly run: (
    task: Effect.Effect<unknown, unknown>,
    options: TaskOptions<unknown>
  ) => Effect.Effect<unknown, unknown>
  readonly stats: Effect.Effect<HerdStats>
}

export interface Settings {
  /** Most jobs of the queue here at one time. */
  readonly limit: number
  /** On all machines together. `undefined`: none. */
  readonly limits: Limits.Limits | undefined
  /** Longest time between two looks at the store. */
  readonly pollMillis: number
  /** How long running jobs may go on when the layer closes. */
  readonly drainMillis: number
  /** Is run for every job that has failed for good. */
  readonly onDead?: ((died: JobDied) => Effect.Effect<unknown, unknown>) | undefined
}

/** What was counted since the start. */
export interface Tally {
  claimed: number
  completed: number
  retried: number
  discarded: number
  released: number
  lost: number
}

/** What became of an attempt. */
export type Outcome = Settlement extends infer S
  ? S extends Settlement
    ? Omit<S, "id" | "claim">
    : never
  : never

/**
 * What a herd says when it did not run a task. A handler may fail with the same: of another herd, or of the same one.
 */
export const gaveUp = (error: unknown): boolean =>
  error instanceof HerdClosed || error instanceof QueueFull || error instanceof TaskShed

/** Whether a herd that closes may have ended a task so. */
export const endedBy = (cause: Cause.Cause<unknown>): boolean =>
  Cause.hasInterruptsOnly(cause) ||
  cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error instanceof HerdClosed)

/**
 * When the first retry of a batch that is written now comes due. From now, not from the end of the attempt: the store counts the
 * delay from the write.
 */
export const dueOf = (batch: ReadonlyArray<Settlement>, now: number): number => {
  let due = Infinity
  for (const one of batch) if (one._tag === "Retry") due = Math.min(due, now + one.delayMillis + 1)
  return due
}
