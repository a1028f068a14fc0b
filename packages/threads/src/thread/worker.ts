/**
 * The light entry of a thread: handlers that are plain functions, without Effect and schemas, for a fast start.
 *
 * A task with schemas gives such a handler the encoded payload, and takes the encoded result.
 *
 * @since 0.3.0
 */
import { plain, serve as serveHerd, type Serving, type TaskContext } from "./Serving.ts"

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
export type {
  /**
   * @category models
   * @since 0.3.0
   */
  Transfer
} from "../wire/Wire.ts"
export type {
  /**
   * @category models
   * @since 0.3.0
   */
  Origin
} from "../wire/Wire.ts"

/** What is needed of a task's declaration: types alone. */
interface Declared {
  readonly name: string
  readonly "~encoded": {
    readonly payload: unknown
    readonly success: unknown
    readonly error: unknown
    readonly report: unknown
  }
}

/**
 * A plain handler for each task: a function of the payload, or one that returns a promise.
 *
 * @category models
 * @since 0.3.0
 */
export type PlainHandlers<Tasks extends ReadonlyArray<Declared>> = {
  readonly [T in Tasks[number] as T["name"]]: (
    payload: T["~encoded"]["payload"],
    context: TaskContext<T["~encoded"]["error"], T["~encoded"]["report"]>
  ) => T["~encoded"]["success"] | Promise<T["~encoded"]["success"]>
}

type Plain = (payload: never, context: TaskContext<never>) => unknown

/**
 * Serves the herd that started this thread, and returns what `layerInline` runs in a test. Tasks are given as types, so
 * that their declarations are not loaded: `serve<[typeof Hash]>({ Hash: ({ path }) => … })`.
 *
 * @category constructors
 * @since 0.3.0
 */
export const serve = <const Tasks extends ReadonlyArray<Declared>>(
  handlers: PlainHandlers<Tasks>
): Serving => {
  const serving: Serving = {
    handlers: Object.fromEntries(
      Object.entries(handlers as unknown as { readonly [name: string]: Plain }).map(([name, handler]) => [
        name,
        plain(handler)
      ])
    ),
    close: () => undefined
  }
  serveHerd(serving)
  return serving
}
