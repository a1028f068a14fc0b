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
import { asBuffer } from "./Values.ts"

export * from "./Values.ts"

/**
 * What can be moved between threads.
 *
 * @category models
 * @since 0.3.0
 */
export type Transfer = Transferable

/** Most tasks on their way to one thread. */
export const slots = 128

/**
 * The shared numbers behind those of the slots: of messages that the herd has posted, and of microseconds for which the
 * thread has looked for them. Both wrap. From `taken` on, one for each slot: reports of its task that the herd has done with.
 * `size`: of all.
 */
export const Shared = { posted: slots, looked: slots + 1, taken: slots + 2, size: 2 * slots + 2 } as const

/** Reports of one task that are on their way at most. */
export const reportsAhead = 16

/** What the shared number of a slot says. */
export const State = { free: 0, sent: 1, begun: 2, withdrawn: 3, aborted: 4 } as const

/**
 * How a task ended. `skipped`: it had been withdrawn. `packed`: a failure that travels as a defect does, because it is an
 * error. `report`: it has not ended, and says something.
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
 */
export const closing = -1

/** What a thread is told at its start. */
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

/** The first message of a thread. */
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

/** Values of one task in a message, behind the tag. */
export const width = 4

/** Where the child process of a herd finds its `Start`, on `globalThis`. */
export const startKey: unique symbol = Symbol.for("@lemmings/threads/start")

const nothing: ReadonlyArray<Transfer> = []

/** What the tasks or answers of one message move, together. */
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

/** Whether a message is an array with the tag in front. */
export const isTagged = (message: unknown, tag: number): message is ReadonlyArray<unknown> =>
  isArray(message) && message[0] === tag

/** Whether a value is the number of a slot. */
export const isSlot = (value: unknown): value is number =>
  typeof value === "number" && isInteger(value) && value >= 0 && value < slots

/** A whole number that a stranger does not know. */
export const randomTag = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

const names = (value: unknown): ReadonlyArray<string> =>
  isArray(value) ? value.filter((name) => typeof name === "string") : []

/** The first message of a thread, if it is one. */
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

/** The last words of a process, if they are. */
export const dyingOf = (message: unknown, tag: number): Dying | undefined => {
  if (!isRecord(message) || message["dying"] !== tag) return undefined
  const { cause, running } = message
  return { dying: tag, cause, running: isArray(running) ? running.filter(isSlot) : undefined }
}

// Looking further would take longer than to clone.
const deepest = 4
const mostLooked = 1000

type Path = ReadonlyArray<string | number>

/**
 * Which parts of a value are a `Buffer`, where structured clone would make a plain `Uint8Array` of it: their paths, those
 * at most four levels down, among the first 1,000 values. `undefined`: none.
 */
export const buffersIn = (value: unknown): ReadonlyArray<Path> | undefined => {
  if (!isRecord(value)) return undefined
  let found: Array<Path> | undefined
  let looked = 0
  const look = (part: unknown, key: string | number, path: Path) => {
    if (typeof part !== "object" || part === null || looked > mostLooked) return
    inside(part, [...path, key])
  }
  const inside = (part: object, path: Path) => {
    if (ArrayBuffer.isView(part)) {
      if (Buffer.isBuffer(part)) (found ??= []).push(path)
    } else if (path.length < deepest) {
      if (isArray(part)) for (let i = 0; i < part.length && looked++ < mostLooked; i++) look(part[i], i, path)
      else
        for (const key in part) {
          if (looked++ > mostLooked) break
          look(part[key as keyof typeof part], key, path)
        }
    }
  }
  try {
    inside(value, [])
    return found
  } catch {
    // What cannot be looked at cannot be cloned either.
    return undefined
  }
}

/** Makes those parts of a cloned value a `Buffer` again, without copying. */
export const withBuffers = (value: unknown, paths: unknown): unknown => {
  if (!isArray(paths)) return value
  let all = value
  for (const path of paths) {
    if (!isArray(path)) continue
    const keys = path.map(String)
    const last = keys.pop()
    if (last === undefined) {
      all = asBuffer(all)
      continue
    }
    let holder: unknown = value
    for (const key of keys) holder = ownPart(holder, key)
    const part = ownPart(holder, last)
    if (part instanceof Uint8Array) Reflect.set(holder as object, last, asBuffer(part))
  }
  return all
}

const ownPart = (value: unknown, key: string): unknown =>
  isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined
