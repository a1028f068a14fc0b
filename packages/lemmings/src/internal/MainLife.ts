/**
 * How a process ends: what follows from signals, herds and the main program, as plain data.
 */
import { Cause, type Exit, Runtime } from "effect"

export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP"

const numbers: Record<Signal, number> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

export const signals: ReadonlyArray<Signal> = ["SIGTERM", "SIGINT", "SIGHUP"]

/** Errors of a stream whose reader is gone: a pipe, a terminal, and what they leave behind. */
const readerGone: ReadonlySet<unknown> = new Set(["EPIPE", "EIO", "ECONNRESET", "ERR_STREAM_DESTROYED"])

/** Whether nobody reads a stream any more, by its error. */
export const isReaderGone = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && readerGone.has(error.code)

/** What the shell says of a process that a signal ended. */
export const signalCode = (signal: Signal): number => 128 + numbers[signal]

/**
 * The phases of a process, in order. It never goes back to an earlier one.
 *
 * - `running`: no signal yet.
 * - `leaving`: not ready any more; the herds go on for the length of the delay.
 * - `draining`: the herds have been told to stop.
 * - `interrupting`: the herds have been told to interrupt.
 * - `closing`: the herds are closed, and the main fiber has been interrupted.
 * - `over`: only the exit is left.
 */
export type Phase = "running" | "leaving" | "draining" | "interrupting" | "closing" | "over"

export interface State {
  readonly phase: Phase
  /** Signals received. */
  readonly signals: number
  /** The latest. */
  readonly signal: Signal | undefined
  /** Herds seen since the first signal that have not closed. */
  readonly open: number
  /** Whether the main fiber has ended. */
  readonly ended: boolean
}

export type Input =
  | { readonly _tag: "Signal"; readonly signal: Signal }
  | { readonly _tag: "DelayOver" }
  | { readonly _tag: "HerdSeen" }
  | { readonly _tag: "HerdClosed" }
  | { readonly _tag: "MainEnded" }
  /** The main fiber has not ended in time. */
  | { readonly _tag: "Overdue" }

/**
 * - `announce`: say that the process is ready for no more work, and look which herds there are.
 * - `delay`, `stop`, `kill`: wait; stop every herd not told yet; interrupt every herd that is open.
 * - `report`: log what the herds reported.
 * - `interrupt`: interrupt the main fiber, and give it a time limit.
 * - `leave`, `giveUp`, `quit`: exit with the code earned; with the signal's because of the limit; with the signal's at once.
 */
export type Step =
  | "announce"
  | "delay"
  | "stop"
  | "kill"
  | "report"
  | "interrupt"
  | "leave"
  | "giveUp"
  | "quit"

export type Next = readonly [State, ReadonlyArray<Step>]

export const initial: State = { phase: "running", signals: 0, signal: undefined, open: 0, ended: false }

/** The third signal ends the process. */
const patience = 3

const signalled = (state: State): Next => {
  if (state.signals >= patience) return [{ ...state, phase: "over" }, ["quit"]]
  if (state.phase === "running") return [{ ...state, phase: "leaving" }, ["announce", "delay"]]
  if (state.phase === "closing") return [state, []]
  return [{ ...state, phase: "interrupting" }, ["kill"]]
}

const seen = (state: State): Next => {
  const more = { ...state, open: state.open + 1 }
  if (state.phase === "leaving") return [more, []]
  return [more, [state.phase === "interrupting" ? "kill" : "stop"]]
}

const ended = (state: State): Next => {
  const without = { ...state, ended: true }
  if (state.phase === "running") return [{ ...without, phase: "over" }, ["leave"]]
  // Nobody is left for whom to wait.
  return state.phase === "leaving" ? [{ ...without, phase: "draining" }, ["stop"]] : [without, []]
}

const react = (state: State, input: Input): Next => {
  switch (input._tag) {
    case "Signal":
      return signalled({ ...state, signals: state.signals + 1, signal: input.signal })
    case "DelayOver":
      return state.phase === "leaving" ? [{ ...state, phase: "draining" }, ["stop"]] : [state, []]
    case "HerdSeen":
      return seen(state)
    case "HerdClosed":
      return [{ ...state, open: state.open - 1 }, []]
    case "MainEnded":
      return ended(state)
    case "Overdue":
      return state.phase === "closing" ? [{ ...state, phase: "over" }, ["giveUp"]] : [state, []]
  }
}

/** What follows once every herd is closed. */
const settle = ([state, steps]: Next): Next => {
  if (state.open > 0) return [state, steps]
  switch (state.phase) {
    case "draining":
    case "interrupting":
      return state.ended
        ? [{ ...state, phase: "over" }, [...steps, "report", "leave"]]
        : [{ ...state, phase: "closing" }, [...steps, "report", "interrupt"]]
    case "closing":
      return state.ended ? [{ ...state, phase: "over" }, [...steps, "report", "leave"]] : [state, steps]
    case "running":
    case "leaving":
    case "over":
      return [state, steps]
  }
}

export const next = (state: State, input: Input): Next =>
  state.phase === "over" ? [state, []] : settle(react(state, input))

/** What the main program failed with of its own, leaving out what a stop does to it: interruption and closed herds. */
export const ownFailure = <E>(
  cause: Cause.Cause<E>,
  isClosed: (error: unknown) => boolean
): Cause.Cause<E> | undefined => {
  const own = cause.reasons.filter((reason) => {
    if (Cause.isInterruptReason(reason)) return false
    return !isClosed(Cause.isFailReason(reason) ? reason.error : reason.defect)
  })
  return own.length === 0 ? undefined : Cause.fromReasons(own)
}

/**
 * The exit code of a process whose main program has ended. `lost` counts the accepted tasks that did not end by
 * themselves.
 */
export const exitCode = (
  exit: Exit.Exit<unknown, unknown>,
  {
    isClosed,
    lost,
    signal
  }: {
    readonly signal: Signal | undefined
    readonly lost: number
    readonly isClosed: (error: unknown) => boolean
  }
): number => {
  let code = 0
  if (signal === undefined) {
    Runtime.defaultTeardown(exit, (asUsual) => {
      code = asUsual
    })
    return code
  }
  const own = exit._tag === "Success" ? undefined : ownFailure(exit.cause, isClosed)
  if (own !== undefined) code = Runtime.getErrorExitCode(Cause.squash(own))
  return code === 0 && lost > 0 ? signalCode(signal) : code
}
