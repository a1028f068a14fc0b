/**
 * What a herd and its threads say to each other. A thread starts with it.
 *
 * **Details**
 *
 * Every message begins with the tag of the thread, a random number that both know: libraries send messages of their own
 * by the channel of a process, and what has no tag or another shape is ignored. A herd sends arrays of the tag and four
 * values for each task: slot, index of the task, payload, origin. A thread answers with arrays of the tag and four: slot,
 * status, value, milliseconds. One array carries as many as there are. Both share one number for each slot, so that a
 * task that has not begun can be withdrawn, although the thread is busy; and a number of messages, so that a thread sees
 * one come before its event loop does.
 *
 * @since 0.3.0
 */
import type { MessagePort, Transferable } from "node:worker_threads"
export * from "./Values.ts"

/**
 * What can be moved between threads.
 *
 * @category models
 * @since 0.3.0
 */
export type Transfer = Transferable

/**
 * Most tasks on their way to one thread.
 *
 * @category constants
 * @since 0.3.0
 */
export const slots = 128

/**
 * The shared numbers behind those of the slots: of messages that the herd has posted, and of microseconds for which the
 * thread has looked for them. Both wrap. From `taken` on, one for each slot: reports of its task that the herd has done with.
 * `size`: of all.
 *
 * @category constants
 * @since 0.4.0
 */
export const Shared = { posted: slots, looked: slots + 1, taken: slots + 2, size: 2 * slots + 2 } as const

/**
 * Reports of one task that are on their way at most.
 *
 * @category constants
 * @since 0.5.0
 */
export const reportsAhead = 16

/**
 * What the shared number of a slot says.
 *
 * @category constants
 * @since 0.3.0
 */
export const State = { free: 0, sent: 1, begun: 2, withdrawn: 3, aborted: 4 } as const

/**
 * How a task ended. `skipped`: it had been withdrawn. `packed`: a failure that travels as a defect does, because it is an
 * error. `report`: it has not ended, and says something.
 *
 * @category constants
 * @since 0.3.0
 */
export const Status = {
  success: 0,
  failure: 1,
  defect: 2,
  skipped: 3,
  interrupted: 4,
  packed: 5,
  report: 6
} as const

/**
 * In the place of a slot, in a message of the tag and a slot, it asks a thread to end. A slot there aborts its task.
 *
 * @category constants
 * @since 0.3.0
 */
export const closing = -1

/**
 * What a thread is told at its start.
 *
 * @category models
 * @since 0.3.0
 */
export interface Start {
  /** The herd. */
  readonly lemmings: string
  readonly tag: number
  readonly workerId: number
  /** The tasks, in the order of their indexes. */
  readonly tasks: ReadonlyArray<string>
  /** How many tasks run at once. */
  readonly concurrency: number
  /** Whether to say how large the heap is. */
  readonly heap: boolean
  /** The shared numbers: one for each slot, and those of `Shared`. A process has none. */
  readonly states: Int32Array<SharedArrayBuffer> | undefined
  /** Where the herd's messages come from, and the answers go to. A process has a channel of its own. */
  readonly port: MessagePort | undefined
  /** The module of a process, which its own entry imports. */
  readonly module: string | undefined
  /** What the herd was given for its threads. */
  readonly data: unknown
}

/**
 * The first message of a thread.
 *
 * @category models
 * @since 0.3.0
 */
export interface Ready {
  readonly ready: number
  /** Tasks of the herd for which there is no handler. */
  readonly missing: ReadonlyArray<string>
  readonly served: ReadonlyArray<string>
  /** Where a debugger reaches the process. */
  readonly inspector: string | undefined
}

/**
 * The last words of a process: what it dies of, and which tasks it had begun. They come one by one, or not at all.
 *
 * @category models
 * @since 0.5.0
 */
export interface Dying {
  readonly dying: number
  readonly cause?: unknown
  /** Slots. */
  readonly running?: ReadonlyArray<number> | undefined
}

/**
 * Where a task comes from, for its spans and logs.
 *
 * @category models
 * @since 0.3.0
 */
export interface Origin {
  /** The caller's span. */
  readonly span: { readonly traceId: string; readonly spanId: string; readonly sampled: boolean } | undefined
  /** The caller's log annotations. What cannot be cloned is a string. */
  readonly annotations: { readonly [name: string]: unknown }
}

/**
 * Values of one task in a message, behind the tag.
 *
 * @category constants
 * @since 0.3.0
 */
export const width = 4

/**
 * Where the child process of a herd finds its `Start`, on `globalThis`.
 *
 * @category constants
 * @since 0.5.0
 */
export const startKey: unique symbol = Symbol.for("@lemmings/threads/start")

const nothing: ReadonlyArray<Transfer> = []

/**
 * What the tasks or answers of one message move, together.
 *
 * @category operations
 * @since 0.5.0
 */
export const together = (
  lists: ReadonlyArray<ReadonlyArray<Transfer> | undefined>
): ReadonlyArray<Transfer> => {
  let all: Array<Transfer> | undefined
  for (const list of lists) if (list !== undefined) (all ??= []).push(...list)
  return all ?? nothing
}

// Handlers may patch what is global.
const isArray: (value: unknown) => value is ReadonlyArray<unknown> = Array.isArray
const { isInteger } = Number

/**
 * Whether a message is an array with the tag in front.
 *
 * @category guards
 * @since 0.5.0
 */
export const isTagged = (message: unknown, tag: number): message is ReadonlyArray<unknown> =>
  isArray(message) && message[0] === tag

/**
 * Whether a value is the number of a slot.
 *
 * @category guards
 * @since 0.5.0
 */
export const isSlot = (value: unknown): value is number =>
  typeof value === "number" && isInteger(value) && value >= 0 && value < slots

/**
 * A whole number that a stranger does not know.
 *
 * @category constructors
 * @since 0.5.0
 */
export const randomTag = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

const names = (value: unknown): ReadonlyArray<string> =>
  isArray(value) ? value.filter((name) => typeof name === "string") : []

/**
 * The first message of a thread, if it is one.
 *
 * @category operations
 * @since 0.5.0
 */
export const readyOf = (message: unknown, tag: number): Ready | undefined => {
  if (!isRecord(message) || message["ready"] !== tag) return undefined
  const { inspector, missing, served } = message
  return {
    ready: tag,
    missing: names(missing),
    served: names(served),
    inspector: typeof inspector === "string" ? inspector : undefined
  }
}

/**
 * The last words of a process, if they are.
 *
 * @category operations
 * @since 0.5.0
 */
export const dyingOf = (message: unknown, tag: number): Dying | undefined => {
  if (!isRecord(message) || message["dying"] !== tag) return undefined
  const { cause, running } = message
  return { dying: tag, cause, running: isArray(running) ? running.filter(isSlot) : undefined }
}

// Longer arrays would take longer to look through than to clone, if they are empty.
const longestLooked = 100_000

/**
 * Which parts of a value are a `Buffer`, where structured clone would make a plain `Uint8Array` of it: `true`, the value itself, or the
 * keys of its fields, those of an array up to 100,000. `undefined`: none.
 *
 * @category operations
 * @since 0.5.0
 */
export const buffersIn = (value: unknown): Buffers | undefined => {
  if (!isRecord(value)) return undefined
  try {
    if (ArrayBuffer.isView(value)) return Buffer.isBuffer(value) ? true : undefined
    let found: Array<string | number> | undefined
    if (isArray(value)) {
      if (value.length > longestLooked) return undefined
      for (let i = 0; i < value.length; i++) {
        const part = value[i]
        if (typeof part === "object" && ArrayBuffer.isView(part) && Buffer.isBuffer(part))
          (found ??= []).push(i)
      }
    } else {
      for (const key in value) {
        const part = value[key]
        if (typeof part === "object" && ArrayBuffer.isView(part) && Buffer.isBuffer(part))
          (found ??= []).push(key)
      }
    }
    return found
  } catch {
    // What cannot be looked at cannot be cloned either.
    return undefined
  }
}

/**
 * @category models
 * @since 0.5.0
 */
export type Buffers = true | ReadonlyArray<string | number>

/**
 * Makes those parts of a cloned value a `Buffer` again, without copying.
 *
 * @category operations
 * @since 0.5.0
 */
export const withBuffers = (value: unknown, buffers: unknown): unknown => {
  if (buffers === true) return value instanceof Uint8Array ? asBuffer(value) : value
  if (!isArray(buffers) || !isRecord(value)) return value
  for (const key of buffers.map(String)) {
    const part = Object.hasOwn(value, key) ? value[key] : undefined
    if (part instanceof Uint8Array) Reflect.set(value, key, asBuffer(part))
  }
  return value
}

const asBuffer = ({ buffer, byteLength, byteOffset }: Uint8Array) =>
  Buffer.from(buffer, byteOffset, byteLength)
