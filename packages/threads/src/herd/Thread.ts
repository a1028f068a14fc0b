/**
 * One thread of a herd: what is on its way to it, what comes back, and how it ends.
 *
 * **Details**
 *
 * A thread runs one task at a time. While its tasks are short, more are sent ahead, worth a millisecond of work: a
 * thread that has to ask for each task stands still in between. What was sent ahead and has not begun can be taken back,
 * because both sides share a number for it: when its caller leaves, when the thread ends, and when the task before it
 * turns out to be long.
 */
import { type Context, Effect, Exit, Option } from "effect"
import * as Waits from "lemmings/internal/Waits"
import * as Fibers from "lemmings/internal/Fibers"
import * as HerdError from "lemmings/HerdError"
import * as Host from "./Host.ts"
import { InvalidPayload, WorkerLost } from "../task/ThreadError.ts"
import type { AnyTask, Call, Caller } from "../task/ThreadTask.ts"
import { originOf } from "../task/Origin.ts"
import { encodePayload, exitOf, hearer } from "./Reply.ts"
import {
  closing,
  isSlot,
  isTagged,
  type Origin,
  type Ready,
  readyOf,
  Shared,
  slots,
  State,
  Status,
  width,
  withBuffers
} from "../wire/Wire.ts"
import { Outbox } from "./Outbox.ts"
import * as Patience from "./Patience.ts"
import { type Held, moves, type Pending, refuse } from "./Pending.ts"
import { Reports } from "./Reports.ts"

/** What a thread is for its herd. */
export interface ThreadOptions extends Host.HostOptions {
  /** Milliseconds between asking a task to stop and terminating its thread. */
  readonly grace: number
  /** Send short tasks ahead, while one runs. */
  readonly ahead: boolean
}

/** What a thread tells its herd. */
export interface ThreadListener {
  /** It ended after it had served, and nobody had asked for that. */
  readonly crashed: (cause: unknown) => void
  readonly succeeded: () => void
  readonly ended: (thread: Thread) => void
}

// Work sent ahead, in milliseconds, and the time without an answer after which it is taken back.
const aheadMillis = 1
const stuckMillis = 5
// A task that never ran: long enough that nothing is sent behind it.
const unknownMillis = 1e6
// Weight of the newest run in a task's average.
const newest = 0.1

/**
 * Why a thread does not serve. It comes from wherever the thread was started, so that nobody can say what it is.
 */
export const notServing = (why: string): unknown => new Error(why)

/** Averages of what tasks take, in milliseconds, shared by the threads of a herd. */
export type Averages = Map<AnyTask, number>

/** A running thread. Its methods are synchronous, except where they return effects. */
export class Thread implements Caller {
  readonly workerId: number
  /** Bytes, as of the last answer. */
  heapUsed = 0
  /** Tasks that have ended. */
  tasksEnded = 0
  lost = false
  /** Part of the time that its event loop was busy since the look before, one for each who looks. Unknown of a process. */
  readonly utilization: Readonly<Record<"sampled" | "scraped" | "shown", () => number | undefined>>
  private readonly options: ThreadOptions
  private readonly listener: ThreadListener
  private readonly durations: Averages
  private readonly context: Context.Context<never>
  private readonly host: Host.Host
  private readonly pending: Array<Pending | undefined> = []
  private readonly free: Array<number> = Array.from({ length: slots }, (_, i) => slots - 1 - i)
  private readonly index = new Map<string, number>()
  private readonly waiters = Waits.make()
  private readonly outbox: Outbox
  private readonly queue: Array<() => void> = []
  /** By slot, in the order in which they came. */
  private readonly held = new Map<number, Held>()
  private expected = 0
  private inFlight = 0
  private answers = 0
  private stuck = false
  private watching = false
  private asked = false
  private idleCrash = false
  private isReady: Ready | undefined
  private exitCode: number | undefined
  private cause: unknown

  constructor(
    options: ThreadOptions,
    workerId: number,
    durations: Averages,
    listener: ThreadListener,
    context: Context.Context<never>
  ) {
    this.options = options
    this.workerId = workerId
    this.durations = durations
    this.listener = listener
    this.context = context
    options.tasks.forEach((name, i) => this.index.set(name, i))
    this.host = Host.start(options, workerId, {
      message: (message) => this.heard(message),
      ended: (code, cause, running) => this.end(code, cause, running)
    })
    this.outbox = new Outbox(this.host, (slot, cause) => this.refused(slot, cause))
    const { eventLoop } = this.host
    this.utilization = {
      sampled: Host.meter(eventLoop),
      scraped: Host.meter(eventLoop),
      shown: Host.meter(eventLoop)
    }
  }

  get busy(): number {
    return this.inFlight
  }
  get ids(): Pick<Host.Host, "threadId" | "pid"> & { readonly inspector: string | undefined } {
    const { pid, threadId } = this.host
    return { threadId, pid, inspector: this.isReady?.inspector }
  }

  /** Whether one more task may be on its way beside those that are. */
  get hasRoom(): boolean {
    if (this.lost || this.free.length === 0) return false
    if (!this.options.ahead) return this.inFlight < this.options.concurrency
    return !this.stuck && this.host.states !== undefined && this.expected < aheadMillis
  }

  /** Waits until the thread serves. */
  readonly ready: Effect.Effect<void, unknown> = Effect.suspend(() =>
    Effect.andThen(
      this.waiters.until(() => this.isReady !== undefined || this.lost),
      Effect.suspend(() => {
        const missing = this.isReady?.missing ?? []
        if (this.lost || this.isReady === undefined) return Effect.fail(this.lostAt("", false))
        if (missing.length === 0) return Effect.void
        const said = `${this.options.worker.href} serves no ${missing.join(", ")}: it serves ${this.isReady.served.join(", ")}`
        return Effect.fail(notServing(said))
      })
    )
  )

  /** Waits until the thread has ended. */
  readonly awaitEnd: Effect.Effect<void> = Effect.suspend(() => this.waiters.until(() => this.lost))

  /** The same, and fails when it crashed while it had nothing to do: nobody else would hear of that. */
  readonly awaitLost: Effect.Effect<void, WorkerLost> = Effect.suspend(() =>
    Effect.andThen(
      this.awaitEnd,
      Effect.suspend(() => (this.idleCrash ? Effect.fail(this.lostAt("", false)) : Effect.void))
    )
  )

  /** Ends the thread: politely when it is idle, at once otherwise. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.asked = true
    if (this.lost) return Effect.void
    if (this.isReady === undefined || this.inFlight > 0) return this.terminate
    this.host.post([this.host.tag, closing], [])
    return this.within(this.awaitEnd)
  })

  private get terminate(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.asked = true
      if (!this.lost) this.host.terminate()
      return this.awaitEnd
    })
  }

  /** Waits as long as the grace allows, and then terminates the thread. */
  private within(end: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.flatMap(
      Patience.within(end, this.options.grace),
      Option.match({ onNone: () => this.terminate, onSome: () => Effect.void })
    )
  }

  start(
    call: Call,
    context: Context.Context<never>,
    end: (exit: Exit.Exit<unknown, unknown>) => void,
    pinned = false
  ): Effect.Effect<void> {
    const pending: Pending = {
      call,
      context,
      end,
      expected: this.durations.get(call.task) ?? unknownMillis,
      left: false,
      ended: undefined,
      pinned,
      reports: undefined
    }
    const payload = encodePayload(call)
    if (payload instanceof InvalidPayload) return refuse(pending, payload)
    if (this.lost) return refuse(pending, this.notBegun(pending))
    const origin = originOf(context)
    let slot: number | undefined
    const put = () => {
      if (pending.left) return
      if (this.lost) return end(Exit.fail(this.notBegun(pending)))
      slot = this.put(pending, payload, origin)
    }
    // A task that calls more than there are slots: the rest waits.
    if (this.free.length === 0) this.queue.push(put)
    else put()
    return Effect.suspend(() => (slot === undefined ? this.forget(pending) : this.leave(slot, pending)))
  }

  private forget(pending: Pending): Effect.Effect<void> {
    pending.left = true
    return Effect.void
  }

  private put(pending: Pending, payload: unknown, origin: Origin | undefined): number {
    const slot = this.free.pop() ?? 0
    this.pending[slot] = pending
    this.expected += pending.expected
    this.inFlight++
    const behind = this.options.ahead && this.host.states !== undefined && this.inFlight > 1
    if (behind && (this.held.size > 0 || moves(pending))) this.held.set(slot, { payload, origin })
    else this.send(slot, pending, payload, origin)
    if (this.inFlight > 1 && this.options.ahead && !this.watching) this.watch()
    return slot
  }

  private send(slot: number, { call }: Pending, payload: unknown, origin: Origin | undefined): void {
    const { states } = this.host
    const at = this.index.get(call.task.name) ?? slots
    if (states !== undefined) {
      Atomics.store(states, slot, State.sent)
      Atomics.store(states, Shared.taken + slot, 0)
    }
    this.outbox.add(slot, at, payload, origin, call.transfer)
    // A thread with nothing to do gets it at once. One that works gets what all the answers of this turn made room for.
    if (this.inFlight - this.held.size === 1) this.outbox.flush()
    else this.outbox.soon()
  }

  /** Sends what was held, as soon as nothing is before it. */
  private release(): void {
    for (const [slot, { origin, payload }] of this.held) {
      const pending = this.pending[slot]
      if (pending === undefined) continue
      if (moves(pending) && this.inFlight > this.held.size) return
      this.held.delete(slot)
      this.send(slot, pending, payload, origin)
    }
  }

  /** Takes a slot's task out. Its slot is free again. */
  private take(slot: number): Pending | undefined {
    const pending = this.pending[slot]
    if (pending === undefined) return undefined
    this.pending[slot] = undefined
    this.free.push(slot)
    this.inFlight--
    this.expected = this.inFlight === 0 ? 0 : this.expected - pending.expected
    return pending
  }

  private refused(slot: number, cause: unknown): void {
    const pending = this.take(slot)
    if (pending === undefined) return
    pending.end(Exit.fail(new InvalidPayload({ task: pending.call.task.name, cause })))
    pending.ended?.()
  }

  private heard(message: unknown): void {
    const { tag } = this.host
    if (this.isReady === undefined) {
      this.isReady = readyOf(message, tag)
      if (this.isReady !== undefined) this.waiters.check()
      return
    }
    if (!isTagged(message, tag) || message.length < width) return
    const end = message.length - ((message.length - 1) % width)
    const heapUsed = message[end]
    if (typeof heapUsed === "number") this.heapUsed = heapUsed
    for (let i = 1; i < end; i += width)
      this.answered(message[i], message[i + 1], message[i + 2], message[i + 3])
    while (this.queue.length > 0 && this.free.length > 0) this.queue.shift()?.()
    if (this.held.size > 0) this.release()
  }

  private answered(slot: unknown, code: unknown, said: unknown, took: unknown): void {
    // A slot without a task, or with one that has not begun: nothing that a thread of ours would say.
    if (!isSlot(slot) || typeof code !== "number" || this.pending[slot] === undefined) return
    const { states } = this.host
    if (this.held.has(slot) || (states !== undefined && Atomics.load(states, slot) === State.sent)) return
    const status = code < 0 ? ~code : code
    const value = code < 0 && Array.isArray(said) ? withBuffers(said[0], said[1]) : said
    if (status === Status.report) return this.reported(slot, this.pending[slot], value)
    const pending = this.take(slot)
    if (pending === undefined) return
    this.answers++
    this.stuck = false
    const { task } = pending.call
    if (status === Status.skipped) {
      if (!pending.left) pending.end(Exit.fail(this.notBegun(pending)))
      return pending.ended?.()
    }
    this.tasksEnded++
    const millis = typeof took === "number" && took >= 0 ? took : 0
    const before = this.durations.get(task)
    this.durations.set(task, before === undefined ? millis : before + newest * (millis - before))
    if (status === Status.success) this.listener.succeeded()
    const { reports } = pending
    if (reports === undefined || pending.left) this.settle(pending, status, value)
    else reports.whenHeard(() => this.settle(pending, status, value))
  }

  private settle(pending: Pending, status: number, value: unknown): void {
    if (!pending.left) {
      pending.left = true
      const failed = pending.reports?.failed
      pending.end(failed === undefined ? exitOf(pending.call.task, status, value) : Exit.failCause(failed))
    }
    pending.ended?.()
  }

  private reported(slot: number, pending: Pending, value: unknown): void {
    const hear = hearer(pending.call)
    if (pending.left) return
    const taken = () => this.taken(slot, pending)
    if (hear === undefined) return taken()
    pending.reports ??= new Reports(
      hear,
      pending.context,
      taken,
      // Its failure is the task's, once the thread has done with that.
      () => this.pending[slot] === pending && Fibers.start(this.context, this.stop(slot, pending))
    )
    pending.reports.add(value)
  }

  /** The thread may report one more. */
  private taken(slot: number, pending: Pending): void {
    if (this.pending[slot] !== pending || this.lost) return
    const { states, tag } = this.host
    if (states === undefined) return this.host.post([tag, slot, 1], [])
    Atomics.add(states, Shared.taken + slot, 1)
    Atomics.notify(states, Shared.taken + slot)
  }

  /** A caller that leaves: takes back what has not begun, and otherwise waits for its end. */
  private leave(slot: number, pending: Pending): Effect.Effect<void> {
    if (pending.left) return Effect.void
    pending.left = true
    const { reports } = pending
    // It has ended, and its caller has not heard all that it said.
    if (this.pending[slot] !== pending) return reports?.close ?? Effect.void
    if (this.unheld(slot)) return Effect.void
    if (this.withdraw(slot)) return Effect.void
    const stopped = this.stop(slot, pending)
    return reports === undefined ? stopped : Effect.andThen(reports.close, stopped)
  }

  /** Tells the thread to stop a task that has begun, and waits for its end. */
  private stop(slot: number, pending: Pending): Effect.Effect<void> {
    const { states, tag } = this.host
    if (states !== undefined) {
      Atomics.compareExchange(states, slot, State.begun, State.aborted)
      // It may wait until there is room for a report.
      Atomics.add(states, Shared.taken + slot, slots)
      Atomics.notify(states, Shared.taken + slot)
    }
    this.host.post([tag, slot], [])
    return this.within(
      Effect.callback<void>((resume) => {
        if (this.pending[slot] !== pending) return resume(Effect.void)
        // More than one may wait.
        const { ended } = pending
        pending.ended = () => {
          ended?.()
          resume(Effect.void)
        }
        return undefined
      })
    )
  }

  /** Takes back a task that was not sent. */
  private unheld(slot: number): boolean {
    return this.held.delete(slot) && this.take(slot) !== undefined
  }

  private withdraw(slot: number): boolean {
    const { states } = this.host
    return (
      states !== undefined &&
      Atomics.compareExchange(states, slot, State.sent, State.withdrawn) === State.sent
    )
  }

  /** Looks, while tasks are sent ahead, whether the one before them is long after all. */
  private watch(): void {
    this.watching = true
    const look = (seen: number): Effect.Effect<void> =>
      Effect.flatMap(Effect.sleep(stuckMillis), () => {
        if (this.lost || this.inFlight < 2) {
          this.watching = false
          return Effect.void
        }
        if (seen === this.answers && !this.stuck) this.takeBack()
        return look(this.answers)
      })
    Fibers.start(this.context, look(this.answers))
  }

  private takeBack(): void {
    this.stuck = true
    for (const [slot, pending] of this.pending.entries()) {
      if (pending === undefined || pending.left || pending.pinned) continue
      const held = this.held.has(slot)
      // What it moves is there already.
      if (held ? !this.unheld(slot) : moves(pending) || !this.withdraw(slot)) continue
      pending.left = true
      pending.end(Exit.fail(this.notBegun(pending)))
    }
  }

  private end(code: number | undefined, cause: unknown, running?: ReadonlyArray<number>): void {
    if (this.lost) return
    this.lost = true
    this.outbox.clear()
    this.exitCode = code
    this.cause ??= cause ?? new Error(this.asked ? "terminated" : `exited with code ${code}`)
    this.idleCrash = !this.asked && this.inFlight === 0
    if (!this.asked && this.isReady !== undefined) this.listener.crashed(this.cause)
    this.listener.ended(this)
    this.waiters.check()
    const { states } = this.host
    for (const slot of this.pending.keys()) {
      const held = this.held.delete(slot)
      const pending = this.take(slot)
      if (pending === undefined) continue
      const begun =
        !held &&
        (states === undefined
          ? running === undefined || running.includes(slot)
          : Atomics.load(states, slot) !== State.sent)
      const moved = !held && states !== undefined && moves(pending)
      if (!pending.left) {
        const { name } = pending.call.task
        const { reports } = pending
        // One whose buffers went down with the thread cannot be run again.
        const lost = begun || moved ? this.lostAt(name, begun) : this.notBegun(pending)
        pending.end(reports?.failed === undefined ? Exit.fail(lost) : Exit.failCause(reports.failed))
        if (reports !== undefined) Fibers.start(this.context, reports.close)
      }
      pending.ended?.()
    }
    for (const start of this.queue.splice(0)) start()
  }

  private lostAt(task: string, begun: boolean): WorkerLost {
    const { cause, exitCode, workerId } = this
    return new WorkerLost({ herd: this.options.herd, workerId, task, exitCode, begun, cause })
  }

  private notBegun({ call }: Pending): WorkerLost {
    return Object.assign(this.lostAt(call.task.name, false), { [HerdError.notBegun]: call.effect })
  }
}
