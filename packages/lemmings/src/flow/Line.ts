/**
 * What a line of waiting tasks is, whoever decides in it who is next.
 *
 * @since 0.5.0
 */
import type { Overflow } from "../model/HerdConfig.ts"
import type { InvalidConfig, ShedReason } from "../model/HerdError.ts"
import type { KeyUse } from "../model/HerdFlow.ts"
import type { QueuedTask } from "../model/Task.ts"
import type { Seat } from "../workers/Worker.ts"
import type { Blocked } from "./Explain.ts"
import type { Limits } from "../model/Limits.ts"

/**
 * Why a line refuses a task beside "full".
 *
 * - `keyFull`: as many tasks of the key wait as may.
 * - `overloaded`: the herd has more work than it can do, and the task is not critical enough.
 * - `limited`: a limit would hold the task, and the herd does not let tasks wait for limits.
 */
export interface Refusal {
  readonly refused: "keyFull" | "overloaded" | "limited"
  readonly key: string | undefined
  /** Milliseconds until the limit may be open. 0: when a task ends, which nobody can know. */
  readonly retryAfterMillis: number
  /** Most tasks of the key that may wait, for `keyFull`. */
  readonly capacity: number
}

/**
 * What became of an offer.
 *
 * - `accepted`: the task waits in the queue.
 * - `suspended`: the queue is full; the task waits for room, and `admitted` will be called.
 * - `full`: refused.
 * - a refusal: refused for a reason of flow control.
 * - a task: accepted, and this one was dropped for it. It may be the offered one. The reason defaults to the overflow rule.
 *
 * @category models
 * @since 0.1.0
 */
export type Offer<T extends QueuedTask> =
  | "accepted"
  | "suspended"
  | "full"
  | Refusal
  | { readonly dropped: T; readonly reason?: ShedReason | undefined }

/**
 * Tasks that were taken out of a line together. They stand in no line, whatever their places say, and whoever took them
 * settles them in the same step.
 *
 * @category models
 * @since 0.5.0
 */
export interface Taken<T> {
  readonly size: number
  /** All of them that `pop` has not returned, in no order. */
  readonly values: () => Iterable<T>
  /** The next of them, in the order of the line. */
  readonly pop: () => T | undefined
}

/**
 * A line of tasks. Replace it to change who is next.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line<T extends QueuedTask = QueuedTask> {
  /** Most tasks that may wait. `Infinity`: unbounded. */
  readonly capacity: number
  readonly overflow: Overflow
  /** Tasks that wait. */
  readonly size: () => number
  /** Tasks that wait above priority "normal". */
  readonly urgent: () => number
  /** Tasks that wait for room. */
  readonly admitting: () => number
  /**
   * Adds a task if there is room, and applies the overflow rule if not. `spare`, for lines with limits: workers that are there or
   * on their way. What one of them could take at once waits for nobody, and needs no room.
   */
  readonly offer: (task: T, spare?: () => number) => Offer<T>
  /** Adds a task whatever the capacity: an accepted task that waits again. */
  readonly push: (task: T) => void
  /**
   * Takes the next task; with an empty queue, the next that waits for room. One that stands for several stays in
   * line until the last of them is taken.
   */
  readonly pop: (now?: number) => T | undefined
  /** Takes a task out of the line it stands in. `false` when it stands in none. */
  readonly remove: (task: T) => boolean
  /** Moves a waiting task to another level, keeping its age. */
  readonly setLevel: (task: T, level: number) => void
  /** The task that `pop` would take from the queue. */
  readonly peek: () => T | undefined
  /** The tasks that `pop` would take from the queue next, at most `count`, in that order. */
  readonly first: (count: number) => Array<T>
  /** Every so many-th waiting task, in no order: at most `most`. */
  readonly sample: (most: number) => Array<T>
  /** Every waiting task, in no order. */
  readonly waiting: () => Iterable<T>
  /** Every task that waits for room, in no order. */
  readonly suspended: () => Iterable<T>
  /** Takes out all waiting tasks. Those waiting for room then move up. */
  readonly clear: () => Taken<T>
  /** Takes out all tasks that wait for room. */
  readonly dismiss: () => Taken<T>
  /** Tasks before a waiting task in its flow: of the same key, where keys count, and the same level. */
  readonly ahead: (task: T) => number
  /** Limits, fairness and overload. A line without them starts whatever it has. */
  readonly flow?: Flow<T> | undefined
}

/**
 * What a line with limits knows and does beside that. Times are milliseconds on the herd's monotonic clock.
 *
 * @category models
 * @since 0.5.0
 */
interface Flow<T extends QueuedTask = QueuedTask> {
  /** Whether each task has to be offered and ended by itself, because something is decided about each. */
  readonly oneByOne: () => boolean
  /**
   * The task that `pop` would start now. Drops what can no longer be started in time, and takes nothing. `undefined`:
   * nothing may start.
   */
  readonly look: (now: number) => T | undefined
  /** When something may start that may not now, other than by a task's end. `Infinity`: never. */
  readonly wakesAt: (now: number) => number
  /** Tasks that wait for a worker alone. */
  readonly ready: (now: number) => number
  /** Tasks that wait for a limit. */
  readonly held: (now: number) => number
  /** What the task that was taken last holds, until `returned`. */
  readonly seat: () => Seat | undefined
  /** Counts a task that starts beside the line. */
  readonly seatFor: (task: T, now: number) => Seat
  /** Gives a seat back: everything that works for its task has ended. */
  readonly returned: (seat: Seat, now: number) => void
  /** The attempt of a seat was interrupted: it says nothing of whether a hold is over. */
  readonly inconclusive: (seat: Seat | undefined) => void
  /** A task has ended for good. */
  readonly ended: (task: T, now: number) => void
  /** Why a task with this weight can never start, or `undefined`. */
  readonly impossible: (key: string | undefined, weight: number) => InvalidConfig | undefined
  /** Holds a key for so long from now. A seat says whose failure it was: one from before the last hold changes nothing. */
  readonly hold: (key: string | undefined, millis: number, now: number, seat?: Seat) => void
  /** Ends a hold. Returns whether there was one. */
  readonly release: (key: string | undefined, now: number) => boolean
  readonly setLimits: (limits: Limits, now: number) => void
  readonly limits: () => Limits
  /** The keys with the most tasks, running ones included. */
  readonly keys: (top: number, now: number) => ReadonlyArray<KeyUse>
  /** Why a waiting task does not run. */
  readonly explain: (task: T, now: number) => Blocked
  /** Keys that are remembered. */
  readonly size: () => number
}
