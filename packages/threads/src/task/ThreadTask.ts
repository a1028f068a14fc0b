/**
 * The declaration of a task that runs on a thread: its name, and what goes in and comes out.
 *
 * Importing it loads `effect/Schema` and little else, so that threads may import the declarations of their tasks.
 *
 * @since 0.3.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as RemoteTask from "lemmings/RemoteTask"
import type { Transfer } from "../wire/Wire.ts"
import type { InvalidPayload, ThreadsUnavailable, WorkerLost } from "./ThreadError.ts"

/**
 * What a call requires: a herd that runs tasks of this name.
 *
 * @category models
 * @since 0.3.0
 */
export interface Runs<out Name extends string> {
  readonly "~lemmings/Runs": Name
}

/**
 * A task that was called.
 *
 * @category models
 * @since 0.4.0
 */
export interface Call {
  readonly task: AnyTask
  readonly payload: unknown
  readonly transfer: ReadonlyArray<Transfer> | undefined
  readonly onReport: ((report: unknown) => Effect.Effect<unknown, unknown>) | undefined
  /** The call itself, for errors that say that it did not begin. */
  readonly effect: Effect.Effect<unknown, unknown>
}

/**
 * How a herd lets a task run.
 *
 * @category models
 * @since 0.3.0
 */
export interface Caller {
  /** Starts a task, in the context of who submitted it, and tells its end once. Returns what stops it and waits for that. */
  readonly start: (
    call: Call,
    context: Context.Context<never>,
    end: (exit: Exit.Exit<unknown, unknown>) => void
  ) => Effect.Effect<void>
}

/**
 * The worker's thread, in the context of a herd's tasks.
 *
 * @category constants
 * @since 0.3.0
 */
export const CurrentThread = Context.Service<Runs<string>, Caller>("@lemmings/threads/Thread")

/**
 * The errors that every call may have.
 *
 * @category models
 * @since 0.3.0
 */
export type CallError = WorkerLost | InvalidPayload | ThreadsUnavailable

/**
 * @category models
 * @since 0.3.0
 */
export interface CallOptions {
  /**
   * Buffers of the payload that are moved instead of copied. The caller cannot use them afterwards. They stay here until
   * the thread can begin the task; a process gets copies.
   */
  readonly transfer?: ReadonlyArray<Transfer> | undefined
}

/**
 * A call that hears what the task says.
 *
 * @category models
 * @since 0.5.0
 */
export interface HearingOptions<in Report, out E = never, out R = never> extends CallOptions {
  /**
   * Hears what the task says while it runs (`report` of its handler), one after another, and all of it before the task's
   * end. While this takes its time the handler waits with its next report. A failure is the task's, and stops it.
   * Interrupting the task interrupts this.
   */
  readonly onReport: (report: Report) => Effect.Effect<unknown, E, R>
}

/**
 * The two sides of a value.
 *
 * @category models
 * @since 0.3.0
 */
export interface Codec {
  readonly encode: (value: unknown) => unknown
  readonly decode: (value: unknown) => unknown
}

/**
 * A task, whatever its types are.
 *
 * @category models
 * @since 0.3.0
 */
export interface AnyTask {
  readonly name: string
  readonly "~encoded": Types<unknown, unknown, unknown, unknown>
  readonly "~types": Types<unknown, unknown, unknown, unknown>
  /** `undefined`: structured clone. */
  readonly codecs: {
    readonly payload: Codec | undefined
    readonly success: Codec | undefined
    readonly error: Codec | undefined
    readonly report: Codec | undefined
  }
}

/**
 * What goes in and out of a task, as types alone.
 *
 * @category models
 * @since 0.5.0
 */
export interface Types<out P, out A, out E, out Report> {
  readonly payload: P
  readonly success: A
  readonly error: E
  readonly report: Report
}

/**
 * A declared task. Calling it with a payload makes the effect that a herd runs.
 *
 * @category models
 * @since 0.3.0
 */
export interface ThreadTask<
  out Name extends string,
  in out P,
  out A,
  out E,
  PE = P,
  AE = A,
  EE = E,
  in out Report = never,
  ReportE = Report
> extends AnyTask {
  (payload: P, options?: CallOptions): Effect.Effect<A, E | CallError, Runs<Name>>
  <E2 = never, R2 = never>(
    payload: P,
    options: [Report] extends [never] ? never : HearingOptions<Report, E2, R2>
  ): Effect.Effect<A, E | E2 | CallError, Runs<Name> | R2>
  readonly name: Name
  readonly "~types": Types<P, A, E, Report>
  readonly "~encoded": Types<PE, AE, EE, ReportE>
}

const clonedKey = "~lemmings/cloned"

/**
 * Says the type of a value that travels by structured clone, unchecked.
 *
 * @category models
 * @since 0.3.0
 */
export interface Cloned<out T> {
  readonly "~lemmings/cloned": () => T
}

/**
 * A value that travels by structured clone, unchecked: `payload: ThreadTask.cloned<{ path: string }>()`. Buffers, maps,
 * sets, dates and `SharedArrayBuffer` keep what they are; functions and the classes of objects do not.
 *
 * @category constructors
 * @since 0.3.0
 */
export const cloned = <T>(): Cloned<T> => ({
  [clonedKey]: () => {
    throw new Error("a type alone")
  }
})

type Side = Schema.Codec<unknown, unknown> | Cloned<unknown> | undefined
type Fields = { readonly [name: string]: Schema.Codec<unknown, unknown> }

/** What the side of a task is where it is used, `Type`, or on its way, `Encoded`. */
type Of<S, Default, As extends "Type" | "Encoded"> =
  S extends Cloned<infer T>
    ? T
    : S extends Schema.Codec<infer T, infer I>
      ? { readonly Type: T; readonly Encoded: I }[As]
      : S extends Fields
        ? Schema.Struct<S>[As]
        : Default

const isCloned = (side: object): boolean => clonedKey in side

const codec = (side: Side | Fields): Codec | undefined => {
  if (side === undefined || isCloned(side)) return undefined
  const schema: Schema.Codec<unknown, unknown> = Schema.isSchema(side) ? side : Schema.Struct(side as Fields)
  return { encode: Schema.encodeUnknownSync(schema), decode: Schema.decodeUnknownSync(schema) }
}

/**
 * Declares a task. What is left out of the options travels as nothing (`payload`, `success`: `void`; `error`, `report`: `never`).
 *
 * **Example** (A task, run without a thread)
 *
 * ```ts import.meta.vitest
 * import { Effect, Schema } from "effect"
 * import { ThreadHerd, ThreadTask, ThreadTasks } from "@lemmings/threads"
 *
 * const Double = ThreadTask.make("Double", { payload: Schema.Int, success: Schema.Int })
 *
 * class Doubling extends ThreadHerd.Service<Doubling>()("docs/Doubling", {
 *   tasks: [Double],
 *   worker: new URL("./doubling.worker.ts", import.meta.url)
 * }) {}
 *
 * // What doubling.worker.ts exports.
 * const served = ThreadTasks.serve([Double], { Double: (n) => n * 2 })
 *
 * const program = Doubling.run(Double(21))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Doubling.layerInline(served)))) // => 42
 * ```
 *
 * @category constructors
 * @since 0.3.0
 */
export const make = <
  const Name extends string,
  P extends Side | Fields = undefined,
  A extends Side = undefined,
  E extends Side = undefined,
  Report extends Side = undefined
>(
  name: Name,
  options: {
    readonly payload?: P
    readonly success?: A
    readonly error?: E
    /** What the task says while it runs. */
    readonly report?: Report
  } = {}
): ThreadTask<
  Name,
  Of<P, void, "Type">,
  Of<A, void, "Type">,
  Of<E, never, "Type">,
  Of<P, void, "Encoded">,
  Of<A, void, "Encoded">,
  Of<E, never, "Encoded">,
  Of<Report, never, "Type">,
  Of<Report, never, "Encoded">
> => {
  const codecs = {
    payload: codec(options.payload),
    success: codec(options.success),
    error: codec(options.error),
    report: codec(options.report)
  }
  const task = (payload: unknown, { onReport, transfer }: Partial<HearingOptions<unknown, unknown>> = {}) => {
    const effect: Effect.Effect<unknown, unknown, Runs<string>> = Effect.withFiber(({ context }) =>
      Effect.callback((resume) => Context.getUnsafe(context, CurrentThread).start(call, context, resume))
    )
    const call: Call = {
      task: declared,
      payload,
      // Read once: the list is the caller's.
      transfer: transfer && [...transfer],
      onReport,
      effect: effect as Effect.Effect<unknown, unknown>
    }
    const start: RemoteTask.Start = (thread, context, end) => (thread as Caller).start(call, context, end)
    return Object.assign(effect, { [RemoteTask.start]: start })
  }
  Object.defineProperty(task, "name", { value: name })
  const types = { payload: undefined, success: undefined, error: undefined, report: undefined }
  const declared = Object.assign(task, {
    codecs,
    "~types": types,
    "~encoded": types
  }) as unknown as ReturnType<typeof make<Name, P, A, E, Report>>
  return declared
}
