/**
 * Gets starting workers their resources: not too many at one time, again when it fails, and not when nobody needs them
 * any more.
 */
import { Clock, Effect, type Fiber, Schedule } from "effect"
import * as Time from "../internal/Time.ts"
import * as Fibers from "../internal/Fibers.ts"
import type { Timers } from "../internal/Timers.ts"
import type { Owned, Resources } from "./Resources.ts"
import type { Worker } from "./Worker.ts"

// 10 ms doubling to 5 s, jittered, without end: the backoff of HikariCP's pool.
const creationBackoff = Time.backoff(10, 5_000).schedule.pipe(Schedule.jittered)

// Between a resource that went bad as soon as it was made and the next, at most.
const longestPause = 5_000

/** A resource that goes bad as soon as it is made is replaced at once, its successors at growing intervals. */
const pauseOf = ({ fruitless }: Worker): Effect.Effect<void> =>
  fruitless < 2 ? Effect.void : Effect.sleep(Math.min(longestPause, 10 * 2 ** (fruitless - 2)))

/**
 * Runs an effect beside the herd, reporting its failure as `where`. `counts`: whether a closing herd counts it as left
 * behind.
 */
export type Background = (
  where: string,
  effect: Effect.Effect<unknown, unknown>,
  counts?: boolean
) => Fiber.Fiber<unknown, unknown>

/**
 * Runs what makes a starting worker able to run tasks, and notes its fiber for whoever sends the worker away.
 *
 * Its first steps may have ended it and begun the next such thing, whose fiber must not be replaced by this one: nobody
 * would wait for what it makes.
 */
export const begin = (worker: Worker, run: () => Fiber.Fiber<unknown, unknown>): void => {
  worker.starter = undefined
  const fiber = run()
  if (Fibers.exitOf(fiber) !== undefined) return
  if (worker.state === "starting") worker.starter ??= fiber
  // Sent away by whoever its first steps woke, who did not know of it.
  else if (worker.state === "stopping") Fibers.interrupt(fiber)
}

interface Owner {
  /** Whether a worker whose resource could not be made at once is still worth it. */
  readonly needed: (worker: Worker) => boolean
  readonly unneeded: (worker: Worker) => void
  readonly started: (worker: Worker, resource: Owned, replaced: boolean) => void
  readonly failed: () => void
}

export interface WorkerStart {
  /** Gets the worker a resource, in the place of the one that it has. */
  readonly start: (worker: Worker, replaced: boolean) => void
  /** The worker is sent away: it need not wait any more. */
  readonly forget: (worker: Worker) => void
}

export const make = (
  options: { readonly maxCreating: number; readonly createRetry?: Schedule.Schedule<unknown> | undefined },
  resources: Resources["Service"],
  timers: Timers,
  background: Background,
  owner: Owner
): WorkerStart => {
  // Workers that wait until fewer resources are in creation.
  const patient = new Map<Worker, boolean>()
  let creating = 0

  const next = () => {
    while (creating < options.maxCreating) {
      const [first] = patient
      if (first === undefined) return
      const [worker, replaced] = first
      patient.delete(worker)
      if (owner.needed(worker) || worker.resource !== undefined) create(worker, replaced)
      else owner.unneeded(worker)
    }
  }

  const create = (worker: Worker, replaced: boolean) => {
    creating++
    let attempts = 0
    const attempt = Effect.suspend(() =>
      attempts++ === 0 || owner.needed(worker)
        ? Effect.tapError(
            resources.create(worker, (resource) => owner.started(worker, resource, replaced)),
            () => Effect.sync(owner.failed)
          )
        : Effect.sync(() => {
            if (worker.state !== "starting") return
            // This very fiber is the starter, and ends here.
            worker.starter = undefined
            owner.unneeded(worker)
          })
    ).pipe(Effect.provideService(Clock.Clock, timers.clock))
    const again = attempt.pipe(
      Effect.retry(options.createRetry ?? creationBackoff),
      // A schedule that gives up must not leave a herd without workers.
      Effect.retry(Schedule.spaced("5 seconds"))
    )
    begin(worker, () =>
      background(
        "the start of a worker",
        Effect.uninterruptibleMask((restore) => {
          // The worker keeps its old resource until here: a starter that is interrupted before leaves it to the stop.
          const old = worker.resource
          worker.resource = undefined
          // What it waits for between two attempts keeps no process, unless a task waits for the worker.
          const created = restore(Effect.andThen(pauseOf(worker), again)).pipe(
            Effect.provideService(Clock.Clock, timers.beside.clock)
          )
          return Effect.andThen(old === undefined ? Effect.void : resources.destroy(old), created)
        }).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              creating--
              next()
            })
          )
        ),
        // A closing herd sends the worker away: the fiber that does so waits for this one.
        false
      )
    )
  }

  return {
    start: (worker, replaced) => {
      if (creating < options.maxCreating) create(worker, replaced)
      else patient.set(worker, replaced)
    },
    forget: (worker) => void patient.delete(worker)
  }
}
