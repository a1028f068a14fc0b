/**
 * A scheduler whose fibers all stand in one line, so that it knows when nothing is
 * ready, and can pick who is next by a seed.
 *
 * @since 0.1.0
 */
import type { Fiber, Scheduler } from "effect"

/** Pseudo-random numbers in `[0, 1)`, the same ones for the same seed (mulberry32). */
const randomFrom = (seed: number): (() => number) => {
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

const later: (f: () => void) => unknown =
  "setImmediate" in globalThis ? setImmediate : queueMicrotask

/** Tasks of one priority. Without `random` the first is next, with it any. */
class Bucket {
  readonly priority: number
  private tasks: Array<() => void> = []
  private head = 0

  constructor(priority: number) {
    this.priority = priority
  }
  get size(): number {
    return this.tasks.length - this.head
  }
  push(task: () => void): void {
    this.tasks.push(task)
  }
  take(random: (() => number) | undefined): (() => void) | undefined {
    const { tasks } = this
    if (random !== undefined) {
      const at = Math.floor(random() * tasks.length)
      const last = tasks.pop()
      if (at === tasks.length || last === undefined) return last
      const taken = tasks[at]
      tasks[at] = last
      return taken
    }
    const taken = tasks[this.head++]
    if (this.head === tasks.length || this.head > turnLength) {
      tasks.splice(0, this.head)
      this.head = 0
    }
    return taken
  }
}

/**
 * The scheduler behind `seededScheduler` and `VirtualTime`.
 *
 * @category schedulers
 * @since 0.1.0
 */
export class Turns implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly random: (() => number) | undefined
  private readonly buckets: Array<Bucket> = []
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
    return { scheduleTask: (task, priority) => this.add(task, priority), flush: () => this.flush() }
  }
  /** Makes a task ready. Lower priorities run first, as in Effect's own scheduler. */
  add(task: () => void, priority = 0): void {
    let at = this.buckets.findIndex((bucket) => bucket.priority >= priority)
    if (at === -1) at = this.buckets.length
    let bucket = this.buckets[at]
    if (bucket === undefined || bucket.priority !== priority) {
      bucket = new Bucket(priority)
      this.buckets.splice(at, 0, bucket)
    }
    bucket.push(task)
    this.arm()
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

  private take(): (() => void) | undefined {
    for (const bucket of this.buckets) if (bucket.size > 0) return bucket.take(this.random)
    return undefined
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
      if (waiting || this.buckets.some((bucket) => bucket.size > 0)) this.arm()
    }
  }
}
