/**
 * A thread's side: takes tasks as they come, runs them one after another, and answers each at once. Imports nothing of
 * Effect, because every thread starts with it.
 *
 * @since 0.3.0
 */
import { isMainThread, receiveMessageOnPort, workerData as given } from "node:worker_threads"
import { Lookout } from "./Lookout.ts"
import { Reporting } from "./Reporting.ts"
import {
  buffersIn,
  closing,
  type Dying,
  isError,
  isSlot,
  isTagged,
  type Origin,
  packDefect,
  packText,
  type Ready,
  Shared,
  type Start,
  startKey,
  State,
  Status,
  together,
  width,
  withBuffers,
  type Transfer
} from "../wire/Wire.ts"

/**
 * What a handler gets beside its payload.
 *
 * @category models
 * @since 0.3.0
 */
export interface TaskContext<E, Report = never> {
  /** Whether the task was interrupted or ran out of time. Can be asked in the middle of a computation. */
  readonly aborted: boolean
  /** Fires when the task was interrupted or ran out of time, as soon as the thread's event loop turns. */
  readonly signal: AbortSignal
  /** The worker of the herd. */
  readonly workerId: number
  /** The caller's span and log annotations, if it has any. An Effect has them already. */
  readonly origin: Origin | undefined
  /** Ends the task with a typed failure. Anything else that is thrown is a defect. */
  readonly fail: (error: E) => never
  /** Has the buffers of a result moved instead of copied: `return transfer(image, [image.buffer])`. */
  readonly transfer: <A>(value: A, buffers: ReadonlyArray<Transfer>) => A
  /**
   * Tells the caller something while the task runs. Ends as soon as there is room for the next report: 16 are on their way
   * at most. A handler that does not wait for it is held up here instead on a thread; in a process, which cannot be held
   * up, one that leaves 1,024 reports waiting fails. After an interruption nothing is reported any more.
   */
  readonly report: (value: Report) => Promise<void>
}

/** Ends a task. */
export type Settle = (status: number, value: unknown) => void

/** Runs one task and calls `settle` once. `onAbort` says what to do when the task is interrupted. */
export type Invoke = (
  payload: unknown,
  context: TaskContext<unknown, unknown>,
  settle: Settle,
  onAbort: (abort: () => void) => void
) => void

/**
 * What a thread does for a herd.
 *
 * @category models
 * @since 0.3.0
 */
export interface Serving {
  /** Named as the tasks are. */
  readonly handlers: { readonly [name: string]: Invoke }
  /** Ends what the handlers use. */
  readonly close: () => Promise<unknown> | undefined
}

/** A typed failure on its way to `settle`. */
class Failure {
  readonly #error: unknown
  constructor(error: unknown) {
    this.#error = error
  }
  /** Asks nothing of the value, which may be one that does not like to be looked at. */
  static of(value: unknown): { readonly error: unknown } | undefined {
    return typeof value === "object" && value !== null && #error in value
      ? { error: value.#error }
      : undefined
  }
}

/** The context of one task. The signal is made when it is asked for. */
export class Context implements TaskContext<unknown, unknown> {
  readonly slot: number
  readonly workerId: number
  readonly origin: Origin | undefined
  readonly isAborted: () => boolean
  moved: Array<Transfer> | undefined
  onAbort: (() => void) | undefined
  private controller: AbortController | undefined
  private readonly reporter: (value: unknown, context: Context) => Promise<void>
  private reporting: ((value: unknown) => Promise<void>) | undefined

  constructor(
    workerId: number,
    origin: Origin | undefined,
    isAborted: () => boolean,
    reporter: (value: unknown, context: Context) => Promise<void>,
    slot = 0
  ) {
    this.slot = slot
    this.workerId = workerId
    this.origin = origin
    this.isAborted = isAborted
    this.reporter = reporter
  }
  // Bound when it is asked for: most tasks say nothing.
  get report(): (value: unknown) => Promise<void> {
    this.reporting ??= (value) => this.reporter(value, this)
    return this.reporting
  }
  get aborted(): boolean {
    return this.isAborted()
  }
  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.isAborted()) this.controller.abort()
    return this.controller.signal
  }
  readonly fail = (error: unknown): never => {
    // A marker that `plain` sees, and no error of the user's.
    throw new Failure(error) as unknown as Error
  }
  readonly transfer = <A>(value: A, buffers: ReadonlyArray<Transfer>): A => {
    this.moved = [...(this.moved ?? []), ...buffers]
    return value
  }
  abort(): void {
    this.controller?.abort()
    this.onAbort?.()
  }
}

/** Runs a plain function, or one that returns a promise. */
export const plain =
  (handler: (payload: never, context: TaskContext<never>) => unknown): Invoke =>
  (payload, context, settle) => {
    const failed = (error: unknown) => {
      const failure = Failure.of(error)
      return failure === undefined ? settle(Status.defect, error) : settle(Status.failure, failure.error)
    }
    try {
      const result = handler(payload as never, context)
      if (isPromise(result)) result.then((value) => settle(Status.success, value), failed)
      else settle(Status.success, result)
    } catch (error) {
      failed(error)
    }
  }

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/**
 * What the herd of this thread or process was given as `workerData`. `undefined`: nothing, or this serves no herd.
 *
 * @category constants
 * @since 0.5.0
 */
export const workerData: unknown = started()?.data

interface Link {
  readonly start: Start
  readonly post: (message: unknown, transfer?: ReadonlyArray<Transfer>) => void
  readonly listen: (listener: (message: unknown) => void) => void
  /** The next message, if there is one already. Only threads can look. */
  readonly poll: (() => { readonly message: unknown } | undefined) | undefined
  readonly end: () => void
}

// How long the event loop of a thread stands still at most, while the messages of short tasks come one after another.
const turnMillis = 10

// The time that a thread takes is real, whatever the herd's clock says.
// oxlint-disable-next-line house/no-wall-clock
const realTime = () => performance.now()

function isStart(value: unknown): value is Start {
  return typeof value === "object" && value !== null && "lemmings" in value && "tasks" in value
}

/** What the herd said that started this thread or process, if one did. */
function started(): Start | undefined {
  if (!isMainThread) return isStart(given) ? given : undefined
  const start: unknown = Reflect.get(globalThis, startKey)
  return isStart(start) ? start : undefined
}

const link = (): Link | undefined => {
  const start = started()
  const { port } = start ?? {}
  if (start === undefined) return undefined
  if (port !== undefined) {
    return {
      start,
      // An empty list costs as much as a short task.
      post: (message, transfer) =>
        transfer === undefined || transfer.length === 0
          ? port.postMessage(message)
          : port.postMessage(message, transfer),
      listen: (listener) => void port.on("message", listener),
      poll: () => receiveMessageOnPort(port),
      end: () => port.close()
    }
  }
  if (process.send === undefined) return undefined
  return {
    start,
    post: (message) => {
      if (process.connected) process.send?.(message)
    },
    listen: (listener) => {
      process.on("message", listener)
      process.channel?.ref()
    },
    poll: undefined,
    end: () => process.disconnect()
  }
}

/**
 * Serves the herd that started this thread. Does nothing elsewhere, as in a test that imports the handlers.
 */
export const serve = (serving: Serving): void => {
  const herd = link()
  if (herd === undefined) return
  const { concurrency, heap, tag, tasks, workerId } = herd.start
  const states = herd.start.states ?? new Int32Array(new SharedArrayBuffer(4 * Shared.size))
  const owned = herd.start.states === undefined
  const handlers = tasks.map((name) => serving.handlers[name])
  const running = new Map<number, Context>()
  const aborted = new Set<number>()
  const reporting = new Map<number, Reporting>()
  let inbox: ReadonlyArray<unknown> = []
  let next = 0
  let answers: Array<unknown> = [tag]
  // What each of the answers moves, so that one that cannot be sent does not cost the others theirs.
  let moved: Array<ReadonlyArray<Transfer> | undefined> = []
  let working = false

  const flush = () => {
    if (moved.length === 0) return
    const batch = answers
    const buffers = moved
    answers = [tag]
    moved = []
    if (heap) batch.push(process.memoryUsage().heapUsed)
    try {
      herd.post(batch, together(buffers))
    } catch {
      // One of them cannot be cloned: all but that one arrive.
      buffers.forEach((each, i) => alone(batch.slice(1 + width * i, 1 + width * (i + 1)), each))
    }
  }
  const alone = (answer: Array<unknown>, buffers: ReadonlyArray<Transfer> | undefined) => {
    try {
      herd.post([tag, ...answer], buffers ?? [])
    } catch (error) {
      const [slot, , , millis] = answer
      try {
        herd.post([tag, slot, Status.defect, packDefect(error), millis])
      } catch {
        herd.post([tag, slot, Status.defect, packText(error), millis])
      }
    }
  }
  const answer = (
    slot: number,
    status: number,
    value: unknown,
    millis: number,
    buffers?: ReadonlyArray<Transfer>
  ) => {
    const views = buffersIn(value)
    if (views === undefined) answers.push(slot, status, value, millis)
    else answers.push(slot, ~status, [value, views], millis)
    moved.push(buffers)
  }

  const settled = (slot: number, context: Context, began: number, status: number, value: unknown) => {
    if (running.get(slot) !== context) return
    running.delete(slot)
    aborted.delete(slot)
    if (reporting.size > 0) {
      reporting.get(slot)?.close()
      reporting.delete(slot)
    }
    const millis = realTime() - began
    if (status === Status.defect) answer(slot, status, packDefect(value), millis)
    else if (status === Status.failure && holdsError(value))
      answer(slot, Status.packed, packDefect(value), millis)
    else answer(slot, status, value, millis, context.moved)
    // At once: the next task may be the one that never ends.
    flush()
    if (working) return
    work()
    drain()
  }

  const report = (value: unknown, context: Context): Promise<void> => {
    const { slot } = context
    if (running.get(slot) !== context) return Promise.resolve()
    let to = reporting.get(slot)
    if (to === undefined) {
      to = new Reporting(states, slot, owned, context.isAborted, (said) =>
        herd.post([tag, slot, Status.report, said, 0])
      )
      reporting.set(slot, to)
    }
    return to.report(value, inside === context)
  }

  const begin = (slot: unknown, at: unknown, sent: unknown, origin: Origin | undefined) => {
    if (!isSlot(slot) || typeof at !== "number" || running.has(slot)) return
    const isAborted = owned ? () => aborted.has(slot) : () => Atomics.load(states, slot) === State.aborted
    const withdrawn = owned
      ? aborted.delete(slot)
      : Atomics.compareExchange(states, slot, State.sent, State.begun) !== State.sent
    if (withdrawn) return answer(slot, Status.skipped, undefined, 0)
    const index = at < 0 ? ~at : at
    const payload = at < 0 && Array.isArray(sent) ? withBuffers(sent[0], sent[1]) : sent
    const context = new Context(workerId, origin, isAborted, report, slot)
    running.set(slot, context)
    const began = realTime()
    const invoke = handlers[index]
    const outside = inside
    if (invoke === undefined) {
      settled(slot, context, began, Status.defect, new Error(`no handler for task ${tasks[index]}`))
      return
    }
    inside = context
    invoke(
      payload,
      context,
      (status, value) => settled(slot, context, began, status, value),
      (abort) => {
        context.onAbort = abort
      }
    )
    inside = outside
  }
  /** The task whose handler is on the stack: nothing else happens until it returns. */
  let inside: Context | undefined

  const work = () => {
    working = true
    while (running.size < concurrency && next < inbox.length) {
      const at = next
      next += width
      begin(inbox[at], inbox[at + 1], inbox[at + 2], inbox[at + 3] as Origin | undefined)
    }
    if (next >= inbox.length) {
      inbox = []
      next = 0
    }
    working = false
  }

  const isWaiting = (slot: number) =>
    inbox.some((value, i) => i >= next && (i - next) % width === 0 && value === slot)

  const { poll } = herd
  let closed = false
  let draining = false
  const resting = () => running.size === 0 && !closed

  const lookout = new Lookout(states, realTime)

  /** Takes what has come meanwhile without a turn of the event loop, which costs more than a short task. */
  const drain = () => {
    if (poll === undefined || draining) return
    draining = true
    const until = realTime() + turnMillis
    while (resting()) {
      const next = poll() ?? (lookout.look() ? poll() : undefined)
      if (next === undefined) break
      heard(next.message)
      if (realTime() >= until) break
    }
    draining = false
    lookout.rests()
  }

  const told = (slot: unknown) => {
    if (slot === closing) {
      closed = true
      void Promise.resolve(serving.close()).finally(herd.end)
    } else if (isSlot(slot)) {
      // The news may come after the end of its task, and must not reach the next one in its slot.
      if (owned && (running.has(slot) || isWaiting(slot))) aborted.add(slot)
      reporting.get(slot)?.close()
      running.get(slot)?.abort()
    }
  }

  const heard = (message: unknown) => {
    lookout.took()
    if (!isTagged(message, tag)) return
    // Of a task's width, or a word on a slot, or on a report of it.
    if (message.length === 2) told(message[1])
    else if (message.length === 3 && isSlot(message[1])) reporting.get(message[1])?.taken()
    else if (message.length % width === 1) {
      const waiting = inbox.slice(next)
      inbox = waiting.length === 0 ? message : [...waiting, ...message.slice(1)]
      next = waiting.length === 0 ? 1 : 0
      work()
      flush()
    }
  }
  herd.listen((message) => {
    lookout.woken()
    heard(message)
    drain()
  })
  // What comes next may be on its way already, and must not be lost with us: only these had begun.
  if (owned)
    process.once("exit", () => herd.post({ dying: tag, running: [...running.keys()] } satisfies Dying))
  const served = Object.keys(serving.handlers)
  herd.post({
    ready: tag,
    served,
    missing: tasks.filter((name) => !served.includes(name)),
    inspector: isMainThread ? process.getBuiltinModule("node:inspector").url() : undefined
  } satisfies Ready)
}

/** Whether it is an error or has one in a field: structured clone would leave that its message alone. */
export const holdsError = (value: unknown): boolean => {
  if (isError(value)) return true
  try {
    return typeof value === "object" && value !== null && Object.values(value).some(isError)
  } catch {
    return false
  }
}
