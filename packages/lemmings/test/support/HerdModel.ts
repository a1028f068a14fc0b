/** A herd as plain data: what must be true of every task after every command, and nothing about how. */
import type { HerdConfig } from "lemmings"

export interface ModelOptions {
  readonly capacity: number
  readonly overflow: HerdConfig.Overflow
  /** Milliseconds of waiting worth one level. `Infinity`: strict order. */
  readonly ageing: number
  readonly maxRequeues: number
  readonly retryDelay: number
}

export type Outcome =
  | "succeeded"
  | "failed"
  | "died"
  | "interrupted"
  | "TaskShed"
  | "QueueFull"
  | "HerdClosed"
  | "ResourceUnavailable"

/** `creating`: a `runNow` that waits for its resource, and is counted nowhere. */
export type Phase = "creating" | "admitting" | "queued" | "delayed" | "running" | "done"

export interface ModelTask {
  readonly n: number
  level: number
  readonly at: number
  readonly once: boolean
  retries: number
  /** Ends in its own first step. */
  readonly instant: boolean
  /** Its finalizer waits to be told to end. */
  readonly stubborn: boolean
  phase: Phase
  due: number
  requeues: number
  outcome: Outcome | undefined
  /** Interrupted, and its finalizer has not ended. */
  ending: boolean
}

export class HerdModel {
  readonly counts = {
    submitted: 0,
    succeeded: 0,
    failed: 0,
    interrupted: 0,
    shed: 0,
    rejected: 0,
    retried: 0,
    requeued: 0
  }
  readonly tasks: Array<ModelTask> = []
  state: "running" | "draining" = "running"
  private readonly queue: Array<ModelTask> = []
  private readonly admission: Array<ModelTask> = []
  /** In the order in which they failed. */
  private readonly delayed: Array<ModelTask> = []
  private readonly options: ModelOptions

  constructor(options: ModelOptions) {
    this.options = options
  }

  in(phase: Phase): Array<ModelTask> {
    return this.tasks.filter((task) => task.phase === phase)
  }
  get urgent(): number {
    return this.queue.filter(({ level }) => level > 5).length
  }
  get queued(): number {
    return this.queue.length
  }
  get admitting(): number {
    return this.admission.length
  }

  // ------------------------------------------------------------ what callers do

  /**
   * `free`: an idle worker takes tasks, and nobody waits. `coming`: so many wait for a worker that is there or on its way, and
   * are refused for nobody's sake.
   */
  submit(task: ModelTask, free: boolean, mayWait: boolean, coming = 0): void {
    const { capacity, overflow } = this.options
    this.tasks.push(task)
    if (this.state !== "running") this.refuse(task, "HerdClosed")
    else if (free || this.queue.length < capacity + coming) this.enqueue(task)
    else if (overflow === "reject" || (overflow === "suspend" && !mayWait)) this.refuse(task, "QueueFull")
    else if (overflow === "suspend") this.wait(task)
    else {
      this.enqueue(task)
      const order =
        overflow === "dropOldest"
          ? (a: ModelTask, b: ModelTask) => a.n - b.n
          : (a: ModelTask, b: ModelTask) => -this.order(a, b)
      const [victim] = this.queue.toSorted(order)
      if (victim !== undefined) this.shed(victim)
    }
  }
  /** A `runNow` past the queue. */
  create(task: ModelTask): void {
    this.tasks.push(task)
    task.phase = "creating"
  }
  interrupt(task: ModelTask): void {
    if (task.phase === "running" && task.stubborn) task.ending = true
    else if (task.phase === "creating") this.end(task, "interrupted")
    else if (task.phase === "admitting") this.refuse(task, "interrupted")
    else this.settle(task, "interrupted")
  }
  setLevel(task: ModelTask, level: number): void {
    if (task.phase !== "done" && task.phase !== "running") task.level = level
  }
  clear(): void {
    for (const task of this.queue.slice()) this.shed(task, false)
    this.refill()
  }
  drain(): void {
    this.state = "draining"
    for (const task of this.admission.slice()) this.refuse(task, "HerdClosed")
  }

  // ------------------------------------------------------------ what tasks do

  /** The first of those who wait is the only one that may start. */
  started(n: number, now: number): void {
    const task = this.tasks[n]
    if (task === undefined) throw new Error(`task ${n} is unknown and started`)
    if (task.phase === "creating") this.counts.submitted++
    else {
      // Those whose delay ends at this very instant may be back in line already, or not yet.
      this.wake(now - 1)
      while (this.next() !== task && this.wakeOne(now)) {}
      const next = this.next()
      if (next !== task) {
        throw new Error(`${show(task)} started, and next in line was ${show(next)}`)
      }
      if (task.phase === "admitting") this.enqueue(task)
      this.leave(task)
    }
    task.phase = "running"
    if (task.instant) this.settle(task, "succeeded")
  }
  /** The body ended in this way, by itself or after an interruption. */
  ended(task: ModelTask, how: "succeeded" | "failed" | "unhealthy" | "died", now: number): void {
    if (task.ending) return this.settle(task, "interrupted")
    if (how === "succeeded" || how === "died") return this.settle(task, how)
    if (!task.once && how === "unhealthy" && task.requeues < this.options.maxRequeues) {
      task.requeues++
      this.counts.requeued++
      task.phase = "queued"
      this.queue.push(task)
    } else if (!task.once && task.retries > 0) {
      task.retries--
      this.counts.retried++
      task.phase = "delayed"
      task.due = now + this.options.retryDelay
      this.delayed.push(task)
    } else this.settle(task, "failed")
  }
  /** Puts those whose delay is over back in line. */
  wake(now: number): void {
    while (this.wakeOne(now)) {}
  }
  end(task: ModelTask, outcome: Outcome): void {
    task.phase = "done"
    task.outcome = outcome
  }

  // ------------------------------------------------------------ the line

  private order(a: ModelTask, b: ModelTask): number {
    const { ageing } = this.options
    const key = ({ at, level }: ModelTask) => (ageing === Infinity ? -level : at - level * ageing)
    return key(a) - key(b) || a.n - b.n
  }
  private next(): ModelTask | undefined {
    const line = this.queue.length > 0 ? this.queue : this.admission
    return line.toSorted((a, b) => this.order(a, b))[0]
  }
  private wakeOne(now: number): boolean {
    const [task] = this.delayed
    if (task === undefined || task.due > now) return false
    this.delayed.shift()
    task.phase = "queued"
    this.queue.push(task)
    return true
  }
  private enqueue(task: ModelTask): void {
    remove(this.admission, task)
    this.counts.submitted++
    task.phase = "queued"
    this.queue.push(task)
  }
  private wait(task: ModelTask): void {
    task.phase = "admitting"
    this.admission.push(task)
  }
  private refuse(task: ModelTask, outcome: Outcome): void {
    remove(this.admission, task)
    this.counts.rejected++
    this.end(task, outcome)
  }
  private leave(task: ModelTask): void {
    if (remove(this.queue, task)) this.refill()
  }
  private refill(): void {
    while (this.queue.length < this.options.capacity) {
      const [task] = this.admission.toSorted((a, b) => this.order(a, b))
      if (task === undefined) return
      this.enqueue(task)
    }
  }
  private shed(task: ModelTask, refill = true): void {
    this.counts.shed++
    this.end(task, "TaskShed")
    remove(this.queue, task)
    if (refill) this.refill()
  }
  private settle(task: ModelTask, outcome: Outcome): void {
    this.counts[outcome === "succeeded" || outcome === "interrupted" ? outcome : "failed"]++
    remove(this.delayed, task)
    this.leave(task)
    this.end(task, outcome)
  }
}

const remove = <A>(from: Array<A>, item: A): boolean => {
  const at = from.indexOf(item)
  if (at !== -1) from.splice(at, 1)
  return at !== -1
}

const show = (task: ModelTask | undefined): string =>
  task === undefined
    ? "nobody"
    : `task ${task.n} (${task.phase}, level ${task.level}, since ${task.at}, due ${task.due})`
