/**
 * One task from acceptance to its end: attempts, limits, retries, and the single
 * step that settles it.
 *
 * State is plain and synchronous. Each transition is one method, so that a task is
 * counted in exactly one place at every instant.
 */
import { Cause, type Context, Effect, Exit } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { QueueFull } from "../model/HerdError.ts"
import { Ending } from "./Ending.ts"
import * as Opinion from "./Opinion.ts"
import * as Retry from "./Retry.ts"
import { type Priority, priorityLevel, type TaskHandle } from "../model/Task.ts"
import type { Refusal } from "../flow/Line.ts"
import * as TaskFlow from "./TaskFlow.ts"
import * as TaskExtra from "./TaskExtra.ts"
import * as TaskFiber from "./TaskFiber.ts"
import * as TaskNews from "./TaskNews.ts"
import { notATask, type TaskTerms } from "./TaskTerms.ts"
import * as TaskTimers from "./TaskTimers.ts"
import { closing, droppedBy, endOf, isOpen, type Stop, stopOverdue, verdict } from "./TaskLimits.ts"
import type { Runtime, Waiting } from "./TaskRuntime.ts"
import type { Lease } from "../workers/Worker.ts"

const { unset } = TaskExtra

/** Whether a task may have to run again on the stack of another. */
const mayMove = (rt: Runtime, terms: TaskTerms): boolean =>
  rt.resource !== undefined || rt.line.flow !== undefined || (terms.retry ?? rt.retry) !== undefined

/** Why a task was not accepted. */
type Refused = "full" | "closed" | Refusal["refused"]

/** A task of a herd, and the handle of whoever submitted it. */
export class TaskRun extends Ending implements Waiting, TaskHandle<unknown, unknown> {
  declare level: number
  declare readonly enqueuedAt: number
  declare slot: number
  declare victim: number
  /** Whether it was accepted. */
  declare private entered: boolean
  declare private lease: Lease | undefined
  /** What runs its attempt or asks when it may be tried again. Before the first attempt: the fiber that waits for it. */
  declare protected fiber: Fibers.Running | undefined

  constructor(
    rt: Runtime,
    task: Effect.Effect<unknown, unknown>,
    context: Context.Context<never>,
    terms: TaskTerms,
    now: number = rt.timers.now(),
    sequence: number = rt.sequence++,
    from?: AsyncContext.AsyncContext
  ) {
    super(rt, task ?? notATask("task", task), terms, sequence, context, from)
    this.level = terms.level
    this.enqueuedAt = now
    this.slot = unset
    this.victim = unset
    this.entered = false
    this.lease = undefined
    this.fiber = undefined
  }

  get waitingSince(): number {
    return this.extra?.waitingSince ?? this.enqueuedAt
  }
  /** On the herd's monotonic clock. `undefined`: it waits for no time. */
  get triesAgainAt(): number | undefined {
    return this.extra?.delayUntil
  }
  get interrupt(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stop("caller")
      this.rt.pool.pump()
      return this.phase === "done" ? Effect.void : Effect.asVoid(this.await)
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
    if (rt.line.flow !== undefined) {
      const wrong = rt.line.flow.impossible(this.key, this.weight ?? 1)
      if (wrong !== undefined) return this.refuse("full", Exit.die(wrong))
    }
    TaskTimers.begin(rt, this)
    const offer = rt.pool.submit(this)
    if (offer !== "accepted") {
      const refused = this.refused(offer, mayWait)
      if (refused !== undefined) return refused
    }
    // From here on all is counted, and whoever is told may do what it wants.
    rt.events.flush()
    if (rt.supervision.resting()) rt.supervision.awoken()
    if (this.phase === "queued" || this.phase === "new") this.stands()
    if (typeof offer === "object") rt.pool.pump()
    // It may have moved up at once, and may even have ended.
    return this.entered ? "accepted" : "suspended"
  }
  /** What the line said of a task that it did not just accept. */
  private refused(offer: ReturnType<Runtime["pool"]["submit"]>, mayWait: boolean): Refused | undefined {
    const { rt } = this
    if (offer === "closed") return this.refuse(offer)
    if (offer === "full" || (offer === "suspended" && !mayWait && !this.entered)) {
      if (offer === "suspended") rt.line.remove(this)
      return this.refuse("full")
    }
    if (typeof offer !== "object") return undefined
    if ("refused" in offer) return this.refuse(offer.refused, TaskFlow.refusal(rt, this.id, offer))
    const { dropped, reason } = offer
    dropped.shed(reason ?? droppedBy(rt.line.overflow))
    return undefined
  }
  /** In line, because no worker is there. Called on the submitter's stack, or once `from` is known. */
  private stands(): void {
    this.from ??= AsyncContext.here()
    if (this.terms.acquireTimeout !== undefined) TaskTimers.arm(this.rt, this, "acquire", this.waitingSince)
    this.rt.supervision.noticed(this.waitingSince, 1)
  }
  /** Starts the task on a lease of its own, past the queue. `false` when the herd is closing. */
  acceptOn(lease: Lease): boolean {
    if (this.rt.state !== "running") {
      this.refuse("closed")
      return false
    }
    TaskTimers.begin(this.rt, this)
    this.admitted()
    if (this.rt.supervision.resting()) this.rt.supervision.awoken()
    lease.seat = this.rt.line.flow?.seatFor(this, this.enqueuedAt)
    this.start(lease, this.enqueuedAt)
    return true
  }
  private refuse(reason: Refused, exit?: Exit.Exit<never, unknown>): Refused {
    const { rt } = this
    rt.tally.rejected++
    this.conclude(
      exit ??
        (reason === "closed"
          ? closing(rt)
          : Exit.fail(new QueueFull({ herd: rt.herd, capacity: rt.line.capacity })))
    )
    rt.events.emit({ _tag: "TaskRejected", reason })
    rt.pool.pump()
    return reason
  }
  admitted(): void {
    const { extra, rt } = this
    this.phase = "queued"
    this.entered = true
    rt.tally.submitted++
    rt.window.arrival(this.enqueuedAt)
    if (rt.starved) this.limit()
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
    // It was ended by whoever was told that it is about to start.
    if (task === undefined || context === undefined) return rt.pool.release(lease, true)
    // Its timer fires in this very instant, behind that of the task that had the worker until now.
    if (terms.deadline !== undefined && stopOverdue(this, now, rt.prediction))
      return rt.pool.release(lease, true)
    this.phase = "running"
    this.lease = lease
    this.fiber = undefined
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
    if (rt.listening()) {
      TaskNews.started(rt, this, lease, wait)
      // A closing herd gave it up meanwhile.
      if (this.lease !== lease) return
    }
    if (terms.timeout !== undefined) this.limit(now)
    // On the submitter's stack, and it may run again on another.
    if (this.from === undefined && mayMove(rt, terms)) this.from = AsyncContext.here()
    const fiber =
      this.from === undefined || !AsyncContext.isUsed()
        ? TaskFiber.fork(rt, this, task, context, lease, wait)
        : AsyncContext.run(this.from, TaskFiber.fork, rt, this, task, context, lease, wait)
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
    const result = extra === undefined ? exit : verdict(rt, this, exit, extra.stopping)
    if (result._tag === "Failure") return this.endedBadly(result, runMillis, lease, now)
    this.leave(lease)
    rt.window.finished(now, runMillis, true)
    rt.runs.record(runMillis)
    rt.prediction.ran(this.label, runMillis)
    this.settle(result)
    if (rt.listening()) TaskNews.finished(rt, this, lease, result, runMillis)
    rt.pool.release(lease, true, now)
    rt.pool.pump(now)
  }

  /** Its attempt is over. Where it stands now is decided in the same step. */
  private leave(lease: Lease): void {
    const { extra, rt } = this
    this.lease = undefined
    this.fiber = undefined
    lease.holder = undefined
    rt.tally.running--
    if (extra === undefined) return
    TaskTimers.disarm(rt, extra)
    extra.stopping = undefined
  }

  private endedBadly(
    result: Exit.Failure<unknown, unknown>,
    runMillis: number,
    lease: Lease,
    now: number
  ): void {
    const { rt } = this
    const { cause } = result
    const stopping = this.extra?.stopping
    if (stopping === "deadline" || stopping === "timeout") rt.prediction.cut(this.label, runMillis)
    const untouched = isOpen(rt.state) && stopping === undefined
    // Asked while it still counts as running: whoever is asked may look at the herd, and act on it.
    const notBegun =
      untouched && (Retry.didNotBegin(cause, this.task) || TaskFlow.holds(rt, this, lease, cause, now))
    const healthy = notBegun || Opinion.isHealthy(rt, cause)
    // Stopped meanwhile: it does not run again.
    const next = notBegun && this.extra?.stopping === undefined ? "putBack" : this.next(cause, healthy)
    // Given up meanwhile.
    if (this.lease !== lease) return
    if (!notBegun && !Cause.hasInterruptsOnly(cause)) {
      rt.window.finished(now, runMillis, false)
      rt.runs.record(runMillis)
    }
    if (Cause.hasInterruptsOnly(cause)) rt.line.flow?.inconclusive(lease.seat)
    rt.events.hold()
    if (!notBegun) TaskNews.finished(rt, this, lease, result, runMillis)
    this.leave(lease)
    if (next === "putBack") this.putBack()
    else if (next === "requeue") this.requeue(lease, cause)
    else if (next === "retry") this.delay(result)
    else this.settle(result)
    rt.pool.release(lease, healthy, now)
    rt.events.release()
    if (next === "retry") this.ask(result)
    rt.pool.pump(now)
    this.waitsAgain()
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

  /** Into the line again. Call `waitsAgain` when all is counted. */
  private enqueue(): void {
    const { more, rt } = this
    this.phase = "queued"
    more.waitingSince = rt.timers.now()
    rt.line.push(this)
    if (rt.starved) this.limit()
  }

  private waitsAgain(): void {
    const { rt } = this
    if (this.phase !== "queued") return
    if (rt.supervision.resting()) rt.supervision.awoken()
    this.stands()
  }

  /** Will be tried again, and holds no worker until then. */
  private delay(result: Exit.Failure<unknown, unknown>): void {
    this.phase = "delayed"
    this.more.last = result
    this.rt.delayed.add(this)
  }

  /** Asks the schedule when. */
  private ask(result: Exit.Failure<unknown, unknown>): void {
    const { context, rt, terms } = this
    const schedule = terms.retry ?? rt.retry
    // Ended by whoever was told.
    if (this.phase !== "delayed" || context === undefined || schedule === undefined || schedule === false)
      return
    const { more } = this
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
      if (this.phase !== "delayed") return
      // A retry that the schedule does not want takes nothing out of the budget.
      const delayMillis = exit._tag === "Failure" ? undefined : exit.value
      if (delayMillis === undefined || !TaskFlow.mayRetry(rt, this, rt.timers.now())) {
        if (this.phase === "delayed") this.settle(result)
        rt.pool.pump()
      } else if (this.phase === "delayed") this.waitFor(delayMillis)
    })
    if (this.phase === "delayed" && Fibers.exitOf(fiber) === undefined) this.fiber = fiber
  }

  private waitFor(delayMillis: number): void {
    const { rt } = this
    this.fiber = undefined
    rt.tally.retried++
    if (this.more.last !== undefined) TaskNews.failed(rt, this, this.more.last.cause, true)
    TaskNews.retried(rt, this, delayMillis)
    // Ended by whoever was told.
    if (this.phase !== "delayed") return
    const again = () => {
      // Ended while the timer was being set: a task that is done would take a lease and never give it back. A closing
      // herd is about to end it.
      if (this.phase !== "delayed" || !isOpen(rt.state)) return
      this.more.delay = unset
      this.more.delayUntil = undefined
      rt.delayed.delete(this)
      this.enqueue()
      rt.pool.pump()
      this.waitsAgain()
    }
    if (delayMillis <= 0) return again()
    if (delayMillis === Infinity) return
    const { more } = this
    more.delayUntil = rt.timers.now() + delayMillis
    more.delay = rt.timers.schedule(more.delayUntil, again)
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
        return this.conclude(endOf(rt, this, why, "waiting"))
      case "queued":
        rt.line.remove(this)
        if (why === "closed") this.dropped = "closed"
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
    this.settle(closing(this.rt))
    return true
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
