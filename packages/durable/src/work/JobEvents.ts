/**
 * What happens to jobs in this process, told after it is stored.
 *
 * @since 0.5.0
 */
import { Effect, type Scope } from "effect"
import type { Failure, Store } from "../port/JobStore.ts"

/**
 * A job has failed for good. Exactly one process tells it: the one that ran the last attempt, or noticed that nobody does.
 *
 * @category models
 * @since 0.5.0
 */
export interface JobDied {
  readonly _tag: "JobDied"
  readonly queue: string
  readonly id: string
  /** Executions begun. */
  readonly attempts: number
  /** The last failure. */
  readonly failure: Failure
  /** Whether it is in the dead letters now: see `deadLetter` of the job. */
  readonly deadLetter: boolean
}

/**
 * @category models
 * @since 0.5.0
 */
export type JobEvent = JobDied

type Listener = (event: JobEvent) => void

const listeners = new WeakMap<Store, Set<Listener>>()

/** Tells everybody who listens to the store in this process. */
export const tell = (store: Store, event: JobEvent): void => {
  for (const listener of Array.from(listeners.get(store) ?? [])) listener(event)
}

/** Calls the listener until the scope closes. It must be quick, and must not throw. */
export const listen = (store: Store, listener: Listener): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const all = listeners.get(store) ?? new Set()
        listeners.set(store, all.add(listener))
        return all
      }),
      (all) => Effect.sync(() => void all.delete(listener))
    )
  )
