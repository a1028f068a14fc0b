/** Starts what tasks run on, a thread or a child process, and hides which of them it is. */
import { fork } from "node:child_process"
import type { Readable } from "node:stream"
import {
  MessageChannel,
  receiveMessageOnPort,
  type ResourceLimits,
  type Transferable,
  Worker
} from "node:worker_threads"
import { dyingOf, randomTag, Shared, type Start, unpackDefect } from "../wire/Wire.ts"
import { childEnv, childExecArgv } from "./ChildOptions.ts"

/** A running thread or process. */
export interface Host {
  /** What begins every message of this thread, and of no other. */
  readonly tag: number
  /** Of the thread in this process. */
  readonly threadId: number | undefined
  /** Of the child process. */
  readonly pid: number | undefined
  /** Throws when the message cannot be cloned. */
  readonly post: (message: unknown, transfer: ReadonlyArray<Transferable>) => void
  /** The numbers that both sides share. A process has none. */
  readonly states: Int32Array<SharedArrayBuffer> | undefined
  readonly terminate: () => void
  /** How long its event loop was busy and idle since the start, in milliseconds. `undefined`: nobody knows. */
  readonly eventLoop: () => EventLoop | undefined
}

/** Milliseconds since the start. */
interface EventLoop {
  readonly active: number
  readonly idle: number
}

/**
 * Reads part of the time in which an event loop was busy since the reading before, 0 to 1. Each reader has its own.
 */
export const meter = (eventLoop: Host["eventLoop"]): (() => number | undefined) => {
  let before: EventLoop = { active: 0, idle: 0 }
  return () => {
    const now = eventLoop()
    if (now === undefined) return undefined
    const active = now.active - before.active
    const span = active + now.idle - before.idle
    before = now
    return span > 0 ? Math.min(1, Math.max(0, active / span)) : 0
  }
}

/** The time in which a thread looked for messages counts as idle. `looked` are microseconds, of 32 bits. */
export const withoutLooks = (eventLoop: () => EventLoop, looked: () => number): (() => EventLoop) => {
  let before = 0
  let millis = 0
  return () => {
    const now = looked()
    millis += ((now - before) >>> 0) / 1000
    before = now
    const { active, idle } = eventLoop()
    return { active: active - millis, idle: idle + millis }
  }
}

/** What a host says. `ended` comes last, once. */
export interface HostListener {
  readonly message: (message: unknown) => void
  /** `running`: the slots of the tasks that had begun, where a process has said that. */
  readonly ended: (exitCode: number | undefined, cause: unknown, running?: ReadonlyArray<number>) => void
}

/** How to start one. */
export interface HostOptions {
  readonly herd: string
  readonly worker: URL
  readonly isolation: "thread" | "process"
  readonly tasks: ReadonlyArray<string>
  readonly concurrency: number
  readonly heap: boolean
  readonly resourceLimits: ResourceLimits | undefined
  readonly execArgv: ReadonlyArray<string> | undefined
  readonly env: NodeJS.ProcessEnv | ReadonlyArray<string> | "all"
  readonly argv: ReadonlyArray<string> | undefined
  readonly workerData: unknown
  readonly output: "inherit" | "prefix" | "ignore"
}

const prefixed = (from: Readable | null, to: NodeJS.WritableStream, prefix: string) => {
  if (from === null) return
  let rest = ""
  from.setEncoding("utf8")
  from.on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) to.write(`${prefix}${line}\n`)
  })
  from.on("end", () => {
    if (rest !== "") to.write(`${prefix}${rest}\n`)
  })
}

const direct = (
  from: { readonly stdout: Readable | null; readonly stderr: Readable | null },
  { herd, output }: HostOptions,
  workerId: number
) => {
  if (output === "prefix") {
    prefixed(from.stdout, process.stdout, `[${herd} ${workerId}] `)
    prefixed(from.stderr, process.stderr, `[${herd} ${workerId}] `)
  } else if (output === "ignore") {
    from.stdout?.resume()
    from.stderr?.resume()
  }
}

const startOf = (
  { concurrency, heap, herd, tasks, workerData }: HostOptions,
  workerId: number,
  shared: Pick<Start, "tag" | "states" | "port" | "module">
): Start => ({ lemmings: herd, workerId, tasks, concurrency, heap, data: workerData, ...shared })

const thread = (options: HostOptions, workerId: number, listener: HostListener): Host => {
  const states = new Int32Array(new SharedArrayBuffer(4 * Shared.size))
  const captured = options.output !== "inherit"
  // Of its own: the worker's port hands each message on to an event emitter first.
  const { port1, port2 } = new MessageChannel()
  const tag = randomTag()
  const worker = new Worker(options.worker, {
    workerData: startOf(options, workerId, { tag, states, port: port2, module: undefined }),
    transferList: [port2],
    name: `${options.herd} ${workerId}`,
    stdout: captured,
    stderr: captured,
    ...(options.resourceLimits === undefined ? {} : { resourceLimits: options.resourceLimits }),
    ...(options.execArgv === undefined ? {} : { execArgv: [...options.execArgv] }),
    env: childEnv(options.env),
    ...(options.argv === undefined ? {} : { argv: [...options.argv] })
  })
  const { threadId } = worker
  if (captured) direct(worker, options, workerId)
  let cause: unknown
  port1.on("message", listener.message)
  // The worker alone keeps the process alive.
  port1.unref()
  worker.on("error", (error) => {
    cause = error
  })
  worker.on("exit", (code) => {
    // What it said before its end counts.
    for (let last = receiveMessageOnPort(port1); last !== undefined; last = receiveMessageOnPort(port1))
      listener.message(last.message)
    port1.close()
    listener.ended(code, cause)
  })
  return {
    tag,
    threadId,
    pid: undefined,
    post: (message, transfer) => {
      if (transfer.length === 0) port1.postMessage(message)
      else port1.postMessage(message, transfer)
      Atomics.add(states, Shared.posted, 1)
    },
    states,
    terminate: () => void worker.terminate(),
    eventLoop: withoutLooks(
      () => worker.performance.eventLoopUtilization(),
      () => Atomics.load(states, Shared.looked)
    )
  }
}

const lastWordsMillis = 1000

const entry = new URL(
  import.meta.url.endsWith(".ts") ? "../thread/child.ts" : "../thread/child.js",
  import.meta.url
)

const childProcess = (options: HostOptions, workerId: number, listener: HostListener): Host => {
  const stdio = options.output === "inherit" ? "inherit" : "pipe"
  const tag = randomTag()
  const child = fork(entry, [...(options.argv ?? [])], {
    serialization: "advanced",
    // The last one closes with us, whatever we die of.
    stdio: ["ignore", stdio, stdio, "ipc", "pipe"],
    // A group of its own: Ctrl+C is for us.
    detached: process.platform !== "win32",
    execArgv: childExecArgv(options, process.execArgv),
    env: childEnv(options.env)
  })
  for (const stream of child.stdio.slice(4)) {
    // A socket, though its type does not say so.
    if (stream !== null && stream !== undefined && "unref" in stream) (stream as unknown as Worker).unref()
    stream?.on("error", () => {})
  }
  direct(child, options, workerId)
  let cause: unknown
  let running: ReadonlyArray<number> | undefined
  let over = false
  const ended = (code: number | null, signal: NodeJS.Signals | null) => {
    if (over) return
    over = true
    listener.ended(
      code ?? undefined,
      cause ?? (signal === null ? undefined : new Error(`ended by ${signal}`)),
      running
    )
  }
  child.on("message", (message) => {
    const dying = dyingOf(message, tag)
    if (dying === undefined) return listener.message(message)
    if (dying.cause !== undefined) cause = unpackDefect(dying.cause)
    running ??= dying.running
  })
  child.on("error", (error) => {
    cause ??= error
    if (child.pid === undefined) ended(null, null)
  })
  child.on("exit", (code, signal) => {
    // What it said before its end counts, and may come after the news of it.
    if (!child.connected) return ended(code, signal)
    child.once("disconnect", () => ended(code, signal))
    // oxlint-disable-next-line house/no-wall-clock -- a channel that somebody else holds open, in real time
    setTimeout(() => ended(code, signal), lastWordsMillis).unref()
  })
  // What the channel cannot take it throws; that it is closed, its end says.
  const post = (message: unknown) => {
    if (child.connected) child.send(message as object, () => {})
  }
  try {
    post(startOf(options, workerId, { tag, states: undefined, port: undefined, module: options.worker.href }))
  } catch (error) {
    child.kill("SIGKILL")
    throw error
  }
  return {
    tag,
    threadId: undefined,
    pid: child.pid,
    post,
    states: undefined,
    terminate: () => void child.kill("SIGKILL"),
    eventLoop: () => undefined
  }
}

/** Starts a thread, or a process. Throws when there is no such way to start one. */
export const start = (options: HostOptions, workerId: number, listener: HostListener): Host =>
  (options.isolation === "thread" ? thread : childProcess)(options, workerId, listener)
