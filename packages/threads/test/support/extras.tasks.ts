import * as Schema from "effect/Schema"
import * as ThreadTask from "../../src/task/ThreadTask.ts"

export class Halt extends Schema.TaggedError<Halt>("test/Halt")("Halt", { at: Schema.Int }) {}

/** Says `count` things while it runs, and returns how many. */
export const Tell = ThreadTask.make("Tell", {
  payload: ThreadTask.cloned<{
    readonly how: "awaits" | "effect" | "at once" | "badly"
    readonly count: number
    readonly flag?: Int32Array
  }>(),
  success: Schema.Int,
  error: Halt,
  report: Schema.Struct({ at: Schema.DateFromString, n: Schema.Int })
})

/** Which thread it is, what it was given, and how much `Tell` has said there. */
export const Where = ThreadTask.make("Where", {
  payload: ThreadTask.cloned<{ readonly millis?: number } | undefined>(),
  success: ThreadTask.cloned<{
    readonly threadId: number
    readonly pid: number
    readonly argv: ReadonlyArray<string>
    readonly data: unknown
    readonly told: number
    readonly env: NodeJS.ProcessEnv
  }>()
})

export const extras = [Tell, Where] as const
