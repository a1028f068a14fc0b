/**
 * One task from acceptance to its end: attempts, limits, retries, and the single
 * step that settles it.
 *
 * State is plain and synchronous. Each transition is one method, so that a task is
 * counted in exactly one place at every instant.
 *
 * @since 0.1.0
 */
import { Cause, type Clock, Context, Duration, Effect, Exit, type Fiber, Option, References, type Schedule, Tracer } from "effect"
import type { Lease, Leasable, Pool } from "./FiberPool.ts"
import {
  DeadlineExceeded,
  HerdClosed,
  type HerdState,
  InvalidConfig,
  QueueFull,
  type ShedReason,
  TaskShed,
  TaskTimeout
} from "./HerdError.ts"
import type { HerdEvents } from "./HerdEvent.ts"
import type { Histogram } from "./internal/Histogram.ts"
import type { SlidingWindow } from "./internal/SlidingWindow.ts"
import * as Retry from "./Retry.ts"
import type { Hooks, Middleware, Priority, TaskHandle, TaskInfo, TaskOptions, TaskStatus } from "./Task.ts"
import { priorityLevel } from "./Task.ts"
import type { Line } from "./TaskQueue.ts"
import type { Timers } from "./Timers.ts"

/**
 * Tasks counted since the start, as in `HerdStats`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskTally {
  submitted: number
  running: number
  succeeded: number
  failed: number
  interrupted: number
  shed: number
  rejected: number
  retried: number
  requeued: number
  timedOut: number
}

/**
 * What the tasks of one herd share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runtime {
  readonly herd: string
  readonly pool: Pool<TaskRun>
  readonly line: Line<TaskRun>
  readonly timers: Timers
  readonly clock: Clock.Clock
  readonly events: HerdEvents["Service"]
  readonly window: SlidingWindow
  /** Since the start, for scraping. */
  readonly waits: Histogram
  readonly runs: Histogram
  readonly tally: TaskTally
  readonly delayed: Set<TaskRun>
  readonly hooks: Hooks
  readonly middleware: ReadonlyArray<Middleware>
  readonly retry: Schedule.Schedule<unknown, unknown> | undefined
  readonly checkHealth: ((cause: Cause.Cause<unknown>) => boolean) | undefined
  readonly maxRequeues: number
  /** Under which the worker's resource is given to its task. */
  readonly resource: Context.Key<never, unknown> | undefined
  /** Whether `TaskShed` is in the type of this herd's tasks. */
  readonly sheds: boolean
  state: HerdState
  /** Creation fails and no worker can run a task. */
  starved: boolean
  sequence: number
  readonly lastCreateError: () => unknown
}

type Listener = (exit: Exit.Exit<unknown, unknown>) => void

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
export class TaskRun implements Leasable, TaskHandle<unknown, unknown> {
  level: number
  readonly enqueuedAt: number
  readonly sequence: number
  slot: number = unset
  victim: number = unset
  phase: Phase = "new"
  exit: Exit.Exit<unknown, unknown> | undefined
  /** Executions begun. */
  begun = 0
  private requeues = 0
  private rt: Runtime
  private task: Effect.Effect<unknown, unknown, never> | undefined
  private context: Context.Context<never> | undefined
  private readonly options: TaskOptions<never>
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
  private listeners: Listener | Array<Listener> | undefined
  private whenAccepted: (() => void) | undefined

  constructor(
    rt: Runtime,
    task: Effect.Effect<unknown, unknown, never>,
    context: Context.Context<never>,
    options: TaskOptions<never>
  ) {
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
  get await(): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return Effect.callback((resume) => {
      if (this.exit !== undefined) return resume(Effect.succeed(this.exit))
      const listener: Listener = (exit) => resume(Effect.succeed(exit))
      this.listen(listener)
      return Effect.sync(() => this.forget(listener))
    })
  }
  get join(): Effect.Effect<unknown, unknown> {
    return Effect.flatMap(this.await, (exit) => exit)
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
      return this.exit === undefined ? "failed" : outcome(this.exit)
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

  // ---------------------------------------------------------------- listening

  listen(listener: Listener): void {
    if (this.listeners === undefined) this.listeners = listener
    else if (typeof this.listeners === "function") this.listeners = [this.listeners, listener]
    else this.listeners.push(listener)
  }
  private forget(listener: Listener): void {
    if (this.listeners === listener) this.listeners = undefined
    else if (Array.isArray(this.listeners)) this.listeners = this.listeners.filter((other) => other !== listener)
  }
  /** Calls `accepted` once, from the loop, when the task is accepted; never when it is refused. */
  onAccepted(accepted: () => void): void {
    if (this.phase === "new") this.whenAccepted = accepted
    else accepted()
  }
  deliver(): void {
    const { exit, listeners } = this
    this.listeners = undefined
    if (exit === undefined || listeners === undefined) return
    if (typeof listeners === "function") listeners(exit)
    else for (const listener of listeners) listener(exit)
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
    if (rt.starved) this.limitWait()
    if (rt.events.active()) rt.events.emit({ _tag: "TaskAccepted", ...this.named() })
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
    if (this.timeout !== unset) this.unlimitWait()
    if (rt.events.active()) rt.events.emit({ _tag: "TaskStarted", ...this.named(), ...this.numbered(), waitMillis: wait })
    if (rt.hooks.onTaskStart !== undefined) rt.pool.background("onTaskStart", rt.hooks.onTaskStart(this.info()))
    if (this.options.timeout !== undefined) this.limitRun(now)
    const given =
      rt.resource === undefined ? context : Context.add(context, rt.resource, lease.resource?.value)
    const fiber = Effect.runForkWith(given)(this.traced(this.wrapped(task), context, wait))
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
    const info = this.info()
    return Effect.suspend(() => middleware.reduceRight((inner, wrap) => wrap(inner, info), task))
  }

  /** With a tracer on: the queue wait as a span, and the attempt in another, both children of the submitter's. */
  private traced(
    task: Effect.Effect<unknown, unknown>,
    context: Context.Context<never>,
    waitMillis: number
  ): Effect.Effect<unknown, unknown> {
    const parent = Context.getOption(context, Tracer.ParentSpan)
    if (Option.isNone(parent) || !Context.get(context, References.TracerEnabled)) return task
    const { rt } = this
    const attributes = { herd: rt.herd, "task.id": this.id, "task.attempt": this.begun }
    const name = this.options.label ?? "task"
    const end = rt.clock.currentTimeNanosUnsafe()
    const queue = Context.get(context, Tracer.Tracer).span({
      name: `${name} wait`,
      parent,
      annotations: Context.empty(),
      links: [],
      startTime: end - BigInt(Math.round(waitMillis * 1e6)),
      kind: "internal",
      root: false,
      sampled: parent.value.sampled
    })
    for (const [key, value] of Object.entries(attributes)) queue.attribute(key, value)
    queue.end(end, Exit.void)
    return Effect.withSpan(task, name, { attributes })
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
    if (this.timeout !== unset) this.unlimitWait()
    const result = this.verdict(exit)
    const ok = result._tag === "Success"
    if (ok || !Cause.hasInterruptsOnly(result.cause)) {
      rt.window.finished(now, runMillis, ok)
      rt.runs.record(runMillis)
    }
    const healthy = ok || this.isHealthy(result.cause)
    this.announce(result, runMillis, lease)
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
        return Exit.fail(this.timeoutError("running"))
      case "deadline":
        return Exit.fail(this.deadlineError("running"))
      // What finished in spite of the interruption is worth more than the news of it.
      case "closed":
        return exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? Exit.fail(this.closedError()) : exit
      default:
        return exit
    }
  }

  private isHealthy(cause: Cause.Cause<unknown>): boolean {
    const { checkHealth, events } = this.rt
    if (checkHealth === undefined) return true
    try {
      return checkHealth(cause)
    } catch (defect) {
      events.report("checkHealth", Cause.die(defect))
      return true
    }
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

  private wanted(error: unknown): boolean {
    const wanted: ((error: never) => boolean) | undefined = this.options.while
    if (wanted === undefined) return true
    try {
      return wanted(error as never)
    } catch (defect) {
      this.rt.events.report("while", Cause.die(defect))
      return false
    }
  }

  private announce(exit: Exit.Exit<unknown, unknown>, runMillis: number, lease: Lease): void {
    const { events, hooks, pool } = this.rt
    if (events.active()) {
      events.emit({
        _tag: "TaskFinished",
        ...this.named(),
        ...this.numbered(lease),
        outcome: outcome(exit),
        runMillis
      })
    }
    if (exit._tag === "Success") {
      if (hooks.onTaskComplete === undefined) return
      pool.background("onTaskComplete", hooks.onTaskComplete(this.info(lease), runMillis))
    } else if (hooks.onTaskError !== undefined) {
      pool.background("onTaskError", hooks.onTaskError(this.info(lease), exit.cause, runMillis))
    }
  }

  // ---------------------------------------------------------------- again

  private requeue(lease: Lease): void {
    const { rt } = this
    this.requeues++
    rt.tally.requeued++
    if (rt.events.active()) rt.events.emit({ _tag: "TaskRequeued", ...this.named(), ...this.numbered(lease) })
    this.enqueue()
  }

  private enqueue(): void {
    this.phase = "queued"
    this.rt.line.push(this)
    if (this.rt.starved) this.limitWait()
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
        ? Effect.tap(Retry.begin(schedule as Schedule.Schedule<unknown, unknown>), (step) =>
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
    if (rt.events.active()) {
      rt.events.emit({ _tag: "TaskRetried", ...this.named(), attempt: this.begun, workerId: 0, delayMillis })
    }
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
        return Exit.fail(this.timeoutError(phase))
      case "deadline":
        return Exit.fail(this.deadlineError(phase))
      case "closed":
        return Exit.fail(this.closedError())
    }
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    const { rt, shedReason } = this
    if (this.phase === "delayed") rt.delayed.delete(this)
    if (shedReason !== undefined) {
      rt.tally.shed++
      if (rt.events.active()) rt.events.emit({ _tag: "TaskShed", ...this.named(), reason: shedReason })
    } else rt.tally[outcome(exit)]++
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
    if (this.listeners !== undefined) this.rt.pool.settle(this)
  }

  // ---------------------------------------------------------------- limits

  /** Checks the limits first, so that a bad option is the submitter's defect and not the attempt's. */
  private limitAll(): void {
    const { options, rt } = this
    if (options.timeout !== undefined) limit("timeout", options.timeout)
    if (options.deadline === undefined) return
    const millis = limit("deadline", options.deadline)
    if (millis === Infinity) return
    this.deadline = rt.timers.schedule(this.enqueuedAt + millis, () => {
      this.deadline = unset
      this.stop("deadline")
      rt.pool.pump()
    })
  }
  private limitRun(now: number): void {
    const millis = limit("timeout", this.options.timeout)
    if (millis === Infinity) return
    this.timeout = this.rt.timers.schedule(now + millis, () => {
      this.timeout = unset
      this.stop("timeout")
    })
  }

  /** Bounds the wait for a worker that cannot be made. */
  limitWait(): void {
    const { options, rt } = this
    if (options.timeout === undefined || this.timeout !== unset) return
    const millis = limit("timeout", options.timeout)
    if (millis === Infinity) return
    this.timeout = rt.timers.schedule(rt.timers.now() + millis, () => {
      this.timeout = unset
      this.stop("timeout")
      rt.pool.pump()
    })
  }
  unlimitWait(): void {
    if (this.timeout !== unset) this.rt.timers.cancel(this.timeout)
    this.timeout = unset
  }

  // ---------------------------------------------------------------- errors and views

  private situation(phase: "waiting" | "delayed" | "running") {
    const { line, pool, herd } = this.rt
    const counts = pool.counts()
    const lastCreateError = this.rt.lastCreateError()
    const queued = line.size()
    const workers = counts.idle + counts.busy
    const known = { herd, taskId: this.id, phase, queued, workers }
    return lastCreateError === undefined ? known : { ...known, lastCreateError }
  }
  private timeoutError(phase: "waiting" | "delayed" | "running"): TaskTimeout {
    return new TaskTimeout({ ...this.situation(phase), timeoutMillis: limit("timeout", this.options.timeout) })
  }
  private deadlineError(phase: "waiting" | "delayed" | "running"): DeadlineExceeded {
    return new DeadlineExceeded({ ...this.situation(phase), deadlineMillis: limit("deadline", this.options.deadline) })
  }
  private closedError(): HerdClosed {
    return new HerdClosed({ herd: this.rt.herd, state: this.rt.state })
  }
  private named() {
    const { key, label } = this.options
    return {
      taskId: this.id,
      priority: this.level,
      ...(label === undefined ? {} : { label }),
      ...(key === undefined ? {} : { key })
    }
  }
  private numbered(lease: Lease | undefined = this.lease) {
    return { attempt: this.begun, workerId: lease?.workerId ?? 0 }
  }
  private info(lease: Lease | undefined = this.lease): TaskInfo {
    return {
      id: this.id,
      label: this.options.label,
      key: this.options.key,
      priority: this.level,
      attempt: this.begun,
      requeues: this.requeues,
      workerId: lease?.workerId ?? 0
    }
  }
}

const outcome = (exit: Exit.Exit<unknown, unknown>): "succeeded" | "failed" | "interrupted" => {
  if (exit._tag === "Success") return "succeeded"
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"
}

const limit = (field: "timeout" | "deadline", input: TaskOptions["timeout"]): number => {
  const duration = input === undefined ? Option.none() : Duration.fromInput(input)
  const millis = Option.isSome(duration) ? Duration.toMillis(duration.value) : NaN
  if (millis >= 0) return millis
  throw new InvalidConfig({ field, value: input, rule: `a duration such as "5 seconds", at least 0` })
}
