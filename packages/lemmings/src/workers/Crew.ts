/** What a set of workers is, what its owner hears, and who of them leaves when there are too many. */
import type { Schedule } from "effect"
import type { RecycleReason } from "../model/HerdStats.ts"
import type { WorkerInfo } from "../model/Task.ts"
import type { Owned } from "./Resources.ts"
import type { Worker } from "./Worker.ts"

/** Workers counted, as in `HerdStats`. */
export interface WorkerCounts {
  readonly min: number
  readonly max: number
  readonly target: number
  readonly size: number
  readonly idle: number
  readonly busy: number
  readonly starting: number
  readonly stopping: number
  readonly base: number
  readonly burst: number
  readonly peak: number
}

/** What the owner of the workers wants to know. */
export interface WorkersListener {
  /** Creation failed, and no worker can run a task. */
  readonly starved: () => void
  /** A worker became able to run tasks. */
  readonly fed: () => void
  /** A worker is idle. */
  readonly ready: () => void
  readonly workerStarted: (worker: WorkerInfo) => void
  readonly workerStopped: (worker: WorkerInfo) => void
  /** Tasks that wait for a worker. */
  readonly waiting: () => number
  /** Whether a policy makes workers when they are needed, so that unneeded ones may go. */
  readonly elastic: () => boolean
  /** There are fewer workers wanted, because one was not needed. */
  readonly shrunk: (from: number, reason: string) => void
  /** The wall clock and the monotonic clock went apart. */
  readonly clockJumped: (millis: number) => void
}

export interface WorkersOptions {
  readonly min: number
  readonly max: number
  /** Most resources in creation at one time. */
  readonly maxCreating: number
  /** Milliseconds. `Infinity`: never. */
  readonly idleTimeToLive: number
  readonly reuse: "lifo" | "fifo"
  /** When to call a failing `onCreate` again. */
  readonly createRetry?: Schedule.Schedule<unknown> | undefined
}

/** The workers of one herd. */
export interface Workers {
  readonly counts: () => WorkerCounts
  readonly all: () => Iterable<Worker>
  readonly idle: () => number
  /** Workers that can take a task, or can as soon as they are ready. */
  readonly coming: () => number
  /** Milliseconds that workers, between two tasks, could not take the next one, all together. */
  readonly betweenMillis: () => number
  readonly full: () => boolean
  /** Workers that are not on their way out. */
  readonly size: () => number
  /**
   * Makes an idle worker busy. One whose resource is too old is replaced, and one whose resource is doubtful is
   * validated, before it is there again: then there may be none although some are idle.
   */
  readonly take: (now: number) => Worker | undefined
  /** A busy worker that has room for one more task, the one with the fewest. */
  readonly roomy: (now: number) => Worker | undefined
  /** Ends a busy worker's task: it becomes idle, is replaced when unhealthy, or leaves. `now` spares a look at the clock. */
  readonly released: (worker: Worker, now: number | undefined) => void
  readonly resize: (target: number) => void
  /** Replaces every resource, or the one given, those in use when they come back. Returns how many. */
  readonly evict: (reason: RecycleReason, only?: unknown) => number
  readonly setBounds: (min: number, max: number) => void
  /** Sends every worker away, and lets none come. */
  readonly close: () => void
}

/**
 * The workers that leave when there are `count` too many. Starting ones leave before idle ones, and those before busy
 * ones; of these, burst workers before base ones. Of the idle ones those that are idle longest, otherwise the newest.
 */
export const surplusOf = (
  workers: Iterable<Worker>,
  idle: ReadonlyArray<Worker>,
  count: number
): Array<Worker> => {
  const newest = Array.from(workers)
    .filter(({ leaving, state }) => !leaving && (state === "starting" || state === "busy"))
    .toReversed()
  const found: Array<Worker> = []
  for (const ordered of [
    newest.filter(({ state }) => state === "starting"),
    idle,
    newest.filter(({ state }) => state === "busy")
  ]) {
    for (const burst of [true, false]) {
      if (found.length >= count) return found
      const more = ordered.filter((worker) => worker.burst === burst)
      for (const worker of more.slice(0, count - found.length)) found.push(worker)
    }
  }
  return found
}

// A resource that lives for longer did not go bad at once: to replace it is no storm.
const atOnce = 1_000

/** Whether a resource went bad as soon as it was made, so that the next one may do the same. */
export const servedNothing = (resource: Owned | undefined, reason: RecycleReason, now: number): boolean =>
  resource !== undefined &&
  resource.uses === 0 &&
  (reason === "lost" || reason === "invalid" || reason === "expired") &&
  now - resource.createdAt < atOnce
