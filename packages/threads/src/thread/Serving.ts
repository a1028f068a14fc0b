/**
 * A thread's side: takes tasks as they come, runs them one after another, and answers each at once. Imports nothing of
 * Effect, because every thread starts with it.
 *
 * @since 0.3.0
 */
import { isMainThread, receiveMessageOnPort, workerData } from "node:worker_threads"
import { Lookout } from "./Lookout.ts"
import {
  closing,
  holding,
  type Origin,
  packDefect,
  processVariable,
  type Ready,
  type Start,
  State,
  Status,
  width,
  type Transfer
} from "../wire/Wire.ts"

/**
 * What a handler gets beside its payload.
 *
 * @category models
 * @since 0.3.0
 */
export interface TaskContext<E> {
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
}

/**
 * Ends a task.
 *
 * @category models
 * @since 0.3.0
 */
export type Settle = (status: number, value: unknown) => void

/**
 * Runs one task and calls `settle` once. `onAbort` says what to do when the task is interrupted.
 *
 * @category models
 * @since 0.3.0
 */
export type Invoke = (
  payload: unknown,
  context: TaskContext<unknown>,
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
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/**
 * The context of one task. The signal is made when it is asked for.
 *
 * @category models
 * @since 0.3.0
 */
export class Context implements TaskContext<unknown> {
  readonly workerId: number
  readonly origin: Origin | undefined
  readonly isAborted: () => boolean
  moved: Array<Transfer> | undefined
  onAbort: (() => void) | undefined
  private controller: AbortController | undefined

  constructor(workerId: number, origin: Origin | undefined, isAborted: () => boolean) {
    this.workerId = workerId
    this.origin = origin
    this.isAborted = isAborted
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

/**
 * Runs a plain function, or one that returns a promise.
 *
 * @category constructors
 * @since 0.3.0
 */
export const plain =
  (handler: (payload: never, context: TaskContext<never>) => unknown): Invoke =>
  (payload, context, settle) => {
    const failed = (error: unknown) =>
      error instanceof Failure ? settle(Status.failure, error.error) : settle(Status.defect, error)
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

interface Link {
  readonly start: Start
  readonly post: (message: unknown, transfer?: Array<Transfer>) => void
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

const isStart = (value: unknown): value is Start =>
  typeof value === "object" && value !== null && "lemmings" in value && "tasks" in value

/** The herd that started this thread or process, if one did. */
const link = (): Link | undefined => {
  if (!isMainThread && isStart(workerData) && workerData.port !== undefined) {
    const { port } = workerData
    return {
      start: workerData,
      post: (message, transfer) => port.postMessage(message, transfer),
      listen: (listener) => void port.on("message", listener),
      poll: () => receiveMessageOnPort(port),
      end: () => port.close()
    }
  }
  const variable = process.env[processVariable]
  if (variable === undefined || process.send === undefined) return undefined
  const start: unknown = JSON.parse(variable)
  if (!isStart(start)) return undefined
  return {
    start,
    post: (message) => void process.send?.(message),
    listen: (listener) => {
      process.on("message", listener)
      // The herd has gone: nobody would stop us.
      process.once("disconnect", () => process.exit())
    },
    poll: undefined,
    end: () => process.disconnect()
  }
}

/**
 * Serves the herd that started this thread. Does nothing elsewhere, as in a test that imports the handlers.
 *
 * @category operations
 * @since 0.3.0
 */
export const serve = (serving: Serving): void => {
  const herd = link()
  if (herd === undefined) return
  const { start } = herd
  const states = start.states ?? new Int32Array(new SharedArrayBuffer(4 * 1024))
  const owned = start.states === undefined
  const handlers = start.tasks.map((name) => serving.handlers[name])
  const running = new Map<number, Context>()
  const aborted = new Set<number>()
  let inbox: Array<unknown> = []
  let next = 0
  let answers: Array<unknown> = []
  let moved: Array<Transfer> | undefined
  let working = false

  const flush = () => {
    if (answers.length === 0) return
    const batch = answers
    const buffers = moved
    answers = []
    moved = undefined
    if (start.heap) batch.push(process.memoryUsage().heapUsed)
    try {
      herd.post(batch, buffers)
    } catch {
      // One of them cannot be cloned: all but that one arrive.
      for (let i = 0; i + 3 < batch.length; i += 4) alone(batch.slice(i, i + 4), buffers)
    }
  }
  const alone = (answer: Array<unknown>, buffers: Array<Transfer> | undefined) => {
    try {
      herd.post(answer, buffers === undefined ? undefined : holding(answer[2], buffers))
    } catch (error) {
      herd.post([answer[0], Status.defect, packDefect(error), answer[3]])
    }
  }

  const settled = (slot: number, context: Context, began: number, status: number, value: unknown) => {
    if (running.get(slot) !== context) return
    running.delete(slot)
    aborted.delete(slot)
    answers.push(slot, status, status === Status.defect ? packDefect(value) : value, realTime() - began)
    if (context.moved !== undefined) moved = [...(moved ?? []), ...context.moved]
    // At once: the next task may be the one that never ends.
    flush()
    if (working) return
    work()
    drain()
  }

  const begin = (slot: number, index: number, payload: unknown, origin: Origin | undefined) => {
    const isAborted = owned ? () => aborted.has(slot) : () => Atomics.load(states, slot) === State.aborted
    const withdrawn = owned
      ? aborted.delete(slot)
      : Atomics.compareExchange(states, slot, State.sent, State.begun) !== State.sent
    if (withdrawn) {
      answers.push(slot, Status.skipped, undefined, 0)
      return
    }
    const context = new Context(start.workerId, origin, isAborted)
    running.set(slot, context)
    const began = realTime()
    const invoke = handlers[index]
    if (invoke === undefined) {
      settled(slot, context, began, Status.defect, new Error(`no handler for task ${start.tasks[index]}`))
      return
    }
    invoke(
      payload,
      context,
      (status, value) => settled(slot, context, began, status, value),
      (abort) => {
        context.onAbort = abort
      }
    )
  }

  const work = () => {
    working = true
    while (running.size < start.concurrency && next < inbox.length) {
      const at = next
      next += width
      begin(inbox[at] as number, inbox[at + 1] as number, inbox[at + 2], inbox[at + 3] as Origin | undefined)
    }
    if (next >= inbox.length) {
      inbox = []
      next = 0
    }
    working = false
  }

  const isWaiting = (slot: number) => inbox.some((value, i) => i >= next && i % width === 0 && value === slot)

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

  const heard = (message: unknown) => {
    lookout.took()
    if (Array.isArray(message)) {
      inbox = next >= inbox.length ? message : [...inbox.slice(next), ...message]
      next = 0
      work()
      flush()
    } else if (message === closing) {
      closed = true
      void Promise.resolve(serving.close()).finally(herd.end)
    } else if (typeof message === "number") {
      // The news may come after the end of its task, and must not reach the next one in its slot.
      if (owned && (running.has(message) || isWaiting(message))) aborted.add(message)
      running.get(message)?.abort()
    }
  }
  herd.listen((message) => {
    lookout.woken()
    heard(message)
    drain()
  })
  const served = Object.keys(serving.handlers)
  herd.post({
    served,
    missing: start.tasks.filter((name) => !served.includes(name))
  } satisfies Ready)
}
