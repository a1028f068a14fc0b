// Callers, and the tasks that they bring: the same for every contestant.
import { Effect, Pool } from "effect"
import { workers } from "./herds.ts"
import type { Effort } from "./measure.ts"
import { perTask } from "./measure.ts"
import type { Contestant } from "./Race.ts"

export type Body = "sync" | "promise" | "yield"
export type Task = Effect.Effect<unknown>
export type Thunk = () => unknown

export const effects: Record<Body, (i: number) => Task> = {
  sync: (i) => Effect.sync(() => i),
  promise: (i) => Effect.promise(() => Promise.resolve(i)),
  yield: () => Effect.yieldNow
}

export const thunks: Record<Body, (i: number) => Thunk> = {
  sync: (i) => () => i,
  promise: (i) => () => Promise.resolve(i),
  yield: () => () => new Promise<void>((resolve) => setImmediate(resolve))
}

/** `n` tasks of one kind from a number of callers. */
export interface Load {
  readonly n: number
  readonly callers: number
  readonly body: Body
  readonly effort: Effort
}

export const build = <A>(n: number, make: (i: number) => A): Array<A> =>
  Array.from({ length: n }, (_, i) => make(i))

/** Every caller is a fiber: all tasks at once, or each caller one task after the other. */
export const effectCallers =
  <E>(load: Load, add: (task: Task) => Effect.Effect<unknown, E>): Contestant =>
  async () => {
    const ns = await perTask(load.n, load.effort, (n) => {
      const tasks = build(n, effects[load.body])
      const program =
        load.callers >= load.n
          ? Effect.forEach(tasks, add, { concurrency: "unbounded", discard: true })
          : Effect.forEach(
              build(load.callers, (caller) => caller),
              (caller) =>
                Effect.gen(function* () {
                  for (let i = caller; i < n; i += load.callers) yield* add(tasks[i] ?? Effect.void)
                }),
              { concurrency: "unbounded", discard: true }
            )
      return () => Effect.runPromise(program)
    })
    return { "": ns }
  }

/** The same for libraries of promises. */
export const promiseCallers =
  (load: Load, open: () => (thunk: Thunk) => Promise<unknown>): Contestant =>
  async () => {
    const add = open()
    const ns = await perTask(load.n, load.effort, (n) => {
      const tasks = build(n, thunks[load.body])
      return load.callers >= load.n
        ? () => Promise.all(tasks.map((task) => add(task)))
        : () =>
            Promise.all(
              build(load.callers, async (caller) => {
                for (let i = caller; i < n; i += load.callers) await add(tasks[i] ?? (() => undefined))
              })
            )
    })
    return { "": ns }
  }

/** Runs `use` with a pool of Effect's, of 16 numbers. */
export const withEffectPool = <A>(use: (pool: Pool.Pool<number>) => Promise<A>): Promise<A> =>
  Pool.make({ acquire: Effect.succeed(0), size: workers }).pipe(
    Effect.flatMap((pool) => Effect.promise(() => use(pool))),
    Effect.scoped,
    Effect.runPromise
  )
