/**
 * One thread of a herd: what is on its way to it, what comes back, and how it ends.
 *
 * **Details**
 *
 * A thread runs one task at a time. While its tasks are short, more are sent ahead, worth a millisecond of work: a
 * thread that has to ask for each task stands still in between. What was sent ahead and has not begun can be taken back,
 * because both sides share a number for it: when its caller leaves, when the thread ends, and when the task before it
 * turns out to be long.
 *
 * @since 0.3.0
 */
import { type Context, Effect, Exit, Option } from "effect"
import * as Fibers from "lemmings/internal/Fibers"
import * as HerdError from "lemmings/HerdError"
import type { Transferable } from "node:worker_threads"
import * as Host from "./Host.ts"
import { InvalidPayload, WorkerLost } from "../task/ThreadError.ts"
import type { AnyTask, Call, Caller } from "../task/ThreadTask.ts"
import { originOf } from "../task/Origin.ts"
import { encodePayload, exitOf } from "./Reply.ts"
import { closing, holding, type Origin, type Ready, slots, State, Status, width } from "../wire/Wire.ts"

/**
 * What a thread is for its herd.
 *
 * @category models
 * @since 0.3.0
 */
export interface ThreadOptions extends Host.HostOptions {
  /** Milliseconds between asking a task to stop and terminating its thread. */
  readonly grace: number
  /** Send short tasks ahead, while one runs. */
  readonly ahead: boolean
}

/**
 * What a thread tells its herd.
 *
 * @category models
 * @since 0.3.0
 */
export interface ThreadListener {
  /** It ended, and nobody had asked for that. */
  readonly crashed: (cause: unknown) => void
  readonly succeeded: () => void
  readonly ended: (thread: Thread) => void
}

interface Pending {
  readonly call: Call
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
  /** Milliseconds that it will take, as far as we know. */
  readonly expected: number
  /** Its caller left, or its thread is stuck: it is settled when the thread says so. */
  left: boolean
  ended: (() => void) | undefined
}

// Work sent ahead, in milliseconds, and the time without an answer after which it is taken back.
const aheadMillis = 1
const stuckMillis = 5
// A task that never ran: long enough that nothing is sent behind it.
const unknownMillis = 1e6
// Weight of the newest run in a task's average.
const newest = 0.1

/**
 * Averages of what tasks take, in milliseconds, shared by the threads of a herd.
 *
 * @category models
 * @since 0.3.0
 */
export type Averages = Map<AnyTask, number>

const refuse = ({ end }: Pending, error: unknown): Effect.Effect<void> => {
  end(Exit.fail(error))
  return Effect.void
}

/**
 * A running thread. Its methods are synchronous, except where they return effects.
 *
 * @category models
 * @since 0.3.0
 */
export class Thread implements Caller {
  readonly workerId: number
  /** Bytes, as of the last answer. */
  heapUsed = 0
  /** Tasks that have ended. */
  completed = 0
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
  private readonly waiters: Array<() => void> = []
  private readonly queue: Array<() => void> = []
  private outbox: Array<unknown> = []
  private moved: Array<Transferable> = []
  private flushing = false
  private expected = 0
  private inFlight = 0
  private answers = 0
  private stuck = false
  private watching = false
  private asked = false
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
      ended: (code, cause) => this.end(code, cause)
    })
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

  /** Whether one more task may be on its way beside those that are. */
  get hasRoom(): boolean {
    if (this.lost || this.free.length === 0) return false
    if (!this.options.ahead) return this.inFlight < this.options.concurrency
    return !this.stuck && this.host.states !== undefined && this.expected < aheadMillis
  }

  /** Waits until the thread serves. */
  readonly ready: Effect.Effect<void, WorkerLost> = Effect.suspend(() =>
    Effect.andThen(
      this.until(() => this.isReady !== undefined || this.lost),
      Effect.suspend(() => {
        const missing = this.isReady?.missing ?? []
        if (this.lost || this.isReady === undefined) return Effect.fail(this.lostAt("", false))
        if (missing.length === 0) return Effect.void
        const said = `${this.options.worker.href} serves no ${missing.join(", ")}: it serves ${this.isReady.served.join(", ")}`
        this.cause = new Error(said)
        return Effect.fail(this.lostAt("", false))
      })
    )
  )

  /** Waits until the thread has ended. */
  readonly awaitEnd: Effect.Effect<void> = Effect.suspend(() => this.until(() => this.lost))

  /** Ends the thread: politely when it is idle, at once otherwise. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.asked = true
    if (this.lost) return Effect.void
    if (this.isReady === undefined || this.inFlight > 0) return this.terminate
    this.host.post(closing, [])
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
      Effect.timeoutOption(Effect.interruptible(end), this.options.grace),
      Option.match({ onNone: () => this.terminate, onSome: () => Effect.void })
    )
  }

  private until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const check = () => {
        if (!holds()) return
        const at = this.waiters.indexOf(check)
        if (at !== -1) this.waiters.splice(at, 1)
        resume(Effect.void)
      }
      this.waiters.push(check)
      check()
      return Effect.sync(() => {
        const at = this.waiters.indexOf(check)
        if (at !== -1) this.waiters.splice(at, 1)
      })
    })
  }
  private told(): void {
    for (const check of this.waiters.slice()) check()
  }

  start(
    call: Call,
    context: Context.Context<never>,
    end: (exit: Exit.Exit<unknown, unknown>) => void
  ): Effect.Effect<void> {
    const pending: Pending = {
      call,
      end,
      expected: this.durations.get(call.task) ?? unknownMillis,
      left: false,
      ended: undefined
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
    const { task, transfer } = pending.call
    const slot = this.free.pop() ?? 0
    this.pending[slot] = pending
    this.expected += pending.expected
    this.inFlight++
    if (this.host.states !== undefined) Atomics.store(this.host.states, slot, State.sent)
    this.outbox.push(slot, this.index.get(task.name) ?? -1, payload, origin)
    if (transfer !== undefined) this.moved.push(...transfer)
    // A thread with nothing to do gets it at once. One that works gets what all the answers of this turn made room for.
    if (this.inFlight === 1) this.flush()
    else if (!this.flushing) {
      this.flushing = true
      setImmediate(() => this.flush())
    }
    if (this.inFlight > 1 && this.options.ahead && !this.watching) this.watch()
    return slot
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

  private flush(): void {
    this.flushing = false
    const batch = this.outbox
    const moved = this.moved
    this.outbox = []
    this.moved = []
    if (this.lost || batch.length === 0) return
    try {
      this.host.post(batch, moved)
    } catch (error) {
      if (batch.length === width) return this.refused(batch[0] as number, error)
      // One of them cannot be cloned, and its buffers are among the others'.
      for (let i = 0; i < batch.length; i += width) {
        try {
          this.host.post(batch.slice(i, i + width), holding(batch[i + 2], moved))
        } catch (cause) {
          this.refused(batch[i] as number, cause)
        }
      }
    }
  }

  private refused(slot: number, cause: unknown): void {
    const pending = this.take(slot)
    if (pending === undefined) return
    pending.end(Exit.fail(new InvalidPayload({ task: pending.call.task.name, cause })))
    pending.ended?.()
  }

  private heard(message: unknown): void {
    if (!Array.isArray(message)) {
      this.isReady = message as Ready
      return this.told()
    }
    this.answers++
    this.stuck = false
    const end = message.length - (message.length % 4)
    if (end < message.length) this.heapUsed = message[end] as number
    for (let i = 0; i < end; i += 4) this.answered(message[i], message[i + 1], message[i + 2], message[i + 3])
    while (this.queue.length > 0 && this.free.length > 0) this.queue.shift()?.()
  }

  private answered(slot: number, status: number, value: unknown, millis: number): void {
    const pending = this.take(slot)
    if (pending === undefined) return
    const { task } = pending.call
    if (status !== Status.skipped) {
      this.completed++
      const before = this.durations.get(task)
      this.durations.set(task, before === undefined ? millis : before + newest * (millis - before))
      if (status === Status.success) this.listener.succeeded()
    }
    if (!pending.left) pending.end(exitOf(task, status, value))
    pending.ended?.()
  }

  /** A caller that leaves: takes back what has not begun, and otherwise waits for its end. */
  private leave(slot: number, pending: Pending): Effect.Effect<void> {
    if (this.pending[slot] !== pending || pending.left) return Effect.void
    pending.left = true
    if (this.withdraw(slot)) return Effect.void
    const { states } = this.host
    if (states !== undefined) Atomics.compareExchange(states, slot, State.begun, State.aborted)
    this.host.post(slot, [])
    return this.within(
      Effect.callback<void>((resume) => {
        if (this.pending[slot] !== pending) return resume(Effect.void)
        pending.ended = () => resume(Effect.void)
        return undefined
      })
    )
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
      if (pending === undefined || pending.left || !this.withdraw(slot)) continue
      pending.left = true
      pending.end(Exit.fail(this.notBegun(pending)))
    }
  }

  private end(code: number | undefined, cause: unknown): void {
    if (this.lost) return
    this.lost = true
    this.exitCode = code
    this.cause ??= cause ?? new Error(this.asked ? "terminated" : `exited with code ${code}`)
    if (!this.asked) this.listener.crashed(this.cause)
    this.listener.ended(this)
    this.told()
    const { states } = this.host
    for (const slot of this.pending.keys()) {
      const pending = this.take(slot)
      if (pending === undefined) continue
      const begun = states === undefined || Atomics.load(states, slot) !== State.sent
      if (!pending.left)
        pending.end(Exit.fail(begun ? this.lostAt(pending.call.task.name, true) : this.notBegun(pending)))
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
