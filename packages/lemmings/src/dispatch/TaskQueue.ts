/**
 * Who is next: priority levels, first-in-first-out within a level, ageing,
 * capacity and overflow.
 *
 * Linear ageing is a static key: `enqueuedAt - level * ageing`. All tasks age
 * equally, so their order never changes while they wait, and a plain heap serves.
 * A task is overtaken only by tasks that come within Δlevel × ageing after it.
 *
 * State is synchronous and private. Every operation is O(log n) or better.
 *
 * @since 0.1.0
 */
import { Context, Layer } from "effect"
import type { Overflow } from "../model/HerdConfig.ts"
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import { priorityLevel, type QueuedTask } from "../model/Task.ts"

/**
 * What became of an offer.
 *
 * - `accepted`: the task waits in the queue.
 * - `suspended`: the queue is full; the task waits for room, and `admitted` will be called.
 * - `full`: refused.
 * - a task: accepted, and this one was dropped for it. It may be the offered one.
 *
 * @category models
 * @since 0.1.0
 */
export type Offer<T extends QueuedTask> = "accepted" | "suspended" | "full" | { readonly dropped: T }

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
  /** Adds a task if there is room, and applies the overflow rule if not. */
  readonly offer: (task: T) => Offer<T>
  /** Adds a task whatever the capacity: an accepted task that waits again. */
  readonly push: (task: T) => void
  /**
   * Takes the next task; with an empty queue, the next that waits for room. One that stands for several stays in
   * line until the last of them is taken.
   */
  readonly pop: () => T | undefined
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
  /** Takes out all waiting tasks, next first. Those waiting for room then move up. */
  readonly clear: () => Array<T>
  /** Takes out all tasks that wait for room, next first. */
  readonly dismiss: () => Array<T>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface TaskQueueOptions {
  /** Most tasks that wait. `Infinity`: unbounded. */
  readonly capacity: number
  readonly overflow: Overflow
  /** Milliseconds of waiting worth one level. `Infinity`: strict order. */
  readonly ageing: number
}

/**
 * Creates an empty line.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <T extends QueuedTask>({ ageing, capacity, overflow }: TaskQueueOptions): Line<T> => {
  const normal = priorityLevel("normal")
  const key =
    ageing === Infinity ? (task: T) => -task.level : (task: T) => task.enqueuedAt - task.level * ageing
  const ready = new PriorityHeap<T>()
  const line = new PriorityHeap<T>()
  // Who is dropped first: kept only where dropping can happen.
  const victims = overflow === "dropOldest" || overflow === "dropLowest" ? new PriorityHeap<T>() : undefined
  const victimKey = overflow === "dropLowest" ? (task: T) => -key(task) : (task: T) => task.sequence
  const victimTie = overflow === "dropLowest" ? (task: T) => -task.sequence : (task: T) => task.sequence
  let urgent = 0

  const push = (task: T) => {
    task.slot = ready.push(task, key(task), task.sequence)
    if (task.level > normal) urgent++
    if (victims !== undefined) task.victim = victims.push(task, victimKey(task), victimTie(task))
  }
  const left = (task: T) => {
    task.slot = -1
    if (task.level > normal) urgent--
    if (victims !== undefined) {
      if (task.victim >= 0) victims.remove(task.victim)
      task.victim = -1
    }
  }
  const admit = (): T | undefined => {
    const next = line.pop()
    if (next === undefined) return undefined
    next.slot = -1
    next.victim = -1
    next.admitted()
    return next
  }
  const refill = () => {
    while (line.size > 0 && ready.size < capacity) {
      const next = admit()
      if (next !== undefined) push(next)
    }
  }

  return {
    capacity,
    overflow,
    size: () => ready.size,
    urgent: () => urgent,
    admitting: () => line.size,
    push,
    offer(task) {
      if (ready.size < capacity) {
        task.admitted()
        push(task)
        return "accepted"
      }
      if (overflow === "reject") return "full"
      if (victims === undefined) {
        // -2 marks the admission line: a task stands in one line at a time.
        task.slot = line.push(task, key(task), task.sequence)
        task.victim = -2
        return "suspended"
      }
      task.admitted()
      push(task)
      const dropped = victims.pop() ?? task
      dropped.victim = -1
      ready.remove(dropped.slot)
      left(dropped)
      return { dropped }
    },
    pop() {
      const next = ready.peek()
      if (next === undefined) return admit()
      if (next.tasks > 1) {
        // It stays for the others it stands for, in the place of the one that is next.
        ready.update(next.slot, key(next), next.sequence + 1)
        return next
      }
      ready.pop()
      left(next)
      refill()
      return next
    },
    remove(task) {
      if (task.slot < 0) return false
      if (task.victim === -2) {
        line.remove(task.slot)
        task.slot = -1
        task.victim = -1
        return true
      }
      ready.remove(task.slot)
      left(task)
      refill()
      return true
    },
    setLevel(task, level) {
      const waits = task.slot >= 0 && task.victim !== -2
      if (waits && task.level > normal) urgent--
      task.level = level
      if (task.slot < 0) return
      if (!waits) return line.update(task.slot, key(task), task.sequence)
      if (level > normal) urgent++
      ready.update(task.slot, key(task), task.sequence)
      if (victims !== undefined && task.victim >= 0)
        victims.update(task.victim, victimKey(task), victimTie(task))
    },
    peek: () => ready.peek(),
    first: (count) => ready.first(count),
    sample: (most) => ready.sample(most),
    waiting: () => ready.values(),
    suspended: () => line.values(),
    clear() {
      const all = ready.drain()
      for (const task of all) {
        task.slot = -1
        task.victim = -1
      }
      victims?.clear()
      urgent = 0
      refill()
      return all
    },
    dismiss() {
      const all = line.drain()
      for (const task of all) {
        task.slot = -1
        task.victim = -1
      }
      return all
    }
  }
}

/**
 * The line of one herd.
 *
 * @category services
 * @since 0.1.0
 */
export class TaskQueue extends Context.Service<
  TaskQueue,
  {
    /** Creates the line. The herd calls it once. */
    readonly make: <T extends QueuedTask>() => Line<T>
  }
>()("lemmings/TaskQueue") {
  /** Priority levels with ageing, as the module describes. */
  static readonly layer = (options: TaskQueueOptions): Layer.Layer<TaskQueue> =>
    Layer.succeed(TaskQueue, { make: () => make(options) })
}
