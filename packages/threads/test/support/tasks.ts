import * as Schema from "effect/Schema"
import * as ThreadTask from "../../src/task/ThreadTask.ts"

/** Gives back what it gets. */
export const Echo = ThreadTask.make("Echo", {
  payload: ThreadTask.cloned<unknown>(),
  success: ThreadTask.cloned<unknown>()
})

export class TooWide extends Schema.TaggedError<TooWide>("test/TooWide")("TooWide", { width: Schema.Int }) {}

/** A day later. Fails typed before 1970. */
export const Tomorrow = ThreadTask.make("Tomorrow", {
  payload: { day: Schema.DateFromString, width: Schema.Int.check(Schema.isGreaterThan(0)) },
  success: Schema.DateFromString,
  error: TooWide
})

/** What a handler may do wrong. */
export const Act = ThreadTask.make("Act", {
  payload: ThreadTask.cloned<{
    readonly what:
      | "pid"
      | "settings"
      | "say"
      | "crashLater"
      | "throw"
      | "exit"
      | "exitNext"
      | "rejectLater"
      | "crash"
      | "oom"
      | "spin"
      | "spinPolitely"
      | "wait"
      | "sync"
      | "function"
    readonly millis?: number
    readonly flag?: Int32Array
    readonly value?: unknown
  }>(),
  success: ThreadTask.cloned<unknown>()
})

/** An Effect that sleeps, and says what happened to it. */
export const Sleep = ThreadTask.make("Sleep", {
  payload: ThreadTask.cloned<{ readonly millis: number; readonly flag: Int32Array }>(),
  success: Schema.String
})

/** Moves a buffer back. */
export const Move = ThreadTask.make("Move", {
  payload: ThreadTask.cloned<Uint8Array<ArrayBuffer>>(),
  success: ThreadTask.cloned<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly before: number }>()
})

/** What a handler knows of its caller: its span, its log annotations, and the same as plain data. */
export const Seen = ThreadTask.make("Seen", {
  success: ThreadTask.cloned<{
    readonly traceId: string | undefined
    readonly spanId: string | undefined
    readonly annotations: object
    readonly origin: unknown
  }>()
})

export const all = [Echo, Tomorrow, Act, Sleep, Move, Seen] as const
