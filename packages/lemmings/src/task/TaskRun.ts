/**
 * One task from acceptance to its end: attempts, limits, retries, and the single
 * step that settles it.
 *
 * State is plain and synchronous. Each transition is one method, so that a task is
 * counted in exactly one place at every instant.
 *
 * @since 0.1.0
 */
import { Cause, type Context, Effect, Exit } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { QueueFull, type ShedReason } from "../model/HerdError.ts"
import { Described } from "./Described.ts"
import * as Opinion from "./Opinion.ts"
import * as Retry from "./Retry.ts"
import { type Priority, priorityLevel, type TaskHandle, type TaskStatus } from "../model/Task.ts"
import type { Refusal } from "../flow/Line.ts"
import * as TaskFlow from "./TaskFlow.ts"
import * as TaskExtra from "./TaskExtra.ts"
import * as TaskFiber from "./TaskFiber.ts"
import * as TaskNews from "./TaskNews.ts"
import { notATask, type TaskTerms } from "./TaskTerms.ts"
import * as TaskTimers from "./TaskTimers.ts"
import { closed, endOf, isOpen, shedding, type Stop, stopOverdue, verdict } from "./TaskLimits.ts"
import type { Runtime, Waiting } from "./TaskRuntime.ts"
import type { Lease } from "../workers/Worker.ts"

const { unset } = TaskExtra

/** Why a task was not accepted. */
type Refused = "full" | "closed" | Refusal["refused"]

type Phase = "new" | "queued" | "delayed" | "running" | "done"

/**
 * A task of a herd, and the handle of whoever submitted it.
 *
 * @category models
 * @since 0.1.0
 */
export class TaskRun extends Described implements Waiting, TaskHandle<unknown, unknown> {
  level: number
  readonly enqueuedAt: number
  slot: number = unset
  victim: number = unset
  phase: Phase = "new"
  private readonly rt: Runtime
  private task: Effect.Effect<unknown, unknown> | undefined
  private lease: Lease | undefined
  private fiber: Fibers.Running | undefined
  private extra: TaskExtra.Extra | undefined

  constructor(
    rt: Runtime,
    task: Effect.Effect<unknown, unknown>,
    context: Context.Context<never>,
    terms: TaskTerms,
    now: number = rt.timers.now(),
    sequence: number = rt.sequence++,
    from?: AsyncContext.AsyncContext
  ) {
    super(terms, sequence, context, from)
    this.rt = rt
    this.task = task ?? notATask("task", task)
    this.level = terms.level
    this.enqueuedAt = now
  }

  get waitingSince(): number {
    return this.extra?.waitingSince ?? this.enqueuedAt
  }
  get requeues(): number {
    return this.extra === undefined ? 0 : this.extra.requeues
  }
  get more(): TaskExtra.Extra {
    return (this.extra ??= TaskExtra.make())
  }
  get interrupt(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stop("caller")
      this.rt.pool.pump()
      return this.exit === undefined ? Effect.asVoid(this.await) : Effect.void
    })
  }
  get status(): Effect.Effect<TaskStatus> {
    return Effect.sync(() => {
      if (this.phase !== "done") return this.phase === "new" ? "queued" : this.phase
      if (this.extra?.shedReason !== undefined) return "shed"
      return this.exit === undefined ? "failed" : TaskNews.outcome(this.exit)
    })
  }
  setPriority(priority: Priority): Effect.Effect<boolean> {
    return Effect.sync(() => {
      const level = priorityLevel(priority)
      if (this.phase === "done" || this.phase === "running") return false
      this.rt.line.setLevel(this, level)
      // Another one is next, whom a limit may not hold.
      if (this.rt.line.flow !== undefined) this.rt.pool.pump()
      return true
    })
  }

  /** Calls `accepted` once, from the loop, when the task is accepted; never when it is refused. */
  onAccepted(accepted: () => void): void {
    if (this.phase === "new") this.more.whenAccepted = accepted
    else accepted()
  }
  /** Asks the herd to accept the task. Afterwards it is accepted, waits for room (`new`), or is refused (`done`). */
  accept(mayWait: boolean): "accepted" | "suspended" | Refused {
    const { rt } = this
    if (rt.state !== "running") return this.refuse("closed")
    const { flow } = rt.line
    const wrong = flow?.impossible(this.key, this.weight ?? 1)
    if (wrong !== undefined) return this.refuse("full", Exit.die(wrong))
    TaskTimers.begin(rt, this)
    const offer = rt.pool.submit(this)
    if (offer === "accepted") {
      if (this.phase === "queued") this.stands()
      return offer
    }
    if (offer === "suspended") {
      if (mayWait) {
        this.stands()
        return offer
      }
      rt.line.remove(this)
      return this.refuse("full")
    }
    if (offer === "full") return this.refuse("full")
    if ("refused" in offer) return this.refuse(offer.refused, TaskFlow.refusal(rt, this.id, offer))
    offer.dropped.shed(offer.reason ?? (rt.line.overflow === "dropOldest" ? "dropOldest" : "dropLowest"))
    if (this.phase === "queued") this.stands()
    rt.pool.pump()
    return "accepted"
  }
  /** In line, because no worker is there. Called on the submitter's stack, or once `from` is known. */
  private stands(): void {
    this.from ??= AsyncContext.here()
    if (this.terms.acquireTimeout !== undefined) TaskTimers.arm(this.rt, this, "acquire", this.waitingSince)
    this.rt.supervision.noticed()
  }
  /** Starts the task on a lease of its own, past the queue. `false` when the herd is closing. */
  acceptOn(lease: Lease): boolean {
    if (this.rt.state !== "running") {
      this.refuse("closed")
      return false
    }
    TaskTimers.begin(this.rt, this)
    this.admitted()
    lease.seat = this.rt.line.flow?.seatFor(this, this.enqueuedAt)
    this.start(lease, this.enqueuedAt)
    return true
  }
  private refuse(reason: Refused, exit?: Exit.Exit<never, unknown>): Refused {
    this.rt.tally.rejected++
    this.rt.events.emit({ _tag: "TaskRejected", reason })
    this.finish(
      exit ??
        Exit.fail(
          reason === "closed"
            ? closed(this.rt)
            : new QueueFull({ herd: this.rt.herd, capacity: this.rt.line.capacity })
        )
    )
    this.rt.pool.pump()
    return reason
  }
  admitted(): void {
    const { extra, rt } = this
    this.phase = "queued"
    rt.tally.submitted++
    rt.window.arrival(this.enqueuedAt)
    if (rt.starved) this.limit()
    if (rt.supervision.resting()) rt.supervision.awoken()
    TaskNews.accepted(rt, this)
    if (extra?.whenAccepted !== undefined) {
      rt.pool.settle({ deliver: extra.whenAccepted })
      extra.whenAccepted = undefined
    }
  }

  hopeless(now: number): boolean {
    return stopOverdue(this, now, this.rt.prediction)
  }

  start(lease: Lease, now: number = this.rt.timers.now()): void {
    const { context, extra, rt, task, terms } = this
    if (task === undefined || context === undefined) return
    // Its timer fires in this very instant, behind that of the task that had the worker until now.
    if (stopOverdue(this, now, rt.prediction)) return rt.pool.release(lease, true)
    this.phase = "running"
    this.lease = lease
    lease.startedAt = now
    lease.holder = this
    rt.tally.running++
    const wait = now - this.enqueuedAt
    if (++this.begun === 1 && extra?.counted !== true) {
      rt.budget?.deposit(now)
      rt.window.started(now, wait)
      rt.waits.record(wait)
    }
    if (extra !== undefined) TaskTimers.disarm(rt, extra)
    if (rt.leakAfter !== Infinity) TaskTimers.watch(rt, this, context, lease, now)
    if (rt.listening()) TaskNews.started(rt, this, lease, wait)
    if (this.terms.timeout !== undefined) this.limit(now)
    // On the submitter's stack, and it may run again on another.
    if (rt.resource !== undefined || rt.line.flow !== undefined || (terms.retry ?? rt.retry) !== undefined)
      this.from ??= AsyncContext.here()
    const fiber = AsyncContext.run(this.from, TaskFiber.fork, rt, this, task, context, lease, wait)
    const exit = Fibers.exitOf(fiber)
    if (exit !== undefined) return this.ended(exit)
    this.fiber = fiber
    Fibers.onEnd(fiber, (end) => this.ended(end))
    // Stopped by its own first steps, before there was a fiber to interrupt.
    if (this.extra?.stopping !== undefined) Fibers.interrupt(fiber)
  }

  private ended(exit: Exit.Exit<unknown, unknown>): void {
    const { extra, lease, rt } = this
    // Given up by a closing herd, and ended after all.
    if (lease === undefined) return
    const now = rt.timers.now()
    const runMillis = now - lease.startedAt
    this.lease = undefined
    this.fiber = undefined
    lease.holder = undefined
    rt.tally.running--
    if (extra !== undefined) TaskTimers.disarm(rt, extra)
    const result = extra === undefined ? exit : verdict(rt, this, exit, extra.stopping)
    if (result._tag === "Success") {
      rt.window.finished(now, runMillis, true)
      rt.runs.record(runMillis)
      rt.prediction.ran(this.label, runMillis)
      if (rt.listening()) TaskNews.finished(rt, this, lease, result, runMillis)
      if (extra !== undefined) extra.stopping = undefined
      this.settle(result)
      rt.pool.release(lease, true, now)
    } else this.endedBadly(result, runMillis, lease, now)
    rt.pool.pump(now)
  }

  private endedBadly(
    result: Exit.Failure<unknown, unknown>,
    runMillis: number,
    lease: Lease,
    now: number
  ): void {
    const { rt } = this
    const { cause } = result
    const open = isOpen(rt.state) && this.extra?.stopping === undefined
    if (open && (Retry.didNotBegin(cause, this.task) || TaskFlow.holds(rt, this, lease, cause, now))) {
      this.putBack()
      return rt.pool.release(lease, true, now)
    }
    if (!Cause.hasInterruptsOnly(cause)) {
      rt.window.finished(now, runMillis, false)
      rt.runs.record(runMillis)
    }
    const healthy = Opinion.isHealthy(rt, cause)
    TaskNews.finished(rt, this, lease, result, runMillis)
    const next = this.next(cause, healthy)
    if (this.extra !== undefined) this.extra.stopping = undefined
    if (next === "requeue") this.requeue(lease, cause)
    else if (next === "retry" && TaskFlow.mayRetry(rt, this, now)) this.wait(result)
    else this.settle(result)
    rt.pool.release(lease, healthy, now)
  }

  /** Back to its place in the queue, as if it had not been started. */
  private putBack(): void {
    if (--this.begun === 0) this.more.counted = true
    this.enqueue()
  }

  private next(cause: Cause.Cause<unknown>, healthy: boolean): "requeue" | "retry" | "settle" {
    const { extra, rt, terms } = this
    const schedule = terms.retry ?? rt.retry
    const decision = {
      typed: Retry.isTyped(cause),
      healthy,
      // A task that was told to end runs no more, however it ended. Only a timeout ends one attempt alone.
      once: terms.once || (extra?.stopping !== undefined && extra.stopping !== "timeout"),
      open: isOpen(rt.state),
      requeues: this.requeues,
      maxRequeues: rt.maxRequeues
    }
    const retryable =
      decision.typed &&
      schedule !== undefined &&
      schedule !== false &&
      Opinion.isWanted(rt, terms.while, this.from, cause)
    return Retry.decide({ ...decision, retryable })
  }

  private requeue(lease: Lease, cause: Cause.Cause<unknown>): void {
    const { rt } = this
    TaskNews.failed(rt, this, cause, true)
    this.more.requeues++
    rt.tally.requeued++
    TaskNews.requeued(rt, this, lease)
    this.enqueue()
  }

  private enqueue(): void {
    const { more, rt } = this
    this.phase = "queued"
    more.waitingSince = rt.timers.now()
    rt.line.push(this)
    if (rt.starved) this.limit()
    if (rt.supervision.resting()) rt.supervision.awoken()
    this.stands()
  }

  /** Asks the schedule, then waits. Holds no worker. */
  private wait(result: Exit.Failure<unknown, unknown>): void {
    const { context, rt, terms } = this
    const schedule = terms.retry ?? rt.retry
    if (context === undefined || schedule === undefined || schedule === false) return this.settle(result)
    const { more } = this
    this.phase = "delayed"
    more.last = result
    rt.delayed.add(this)
    const ask = Effect.suspend(() =>
      more.step === undefined
        ? Effect.tap(Retry.begin(schedule), (step) =>
            Effect.sync(() => {
              more.step = step
            })
          )
        : Effect.succeed(more.step)
    ).pipe(Effect.flatMap((step) => step(rt.clock.currentTimeMillisUnsafe(), Cause.squash(result.cause))))
    const fiber = AsyncContext.run(this.from, () => Fibers.start(context, ask))
    Fibers.onEnd(fiber, (exit) => {
      if (this.phase !== "delayed") return
      if (exit._tag === "Failure") rt.events.report("the retry schedule", exit.cause)
      if (exit._tag === "Failure" || exit.value === undefined) {
        this.settle(result)
        rt.pool.pump()
      } else this.waitFor(exit.value)
    })
    if (this.phase === "delayed" && Fibers.exitOf(fiber) === undefined) this.fiber = fiber
  }

  private waitFor(delayMillis: number): void {
    const { rt } = this
    this.fiber = undefined
    rt.tally.retried++
    if (this.more.last !== undefined) TaskNews.failed(rt, this, this.more.last.cause, true)
    TaskNews.retried(rt, this, delayMillis)
    const again = () => {
      // Ended while the timer was being set: a task that is done would take a lease and never give it back.
      if (this.phase !== "delayed") return
      this.more.delay = unset
      rt.delayed.delete(this)
      this.enqueue()
      rt.pool.pump()
    }
    if (delayMillis <= 0) return again()
    if (delayMillis < Infinity) this.more.delay = rt.timers.schedule(rt.timers.now() + delayMillis, again)
  }

  /** Ends the task from outside: removes it when it waits, interrupts it when it runs. Call `pump` afterwards. */
  stop(why: Stop): void {
    const { fiber, rt } = this
    switch (this.phase) {
      case "done":
        return
      case "new":
        rt.line.remove(this)
        rt.tally.rejected++
        return this.finish(endOf(rt, this, why, "waiting"))
      case "queued":
        rt.line.remove(this)
        if (why === "closed") this.more.shedReason = "closed"
        return this.settle(endOf(rt, this, why, "waiting"))
      case "delayed": {
        const last = this.extra?.last
        this.settle(why === "closed" && last !== undefined ? last : endOf(rt, this, why, "delayed"))
        return Fibers.interrupt(fiber)
      }
      case "running":
        if (this.extra?.stopping !== undefined || this.lease === undefined) return
        this.more.stopping = why
        rt.pool.unblock(this.lease)
        return Fibers.interrupt(fiber)
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
    this.settle(Exit.fail(closed(this.rt)))
    return true
  }

  /** Drops a task that the queue no longer holds. */
  shed(reason: ShedReason): void {
    this.more.shedReason = reason
    this.settle(shedding(this.rt, this.id, reason))
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    const { extra, rt } = this
    if (this.phase === "delayed") rt.delayed.delete(this)
    if (extra?.shedReason !== undefined) {
      rt.tally.shed++
      TaskNews.shed(rt, this, extra.shedReason)
    } else if (exit._tag === "Success") rt.tally.succeeded++
    else {
      const outcome = TaskNews.outcome(exit)
      rt.tally[outcome]++
      if (outcome === "failed") TaskNews.failed(rt, this, exit.cause, false)
    }
    this.finish(exit)
  }

  private finish(exit: Exit.Exit<unknown, unknown>): void {
    const { extra } = this
    this.phase = "done"
    this.exit = exit
    this.rt.line.flow?.ended(this, this.rt.timers.now())
    if (extra !== undefined) {
      TaskTimers.disarm(this.rt, extra, true)
      const { requeues, shedReason } = extra
      this.extra = undefined
      if (shedReason !== undefined) this.more.shedReason = shedReason
      if (requeues > 0) this.more.requeues = requeues
    }
    this.task = this.context = this.from = undefined
    if (this.awaited) this.rt.pool.settle(this)
  }

  /** Starts the clock of one attempt, or of the wait for a worker that cannot be made. */
  limit(now: number = this.rt.timers.now()): void {
    TaskTimers.arm(this.rt, this, "timeout", now)
  }
  unlimit(): void {
    const { extra, rt } = this
    if (extra === undefined || extra.timeout === unset) return
    rt.timers.cancel(extra.timeout)
    extra.timeout = unset
  }
}
