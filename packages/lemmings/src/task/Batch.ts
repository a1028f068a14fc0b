/**
 * Many tasks that were accepted at once and stand in the queue as one entry.
 *
 * `runAll` of a hundred thousand tasks would otherwise build them all before the
 * first starts, sort them into a heap, and keep them alive until they run. A batch
 * builds each task when a worker is there for it. It is one entry with the key
 * of its acceptance, so its tasks run in the order, and against other tasks in the
 * order, that they would have as entries of their own.
 */
import { type Context, type Effect, Exit } from "effect"
import type * as AsyncContext from "../internal/AsyncContext.ts"
import type { ShedReason } from "../model/HerdError.ts"
import { closing, shedding } from "./TaskLimits.ts"
import * as SelfWait from "./SelfWait.ts"
import * as TaskNews from "./TaskNews.ts"
import { TaskRun } from "./TaskRun.ts"
import { notATask, type TaskTerms } from "./TaskTerms.ts"
import type { Runtime, Waiting } from "./TaskRuntime.ts"
import type { Lease } from "../workers/Worker.ts"

/** Whoever wants the results of a batch. */
export interface Receiver {
  /** The task with this index starts. */
  readonly starting: (index: number, run: TaskRun) => void
  /** The task with this index ended before it could start. Called by the loop. */
  readonly skipped: (index: number, exit: () => Exit.Exit<never, unknown>) => void
}

type Skip = "caller" | "closed" | ShedReason

const interrupted = Exit.interrupt()

/** The tasks of a `runAll` that have not started. */
export class Batch implements Waiting {
  level: number
  readonly enqueuedAt: number
  slot = -1
  victim = -1
  readonly begun = 0
  readonly requeues = 0
  /** Whoever waits for all of them. */
  waiter: object | undefined
  private next: number
  /** The index after the last task. */
  private end: number
  /** The sequence number of the task with index 0. */
  private readonly base: number
  /** What was cut off behind it. */
  private rest: Batch | undefined
  /** Why the tasks that have not started never will, and the index of the first of them that was not told. */
  private why: Skip = "caller"
  private untold = Infinity
  private readonly rt: Runtime
  private readonly list: ReadonlyArray<Effect.Effect<unknown, unknown>>
  private readonly context: Context.Context<never>
  private readonly from: AsyncContext.AsyncContext
  readonly terms: TaskTerms
  private readonly receiver: Receiver

  /** The tasks of `list` from index `first` on, which may not be empty. */
  constructor(
    rt: Runtime,
    list: ReadonlyArray<Effect.Effect<unknown, unknown>>,
    first: number,
    context: Context.Context<never>,
    from: AsyncContext.AsyncContext,
    terms: TaskTerms,
    receiver: Receiver,
    cutFrom?: Batch
  ) {
    this.rt = rt
    this.list = list
    this.next = first
    this.end = cutFrom?.end ?? list.length
    this.context = context
    this.from = from
    this.terms = terms
    this.receiver = receiver
    this.level = terms.level
    this.enqueuedAt = cutFrom?.enqueuedAt ?? rt.timers.now()
    this.base = cutFrom?.base ?? rt.sequence - first
    if (cutFrom === undefined) rt.sequence += list.length - first
  }

  /** Whether tasks with these options may stand in the queue as one: those that need no timer of their own while they wait. */
  static fits(rt: Runtime, { acquireTimeout, deadline, id, timeout }: TaskTerms): boolean {
    return (
      rt.line.capacity === Infinity &&
      rt.line.flow?.oneByOne() !== true &&
      timeout === undefined &&
      deadline === undefined &&
      acquireTimeout === undefined &&
      id === undefined
    )
  }

  get key(): string | undefined {
    return this.terms.key
  }
  get weight(): number | undefined {
    return this.terms.weight
  }
  get label(): string | undefined {
    return this.terms.label
  }
  get waitingSince(): number {
    return this.enqueuedAt
  }
  /** Tasks that have not started. */
  get tasks(): number {
    return this.end - this.next
  }
  /** Of the task that is next. */
  get sequence(): number {
    return this.base + this.next
  }
  /** Of the task that is next. */
  get id(): string {
    return String(this.sequence)
  }

  /** Has all tasks accepted. The herd is running. */
  accept(): void {
    const { rt, tasks } = this
    rt.tally.submitted += tasks
    rt.window.arrival(this.enqueuedAt, tasks)
    rt.batches.add(this)
    rt.line.push(this)
    if (rt.events.active()) {
      rt.events.hold()
      for (let index = this.next; index < this.end; index++)
        TaskNews.accepted(rt, { ...this.about, id: String(this.base + index) })
      rt.events.release()
    }
    if (rt.supervision.resting()) rt.supervision.awoken()
    rt.supervision.noticed(this.enqueuedAt, this.tasks)
    SelfWait.noticed(rt)
  }
  admitted(): void {}

  start(lease: Lease, now: number | undefined): void {
    const { context, receiver, rt, terms } = this
    const index = this.next++
    const task = this.list[index] ?? notATask(`tasks[${index}]`, this.list[index])
    if (this.tasks === 0) rt.batches.delete(this)
    const run = new TaskRun(rt, task, context, terms, this.enqueuedAt, this.base + index, this.from)
    receiver.starting(index, run)
    run.start(lease, now)
  }

  /** The next tasks, at most `count`. */
  first(count: number) {
    const { enqueuedAt } = this
    return Array.from({ length: Math.min(count, this.tasks) }, (_, offset) => ({
      ...this.about,
      id: String(this.sequence + offset),
      enqueuedAt
    }))
  }

  /** Whether the task with this sequence number is among those that have not started. */
  holds(sequence: number): boolean {
    return sequence >= this.sequence && sequence < this.base + this.end
  }

  /** Interrupts the task with this sequence number, which has not started. Call `pump` afterwards. */
  interruptOne(sequence: number): void {
    const { receiver, rt } = this
    const index = sequence - this.base
    rt.line.remove(this)
    const rest = new Batch(rt, this.list, index + 1, this.context, this.from, this.terms, receiver, this)
    rest.rest = this.rest
    rest.waiter = this.waiter
    this.rest = rest
    this.end = index
    for (const part of [this, rest]) {
      if (part.tasks === 0) rt.batches.delete(part)
      else {
        rt.batches.add(part)
        rt.line.push(part)
      }
    }
    rt.tally.interrupted++
    rt.pool.settle({ deliver: () => receiver.skipped(index, () => interrupted) })
  }

  /** Ends the tasks that have not started. Call `pump` afterwards. */
  stop(why: "caller" | "closed"): void {
    // A closing herd finds every part in the line, and counts it.
    if (why === "caller") this.rest?.stop(why)
    if (this.tasks === 0) return
    this.rt.line.remove(this)
    if (why === "closed") this.rt.tally.shed += this.tasks
    else this.rt.tally.interrupted += this.tasks
    this.skip(why)
    this.rt.pool.settle(this)
  }
  close(): void {
    this.stop("closed")
  }
  drop(reason: ShedReason | "closed"): void {
    this.rt.tally.shed += this.tasks
    this.skip(reason)
  }

  shed(reason: ShedReason): void {
    this.drop(reason)
    this.rt.pool.settle(this)
  }

  private get about() {
    return { level: this.level, begun: 0, requeues: 0, terms: this.terms }
  }
  private skip(why: Skip): void {
    this.why = why
    this.untold = this.next
    this.next = this.end
    this.rt.batches.delete(this)
  }

  get told(): boolean {
    return this.untold >= this.end
  }
  /** Tells the next task that was skipped. */
  tell(): void {
    if (this.told) return
    const { receiver, rt, why } = this
    const index = this.untold++
    const id = String(this.base + index)
    if (why !== "caller") TaskNews.shed(rt, { ...this.about, id }, why)
    receiver.skipped(index, () => this.exitOf(id))
  }
  deliver(): void {
    if (this.told) return
    this.rt.pool.settle(this)
    this.tell()
  }
  private exitOf(id: string): Exit.Exit<never, unknown> {
    const { rt, why } = this
    if (why === "caller") return interrupted
    return why === "closed" ? closing(rt) : shedding(rt, id, why)
  }

  // A batch never runs, and its tasks have no limit on their wait.
  giveUp(): boolean {
    return false
  }
  limit(): void {}
  unlimit(): void {}
}
