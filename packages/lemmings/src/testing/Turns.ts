/**
 * A scheduler whose fibers all stand in one line, so that it knows when nothing is
 * ready, and can pick who is next by a seed.
 */
import type { Fiber, Scheduler } from "effect"

/** Pseudo-random numbers in `[0, 1)`, the same ones for the same seed (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How often a seed interrupts a fiber's run of steps to let another go on. */
const preemption = 1 / 8

/** How many tasks run before the event loop has its turn. */
const turnLength = 4096

const later: (f: () => void) => unknown = "setImmediate" in globalThis ? setImmediate : queueMicrotask

/** Ready tasks, lower priorities first, and of one priority in the order in which they came. */
class Line {
  private readonly buckets: Array<{ readonly priority: number; tasks: Array<() => void>; head: number }> = []
  size = 0

  push(task: () => void, priority: number): void {
    let at = this.buckets.findIndex((bucket) => bucket.priority >= priority)
    if (at === -1) at = this.buckets.length
    if (this.buckets[at]?.priority !== priority) this.buckets.splice(at, 0, { priority, tasks: [], head: 0 })
    this.buckets[at]?.tasks.push(task)
    this.size++
  }
  take(): (() => void) | undefined {
    for (const bucket of this.buckets) {
      const task = bucket.tasks[bucket.head]
      if (task === undefined) continue
      this.size--
      if (++bucket.head === bucket.tasks.length || bucket.head > turnLength) {
        bucket.tasks.splice(0, bucket.head)
        bucket.head = 0
      }
      return task
    }
    return undefined
  }
}

/** The scheduler behind `seededScheduler` and `VirtualTime`. */
export class Turns implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly random: (() => number) | undefined
  /** Lines that are not empty. Without a seed there is but one. */
  private readonly ready: Array<Line> = []
  private readonly only = new Line()
  private readonly settling: Array<() => void> = []
  private readonly driving: Array<() => void> = []
  private armed = false

  /** Without a seed, tasks run in the order in which they became ready. */
  constructor(seed?: number) {
    this.random = seed === undefined ? undefined : randomFrom(seed)
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (this.random !== undefined && this.random() < preemption) return true
    return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }
  makeDispatcher(): Scheduler.SchedulerDispatcher {
    // A fiber relies on the order of its own tasks, and on no other.
    const line = this.random === undefined ? this.only : new Line()
    return { scheduleTask: (task, priority) => this.push(line, task, priority), flush: () => this.flush() }
  }
  /** Makes a task ready that belongs to no fiber. */
  add(task: () => void): void {
    this.push(this.random === undefined ? this.only : new Line(), task, 0)
  }
  /**
   * Calls `f` when nothing is ready and no promise is about to make something ready. Returns how to give that up.
   * Those who drive the clock come after all others.
   */
  whenSettled(f: () => void, drives = false): () => void {
    const waiting = drives ? this.driving : this.settling
    waiting.push(f)
    this.arm()
    return () => {
      const at = waiting.indexOf(f)
      if (at !== -1) waiting.splice(at, 1)
    }
  }

  private push(line: Line, task: () => void, priority: number): void {
    if (line.size === 0) this.ready.push(line)
    line.push(task, priority)
    this.arm()
  }
  private take(): (() => void) | undefined {
    const { random, ready } = this
    const at = random === undefined ? 0 : Math.floor(random() * ready.length)
    const line = ready[at]
    const task = line?.take()
    if (line?.size === 0) ready.splice(at, 1)
    return task
  }
  private flush(): void {
    for (let task = this.take(); task !== undefined; task = this.take()) task()
  }
  private arm(): void {
    if (this.armed) return
    this.armed = true
    later(() => this.turn())
  }
  private turn(): void {
    this.armed = false
    try {
      let task = this.take()
      // Nothing became ready for a whole turn of the event loop, in which every settled promise was heard.
      if (task === undefined) (this.settling.shift() ?? this.driving.shift())?.()
      for (let left = turnLength; left > 0; left--) {
        task ??= this.take()
        if (task === undefined) break
        task()
        task = undefined
      }
    } finally {
      const waiting = this.settling.length + this.driving.length > 0
      if (waiting || this.ready.length > 0) this.arm()
    }
  }
}
