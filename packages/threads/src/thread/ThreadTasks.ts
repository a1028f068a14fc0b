/**
 * The full entry of a thread: handlers that know their tasks' schemas, and may be Effects.
 *
 * @since 0.3.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Context from "effect/Context"
import * as Fibers from "lemmings/internal/Fibers"
import { withOrigin } from "../task/Origin.ts"
import {
  type Invoke,
  plain,
  serve as serveHerd,
  type Serving,
  type Settle,
  type TaskContext
} from "./Serving.ts"
export type {
  /**
   * @category models
   * @since 0.3.0
   */
  Serving,
  /**
   * @category models
   * @since 0.3.0
   */
  TaskContext
} from "./Serving.ts"
export {
  /**
   * @category constants
   * @since 0.5.0
   */
  workerData
} from "./Serving.ts"
import type { AnyTask } from "../task/ThreadTask.ts"
import { Status } from "../wire/Wire.ts"

/**
 * A handler for each task: a function of the payload that returns the result, a promise of it, or an Effect.
 *
 * @category models
 * @since 0.3.0
 */
export type Handlers<Task extends AnyTask, R = never> = {
  readonly [Name in Task["name"]]: HandlerOf<Extract<Task, { readonly name: Name }>, R>
}

type HandlerOf<Task extends AnyTask, R> = (
  payload: Task["~types"]["payload"],
  context: TaskContext<Task["~types"]["error"], Task["~types"]["report"]>
) =>
  | Task["~types"]["success"]
  | Promise<Task["~types"]["success"]>
  | Effect.Effect<Task["~types"]["success"], Task["~types"]["error"], R>

type Handler = (payload: never, context: TaskContext<never>) => unknown

/** Encodes what comes out. What does not fit its schema is the handler's mistake: a defect. */
const encoded =
  ({ codecs }: AnyTask, settle: Settle): Settle =>
  (status, value) => {
    const codec =
      status === Status.success ? codecs.success : status === Status.failure ? codecs.error : undefined
    if (codec === undefined) return settle(status, value)
    let out: unknown
    try {
      out = codec.encode(value)
    } catch (error) {
      return settle(Status.defect, error)
    }
    return settle(status, out)
  }

const settleExit = (settle: Settle, exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isSuccess(exit)) return settle(Status.success, exit.value)
  if (Cause.hasInterruptsOnly(exit.cause)) return settle(Status.interrupted, undefined)
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined && !exit.cause.reasons.some(Cause.isDieReason))
    return settle(Status.failure, failure.error)
  return settle(Status.defect, Cause.squash(exit.cause))
}

const invokeOf =
  (task: AnyTask, handler: Handler, fork: Fork): Invoke =>
  (given, context, settle, onAbort) => {
    const out = encoded(task, settle)
    let payload: unknown
    try {
      payload = task.codecs.payload === undefined ? given : task.codecs.payload.decode(given)
    } catch (error) {
      return settle(Status.defect, error)
    }
    const { report: reported } = task.codecs
    if (reported !== undefined) {
      const { report } = context
      Object.defineProperty(context, "report", { value: (value: unknown) => report(reported.encode(value)) })
    }
    const run: Invoke = plain((value, ctx) => {
      const result = handler(value, ctx)
      if (!Effect.isEffect(result)) return result
      effect = result as Effect.Effect<unknown, unknown>
      return undefined
    })
    let effect: Effect.Effect<unknown, unknown> | undefined
    run(
      payload,
      context,
      (status, value) => {
        if (effect === undefined) return out(status, value)
        const fiber = fork(withOrigin(effect, context.origin))
        onAbort(() => Fibers.interrupt(fiber))
        Fibers.onEnd(fiber, (exit) => settleExit(out, exit))
      },
      onAbort
    )
  }

type Fork = (effect: Effect.Effect<unknown, unknown>) => Fibers.Running

/**
 * Serves the herd that started this thread, and returns what `layerInline` runs in a test.
 *
 * @category constructors
 * @since 0.3.0
 */
export const serve = <Task extends AnyTask>(tasks: ReadonlyArray<Task>, handlers: Handlers<Task>): Serving =>
  serving(
    tasks,
    handlers,
    (effect) => Fibers.start(Context.empty(), effect),
    () => undefined
  )

/**
 * The same for handlers that need services. The layer is built with the first Effect, and released when the thread ends,
 * if that takes no longer than the herd's `grace`.
 *
 * @category constructors
 * @since 0.3.0
 */
export const serveWith = <R, E, Task extends AnyTask>(
  layer: Layer.Layer<R, E>,
  tasks: ReadonlyArray<Task>,
  handlers: Handlers<Task, R>
): Serving => {
  const runtime = ManagedRuntime.make(layer)
  return serving(
    tasks,
    handlers,
    (effect) => runtime.runFork(effect),
    () => runtime.dispose()
  )
}

const serving = (
  tasks: ReadonlyArray<AnyTask>,
  handlers: object,
  fork: Fork,
  close: Serving["close"]
): Serving => {
  const named: { [name: string]: Invoke } = {}
  for (const task of tasks) {
    const handler: unknown = Reflect.get(handlers, task.name)
    if (typeof handler === "function") named[task.name] = invokeOf(task, handler as Handler, fork)
  }
  const served: Serving = { handlers: named, close }
  serveHerd(served)
  return served
}
