/**
 * One task from acceptance to its end: attempts, limits, retries, and the single
 * step that settles it.
 *
 * State is plain and synchronous. Each transition is one method, so that a task is
 * counted in exactly one place at every instant.
 *
 * @since 0.1.0
 */
import { Cause, Context, Effect, Exit, type Fiber, type Schedule } from "effect"
import type { Leasable } from "./FiberPool.ts"
import { HerdClosed, QueueFull, type ShedReason, TaskShed } from "./HerdError.ts"
import { Outcome } from "./Outcome.ts"
import * as Retry from "./Retry.ts"
import type { Priority, TaskHandle, TaskOptions, TaskStatus } from "./Task.ts"
import { priorityLevel } from "./Task.ts"
import * as TaskNews from "./TaskNews.ts"
import { limitMillis, missed, timedOut } from "./TaskLimits.ts"
import type { Runtime } from "./TaskRuntime.ts"
import { traced } from "./TaskTrace.ts"
import type { Lease } from "./Workers.ts"

/**
 * The runtime of a herd, whose tasks are these.
 *
 * @category models
 * @since 0.1.0
 */
export type HerdRuntime = Runtime<TaskRun>

/** Why the herd ends a running attempt. */
type Stop = "caller" | "timeout" | "deadline" | "closed"

const unset = -1

type Phase = "new" | "queued" | "delayed" | "running" | "done"

/**
 * A task of a herd, and the handle of whoever submitted it.
 *
 * @category models
 * @since 0.1.0
 */
export class TaskRun extends Outcome implements Leasable, TaskHandle<unknown, unknown> {
  level: number
  readonly enqueuedAt: number
  readonly sequence: number
  slot: number = unset
  victim: number = unset
  phase: Phase = "new"
  /** Executions begun. */
  begun = 0
  /** Executions begun again because a worker was unhealthy. */
  requeues = 0
  private readonly rt: HerdRuntime
  private task: Effect.Effect<unknown, unknown> | undefined
  private context: Context.Context<never> | undefined
  readonly options: TaskOptions
  private lease: Lease | undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined
  private stopping: Stop | undefined
  private startedAt = 0
  private timeout: number = unset
  private deadline: number = unset
  private delay: number = unset
  private step: Retry.Step | undefined
  /** The end of the last attempt, while the task waits for the next. */
  private last: Exit.Exit<unknown, unknown> | undefined
  private shedReason: ShedReason | "closed" | undefined
  private whenAccepted: (() => void) | undefined

  constructor(
    rt: HerdRuntime,
    task: Effect.Effect<unknown, unknown>,
    context: Context.Context<never>,
    options: TaskOptions
  ) {
    super()
    this.rt = rt
    this.task = task
    this.context = context
    this.options = options
    this.level = priorityLevel(options.priority)
    this.enqueuedAt = rt.timers.now()
    this.sequence = rt.sequence++
  }

  // ---------------------------------------------------------------- the handle

  get id(): string {
    return this.options.id ?? String(this.sequence)
  }
  get interrupt(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stop("caller")
      return this.exit === undefined ? Effect.asVoid(this.await) : Effect.void
    })
  }
  get status(): Effect.Effect<TaskStatus> {
    return Effect.sync(() => {
      if (this.phase !== "done") return this.phase === "new" ? "queued" : this.phase
      if (this.shedReason !== undefined) return "shed"
      return this.exit === undefined ? "failed" : TaskNews.outcome(this.exit)
    })
  }
  get attempts(): Effect.Effect<number> {
    return Effect.sync(() => this.begun)
  }
  setPriority(priority: Priority): Effect.Effect<boolean> {
    return Effect.sync(() => {
      const level = priorityLevel(priority)
      if (this.phase === "done" || this.phase === "running") return false
      this.rt.line.setLevel(this, level)
      return true
    })
  }

  /** Calls `accepted` once, from the loop, when the task is accepted; never when it is refused. */
  onAccepted(accepted: () => void): void {
    if (this.phase === "new") this.whenAccepted = accepted
    else accepted()
  }
  // ---------------------------------------------------------------- acceptance

  /** Asks the herd to accept the task. Afterwards it is accepted, waits for room (`new`), or is refused (`done`). */
  accept(mayWait: boolean): "accepted" | "suspended" | "full" | "closed" {
    const { rt } = this
    if (rt.state !== "running") return this.refuse("closed")
    this.limitAll()
    const offer = rt.pool.submit(this)
    if (offer === "accepted") return offer
    if (offer === "suspended") {
      if (mayWait) return offer
      rt.line.remove(this)
      return this.refuse("full")
    }
    if (offer === "full") return this.refuse("full")
    offer.dropped.shed(rt.line.overflow === "dropOldest" ? "dropOldest" : "dropLowest")
    rt.pool.pump()
    return "accepted"
  }
  /** Starts the task on a lease of its own, past the queue. `false` when the herd is closing. */
  acceptOn(lease: Lease): boolean {
    if (this.rt.state !== "running") {
      this.refuse("closed")
      return false
    }
    this.limitAll()
    this.admitted()
    this.start(lease)
    return true
  }
  private refuse(reason: "full" | "closed"): "full" | "closed" {
    this.rt.tally.rejected++
    this.rt.events.emit({ _tag: "TaskRejected", reason })
    this.finish(
      Exit.fail(
        reason === "closed"
          ? this.closedError()
          : new QueueFull({ herd: this.rt.herd, capacity: this.rt.line.capacity })
      )
    )
    this.rt.pool.pump()
    return reason
  }
  admitted(): void {
    const { rt, whenAccepted } = this
    this.phase = "queued"
    rt.tally.submitted++
    rt.window.arrival(this.enqueuedAt)
    if (rt.starved) this.limit()
    TaskNews.accepted(rt, this)
    if (whenAccepted !== undefined) {
      this.whenAccepted = undefined
      rt.pool.settle({ deliver: whenAccepted })
    }
  }

  // ---------------------------------------------------------------- an attempt

  start(lease: Lease): void {
    const { context, rt, task } = this
    if (task === undefined || context === undefined) return
    const now = rt.timers.now()
    this.phase = "running"
    this.lease = lease
    this.startedAt = now
    lease.holder = this
    rt.tally.running++
    const wait = now - this.enqueuedAt
    if (++this.begun === 1) {
      rt.window.started(now, wait)
      rt.waits.record(wait)
    }
    if (this.timeout !== unset) this.unlimit()
    TaskNews.started(rt, this, lease, wait)
    this.limit(now)
    const given =
      rt.resource === undefined ? context : Context.add(context, rt.resource, lease.resource?.value)
    const fiber = Effect.runForkWith(given)(
      traced(this.wrapped(task), context, {
        clock: rt.clock,
        herd: rt.herd,
        id: this.id,
        label: this.options.label,
        attempt: this.begun,
        waitMillis: wait
      })
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.ended(exit)
    this.fiber = fiber
    fiber.addObserver((end) => this.ended(end))
    // Stopped by its own first steps, before there was a fiber to interrupt.
    if (this.stopping !== undefined) fiber.interruptUnsafe()
  }

  private wrapped(task: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> {
    const { middleware } = this.rt
    if (middleware.length === 0) return task
    const info = TaskNews.info(this, this.lease)
    return Effect.suspend(() => middleware.reduceRight((inner, wrap) => wrap(inner, info), task))
  }

  private ended(exit: Exit.Exit<unknown, unknown>): void {
    const { lease, rt } = this
    // Given up by a closing herd, and ended after all.
    if (lease === undefined) return
    const now = rt.timers.now()
    const runMillis = now - this.startedAt
    this.lease = undefined
    this.fiber = undefined
    lease.holder = undefined
    rt.tally.running--
    if (this.timeout !== unset) this.unlimit()
    const result = this.verdict(exit)
    const ok = result._tag === "Success"
    if (ok || !Cause.hasInterruptsOnly(result.cause)) {
      rt.window.finished(now, runMillis, ok)
      rt.runs.record(runMillis)
    }
    const healthy =
      ok || Retry.judge(rt.checkHealth, result.cause, true, (cause) => rt.events.report("checkHealth", cause))
    TaskNews.finished(rt, this, lease, result, runMillis)
    const next = ok ? "settle" : this.next(result.cause, healthy)
    this.stopping = undefined
    if (next === "requeue") this.requeue(lease)
    else if (next === "retry" && !ok) this.wait(result)
    else this.settle(result)
    rt.pool.release(lease, healthy)
    rt.pool.pump()
  }

  /** What the attempt's end means, given why the herd stopped it. */
  private verdict(exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> {
    switch (this.stopping) {
      case "timeout":
        this.rt.tally.timedOut++
        return Exit.fail(timedOut(this.rt, this.id, "running", this.options.timeout))
      case "deadline":
        return Exit.fail(missed(this.rt, this.id, "running", this.options.deadline))
      // What finished in spite of the interruption is worth more than the news of it.
      case "closed":
        return exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
          ? Exit.fail(this.closedError())
          : exit
      default:
        return exit
    }
  }

  private wanted(error: unknown): boolean {
    // Its parameter is the task's own error, whose type only the caller knows.
    const wanted = this.options.while as ((error: unknown) => boolean) | undefined
    return Retry.judge(wanted, error, false, (cause) => this.rt.events.report("while", cause))
  }

  private next(cause: Cause.Cause<unknown>, healthy: boolean): "requeue" | "retry" | "settle" {
    const { options, rt } = this
    const schedule = options.retry ?? rt.retry
    const decision = {
      typed: Retry.isTyped(cause),
      healthy,
      once: options.once === true || this.stopping === "deadline" || this.stopping === "closed",
      open: rt.state === "running" || rt.state === "draining",
      requeues: this.requeues,
      maxRequeues: rt.maxRequeues
    }
    const retryable =
      decision.typed && schedule !== undefined && schedule !== false && this.wanted(Cause.squash(cause))
    return Retry.decide({ ...decision, retryable })
  }

  // ---------------------------------------------------------------- again

  private requeue(lease: Lease): void {
    const { rt } = this
    this.requeues++
    rt.tally.requeued++
    TaskNews.requeued(rt, this, lease)
    this.enqueue()
  }

  private enqueue(): void {
    this.phase = "queued"
    this.rt.line.push(this)
    if (this.rt.starved) this.limit()
  }

  /** Asks the schedule, then waits. Holds no worker. */
  private wait(result: Exit.Failure<unknown, unknown>): void {
    const { context, options, rt } = this
    const schedule = options.retry ?? rt.retry
    if (context === undefined || schedule === undefined || schedule === false) return this.settle(result)
    this.phase = "delayed"
    this.last = result
    rt.delayed.add(this)
    const ask = Effect.suspend(() =>
      this.step === undefined
        ? Effect.tap(Retry.begin(schedule as Schedule.Schedule<unknown>), (step) =>
            Effect.sync(() => {
              this.step = step
            })
          )
        : Effect.succeed(this.step)
    ).pipe(Effect.flatMap((step) => step(rt.clock.currentTimeMillisUnsafe(), Cause.squash(result.cause))))
    const fiber = Effect.runForkWith(context)(ask)
    fiber.addObserver((exit) => {
      if (this.phase !== "delayed") return
      if (exit._tag === "Failure") rt.events.report("the retry schedule", exit.cause)
      if (exit._tag === "Failure" || exit.value === undefined) {
        this.settle(result)
        rt.pool.pump()
      } else this.waitFor(exit.value)
    })
    if (this.phase === "delayed" && fiber.pollUnsafe() === undefined) this.fiber = fiber
  }

  private waitFor(delayMillis: number): void {
    const { rt } = this
    this.fiber = undefined
    rt.tally.retried++
    TaskNews.retried(rt, this, delayMillis)
    const again = () => {
      this.delay = unset
      rt.delayed.delete(this)
      this.enqueue()
      rt.pool.pump()
    }
    if (delayMillis <= 0) return again()
    if (delayMillis < Infinity) this.delay = rt.timers.schedule(rt.timers.now() + delayMillis, again)
  }

  // ---------------------------------------------------------------- the end

  /** Ends the task from outside: removes it when it waits, interrupts it when it runs. Call `pump` afterwards. */
  stop(why: Stop): void {
    const { fiber, rt } = this
    switch (this.phase) {
      case "done":
        return
      case "new":
        rt.line.remove(this)
        rt.tally.rejected++
        return this.finish(this.stopped(why, "waiting"))
      case "queued":
        rt.line.remove(this)
        if (why === "closed") this.shedReason = "closed"
        return this.settle(this.stopped(why, "waiting"))
      case "delayed": {
        const { last } = this
        this.settle(why === "closed" && last !== undefined ? last : this.stopped(why, "delayed"))
        return fiber?.interruptUnsafe()
      }
      case "running":
        if (this.stopping !== undefined || this.lease === undefined) return
        this.stopping = why
        rt.pool.unblock(this.lease)
        return fiber?.interruptUnsafe()
    }
  }
  close(): void {
    this.stop("closed")
  }

  /** Settles a running task that does not end, for a herd that must. Its lease stays taken. */
  giveUp(): boolean {
    if (this.phase !== "running") return false
    this.lease = undefined
    this.rt.tally.running--
    this.settle(Exit.fail(this.closedError()))
    return true
  }

  /** Drops a task that the queue no longer holds. */
  shed(reason: ShedReason): void {
    const error = new TaskShed({ herd: this.rt.herd, taskId: this.id, reason })
    this.shedReason = reason
    this.settle(this.rt.sheds ? Exit.fail(error) : Exit.die(error))
  }

  private stopped(why: Stop, phase: "waiting" | "delayed"): Exit.Exit<never, unknown> {
    switch (why) {
      case "caller":
        return Exit.interrupt()
      case "timeout":
        this.rt.tally.timedOut++
        return Exit.fail(timedOut(this.rt, this.id, phase, this.options.timeout))
      case "deadline":
        return Exit.fail(missed(this.rt, this.id, phase, this.options.deadline))
      case "closed":
        return Exit.fail(this.closedError())
    }
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    const { rt, shedReason } = this
    if (this.phase === "delayed") rt.delayed.delete(this)
    if (shedReason !== undefined) {
      rt.tally.shed++
      TaskNews.shed(rt, this, shedReason)
    } else rt.tally[TaskNews.outcome(exit)]++
    this.finish(exit)
  }

  private finish(exit: Exit.Exit<unknown, unknown>): void {
    const { timers } = this.rt
    this.phase = "done"
    this.exit = exit
    if (this.timeout !== unset) timers.cancel(this.timeout)
    if (this.deadline !== unset) timers.cancel(this.deadline)
    if (this.delay !== unset) timers.cancel(this.delay)
    this.timeout = this.deadline = this.delay = unset
    this.task = this.context = this.step = this.last = this.whenAccepted = undefined
    if (this.awaited) this.rt.pool.settle(this)
  }

  // ---------------------------------------------------------------- limits

  /** Checks the limits first, so that a bad option is the submitter's defect and not the attempt's. */
  private limitAll(): void {
    const { options, rt } = this
    if (options.timeout !== undefined) limitMillis("timeout", options.timeout)
    if (options.deadline === undefined) return
    const millis = limitMillis("deadline", options.deadline)
    if (millis === Infinity) return
    this.deadline = rt.timers.schedule(this.enqueuedAt + millis, () => {
      this.deadline = unset
      this.stop("deadline")
      rt.pool.pump()
    })
  }
  /** Starts the clock of one attempt, or of the wait for a worker that cannot be made. */
  limit(now: number = this.rt.timers.now()): void {
    const { options, rt } = this
    if (options.timeout === undefined || this.timeout !== unset) return
    const millis = limitMillis("timeout", options.timeout)
    if (millis === Infinity) return
    this.timeout = rt.timers.schedule(now + millis, () => {
      this.timeout = unset
      this.stop("timeout")
      rt.pool.pump()
    })
  }
  unlimit(): void {
    if (this.timeout !== unset) this.rt.timers.cancel(this.timeout)
    this.timeout = unset
  }

  // ---------------------------------------------------------------- errors and views

  private closedError(): HerdClosed {
    return new HerdClosed({ herd: this.rt.herd, state: this.rt.state })
  }
}
