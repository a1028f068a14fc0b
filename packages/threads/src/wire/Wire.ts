/**
 * What a herd and its threads say to each other. Imports nothing but types: a thread starts with it.
 *
 * **Details**
 *
 * A herd sends arrays of four values for each task: slot, index of the task, payload, origin. A thread answers with
 * arrays of four: slot, status, value, milliseconds. One array carries as many as there are. Both share one number for each slot,
 * so that a task that has not begun can be withdrawn, although the thread is busy; and a number of messages, so that a
 * thread sees one come before its event loop does.
 *
 * @since 0.3.0
 */
import type { MessagePort, Transferable } from "node:worker_threads"

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
 * thread has looked for them. Both wrap. `size`: of all.
 *
 * @category constants
 * @since 0.4.0
 */
export const Shared = { posted: slots, looked: slots + 1, size: slots + 2 } as const

/**
 * What the shared number of a slot says.
 *
 * @category constants
 * @since 0.3.0
 */
export const State = { free: 0, sent: 1, begun: 2, withdrawn: 3, aborted: 4 } as const

/**
 * How a task ended. `skipped`: it had been withdrawn.
 *
 * @category constants
 * @since 0.3.0
 */
export const Status = { success: 0, failure: 1, defect: 2, skipped: 3, interrupted: 4 } as const

/**
 * The message that asks a thread to end. Numbers from 0 on abort the task of that slot.
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
}

/**
 * The first message of a thread.
 *
 * @category models
 * @since 0.3.0
 */
export interface Ready {
  /** Tasks of the herd for which there is no handler. */
  readonly missing: ReadonlyArray<string>
  readonly served: ReadonlyArray<string>
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
 * A defect that can travel.
 *
 * @category models
 * @since 0.3.0
 */
export interface Defect {
  readonly error: boolean
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly value: unknown
}

/**
 * Values of one task in a message.
 *
 * @category constants
 * @since 0.3.0
 */
export const width = 4

/**
 * The variable that tells a child process that it serves a herd.
 *
 * @category constants
 * @since 0.3.0
 */
export const processVariable = "LEMMINGS_THREADS"

/**
 * Makes a defect able to travel: errors keep name, message, stack and what can be cloned of the rest.
 *
 * @category operations
 * @since 0.3.0
 */
export const packDefect = (defect: unknown): Defect => {
  if (defect instanceof Error) {
    const { message, name, stack } = defect
    return {
      error: true,
      name,
      message,
      stack,
      value: cloned({ ...Object.fromEntries(Object.entries(defect)), cause: defect.cause })
    }
  }
  const value = cloned(defect)
  return { error: false, name: "", message: String(defect), stack: undefined, value: value ?? String(defect) }
}

const cloned = (value: unknown): unknown => {
  try {
    return structuredClone(value)
  } catch {
    return undefined
  }
}

/**
 * The defect as it was.
 *
 * @category operations
 * @since 0.3.0
 */
export const unpackDefect = ({ error, message, name, stack, value }: Defect): unknown => {
  if (!error) return value
  const made = new Error(message)
  if (typeof value === "object" && value !== null) {
    for (const [key, own] of Object.entries(value)) if (own !== undefined) Reflect.set(made, key, own)
  }
  made.name = name
  if (stack !== undefined) made.stack = stack
  return made
}

/**
 * Those of the buffers that belong to a value, so that they may travel with it: the value itself, its fields, and what
 * they are views of.
 *
 * @category operations
 * @since 0.3.0
 */
export const holding = <Buffer>(value: unknown, buffers: ReadonlyArray<Buffer>): Array<Buffer> => {
  const inside = typeof value === "object" && value !== null && !ArrayBuffer.isView(value)
  const parts: ReadonlyArray<unknown> = inside ? [value, ...Object.values(value)] : [value]
  return buffers.filter((buffer) =>
    parts.some((part) => part === buffer || (ArrayBuffer.isView(part) && part.buffer === buffer))
  )
}
