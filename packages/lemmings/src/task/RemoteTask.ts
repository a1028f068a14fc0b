/**
 * Tasks that happen elsewhere: on a thread, in another process. An effect says how it is started there, and a herd then
 * needs no fiber for it, which would only wait for the answer. Imports types alone: threads load it too.
 *
 * @since 0.4.0
 */
import type { Context, Effect, Exit } from "effect"

/**
 * Under which an effect has its `Start`.
 *
 * @category constants
 * @since 0.4.0
 */
export const start: unique symbol = Symbol.for("lemmings/RemoteTask/start")

/**
 * Starts the task with the resource of its worker, in the context of its submitter, and calls `end` once: at once or later,
 * but not after it was stopped. Returns what stops the task and waits until it has ended, for interruption and timeouts.
 *
 * It means the same as the effect, run with that resource in its context: a herd with middleware, or a tracer, runs that.
 *
 * @category models
 * @since 0.4.0
 */
export type Start = (
  resource: unknown,
  context: Context.Context<never>,
  end: (exit: Exit.Exit<unknown, unknown>) => void
) => Effect.Effect<void>
