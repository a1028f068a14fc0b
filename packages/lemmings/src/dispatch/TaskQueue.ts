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
import * as FlowLine from "../flow/FlowLine.ts"
import type { FlowOptions } from "../flow/FlowLine.ts"
import type { Line } from "../flow/Line.ts"
import { unlimited } from "../model/Limits.ts"
import { priorityLevel, type QueuedTask } from "../model/Task.ts"

export type {
  /**
   * @category models
   * @since 0.1.0
   */
  Line,
  /**
   * @category models
   * @since 0.1.0
   */
  Offer,
  /**
   * @category models
   * @since 0.5.0
   */
  Taken
} from "../flow/Line.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface TaskQueueOptions extends Partial<
  Pick<FlowOptions, "order" | "cost" | "limits" | "overload" | "reject">
> {
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
  const unlist = (all: PriorityHeap<T>) => {
    for (const task of all.values()) {
      task.slot = -1
      task.victim = -1
    }
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
      const all = ready.split()
      unlist(all)
      victims?.clear()
      urgent = 0
      refill()
      return all
    },
    ahead(task) {
      let tasks = 0
      for (const other of ready.values())
        if (other.level === task.level && other.sequence < task.sequence) tasks += other.tasks
      return tasks
    },
    dismiss() {
      const all = line.split()
      unlist(all)
      return all
    }
  }
}

/** Whether the options ask for what only the line with limits does. */
const flows = ({ limits, order, overflow, overload, reject }: TaskQueueOptions): boolean =>
  limits !== undefined ||
  overload !== undefined ||
  reject === true ||
  order === "fair" ||
  overflow === "dropLongest"

/**
 * What a line may ask of its herd.
 *
 * @category models
 * @since 0.5.0
 */
export type LineHost = Pick<FlowOptions, "expected" | "now" | "report" | "system">

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
    readonly make: <T extends QueuedTask>(host: LineHost) => Line<T>
  }
>()("lemmings/TaskQueue") {
  /** Priority levels with ageing, as the module describes; with limits, fair order and overload where they are asked for. */
  static readonly layer = (options: TaskQueueOptions): Layer.Layer<TaskQueue> =>
    Layer.succeed(TaskQueue, {
      make: <T extends QueuedTask>(host: LineHost) =>
        flows(options)
          ? FlowLine.make<T>({
              order: "arrival",
              cost: "weight",
              limits: unlimited,
              overload: undefined,
              reject: false,
              ...options,
              ...host
            })
          : make<T>(options)
    })
}
