/**
 * Runs the jobs of a queue on a herd.
 *
 * @since 0.4.0
 */
import { Clock, type Context, type Duration, Effect, Layer } from "effect"
import { Herd, InvalidConfig } from "lemmings"
import * as Housekeeping from "../port/Housekeeping.ts"
import type { AnyJob } from "../job/JobDefinition.ts"
import { JobStore, type News, type Store } from "../port/JobStore.ts"
import type { Limits } from "../port/Limits.ts"
import { workers as WorkerSettings } from "../port/Settings.ts"
import type { JobDied } from "./JobEvents.ts"
import { Puller } from "./Puller.ts"
import type { JobContext, PulledHerd, Settings } from "./PullerModel.ts"
import * as QueueMetrics from "./QueueMetrics.ts"
import * as QueueWatch from "./QueueWatch.ts"
import * as QueueRegistration from "./QueueRegistration.ts"

export type {
  /**
   * @category models
   * @since 0.4.0
   */
  JobContext
} from "./PullerModel.ts"

/**
 * How the jobs of a queue are run in this process.
 *
 * @category models
 * @since 0.4.0
 */
export interface Options<Self = never, D = never> {
  /**
   * The herd whose workers run the jobs: its resource is provided to the handler, and its other tasks compete with the jobs
   * by priority. Defaults to a herd of the queue's own, with `concurrency` workers at most.
   */
  readonly herd?: Context.Key<Self, Herd.Herd<D>> | undefined
  /**
   * Most jobs of this queue that this process runs at one time. Defaults to 16, and with a `herd` to no limit but its
   * workers.
   */
  readonly concurrency?: number | undefined
  /**
   * Most jobs of this queue that run at one time, on all machines together: at least 1. Defaults to no limit. A job counts from
   * its claim until its end is stored, and that of a killed process until its lease has lapsed. Like `perGroup` and `rate` it
   * holds among the processes that say it: say the same in all.
   */
  readonly perQueue?: number | undefined
  /**
   * Most jobs of one group (`Job.make`'s `group`) that run at one time, on all machines together: at least 1. Defaults to no
   * limit.
   */
  readonly perGroup?: number | undefined
  /**
   * Most jobs that are claimed in a time, on all machines together: `limit`, at least 1, at once, and after that one every
   * `per / limit`. Retries count, and so do jobs that are given back. Defaults to no limit.
   */
  readonly rate?: { readonly limit: number; readonly per: Duration.Input } | undefined
  /**
   * How long jobs may go on when the layer closes. Those that are left are interrupted and given back at once, without using
   * up an attempt; in their last attempt they have failed. Defaults to 30 seconds.
   */
  readonly drain?: Duration.Input | undefined
  /**
   * How often to look for jobs that nobody told about: delayed ones, and those whose notification was lost. Delayed jobs
   * begin that much later, at most. Defaults to 1 second.
   */
  readonly pollInterval?: Duration.Input | undefined
  /**
   * Is run for every job that this process stored as failed for good, and for every one whose last lease it found lapsed: once
   * for each, in one of all processes, after it is stored. It is not waited for; where it fails, that is logged. Each death is
   * logged, counted and in `Jobs.events` anyway. Defaults to nothing.
   */
  readonly onDead?: ((died: JobDied) => Effect.Effect<unknown, unknown>) | undefined
}

type ResourceOf<D> = D extends { readonly resource: Context.Key<infer I, infer _> } ? I : never

/**
 * A handler's layer: what it requires beside the store is the herd that was given, and what the handler asks for and the herd
 * does not provide.
 *
 * @category models
 * @since 0.4.0
 */
export type WorkersLayer<R, Self, D> = Layer.Layer<
  never,
  InvalidConfig,
  JobStore | Self | Exclude<R, ResourceOf<D>>
>

const limitsOf = ({ perGroup, perQueue, rate }: Options<unknown, unknown>): Limits | undefined => {
  if (perGroup === undefined && perQueue === undefined && rate === undefined) return undefined
  return {
    perGroup: WorkerSettings.perGroup.decode(perGroup),
    perQueue: WorkerSettings.perQueue.decode(perQueue),
    rate: rate === undefined ? undefined : rateOf(rate)
  }
}

const rateOf = ({ limit, per }: NonNullable<Options["rate"]>) => {
  const rate = {
    limit: WorkerSettings["rate.limit"].decode(limit),
    perMillis: WorkerSettings["rate.per"].decode(per)
  }
  if (rate.limit === undefined || rate.perMillis === undefined)
    throw new InvalidConfig({ field: "rate", value: { limit, per }, rule: "a limit and a span" })
  return { limit: rate.limit, perMillis: Math.max(1, rate.perMillis) }
}

const settingsOf = (options: Options<unknown, unknown>): Settings => ({
  // A herd of our own has as many workers, and jobs claimed ahead wait in it.
  limit: options.herd === undefined ? Infinity : concurrencyOf(options, Infinity),
  limits: limitsOf(options),
  pollMillis: Math.max(1, WorkerSettings.pollInterval.decode(options.pollInterval)),
  drainMillis: WorkerSettings.drain.decode(options.drain),
  onDead: options.onDead
})

const concurrencyOf = ({ concurrency }: Pick<Options, "concurrency">, otherwise: number) =>
  WorkerSettings.concurrency.decode(concurrency) ?? otherwise

/** The jobs that are handled, by name, of each store. */
const handled = new WeakMap<Store, Map<string, { readonly job: AnyJob; layers: number }>>()

/** Two declarations of one name would take each other's jobs, and not understand them. */
const claimName = (store: Store, job: AnyJob) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const jobs = handled.get(store) ?? new Map<string, { readonly job: AnyJob; layers: number }>()
      handled.set(store, jobs)
      const found = jobs.get(job.name)
      if (found !== undefined && found.job !== job)
        return new InvalidConfig({
          field: "name",
          value: job.name,
          rule: "the name of one declared job: another one of that name is handled here already"
        })
      const entry = found ?? { job, layers: 0 }
      entry.layers++
      jobs.set(job.name, entry)
      return Effect.succeed({ entry, jobs })
    }),
    ({ entry, jobs }) => Effect.sync(() => void (--entry.layers === 0 && jobs.delete(job.name)))
  )

const serve = Effect.fnUntraced(function* (
  job: AnyJob,
  handler: (payload: never, context: JobContext) => Effect.Effect<unknown, unknown>,
  herdKey: Context.Key<unknown, unknown>,
  settings: Settings
) {
  const store = yield* JobStore
  yield* claimName(store, job)
  const herd = (yield* herdKey) as PulledHerd
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const puller = new Puller(store, job, herd, handler as never, settings, clock, context)

  const heard = (news: News) => {
    if (news._tag === "Missed") {
      puller.wake()
      puller.beat()
    } else if (news._tag !== "Ended" && news.queue === job.name) {
      if (news._tag === "Available") puller.wake()
      else puller.beat()
    }
  }
  yield* store.listen(heard)
  yield* QueueMetrics.publish(job.name, puller)
  yield* QueueRegistration.register(store, job)
  const keepUp = (what: string, work: Effect.Effect<never>) =>
    Housekeeping.watched(`The ${what} of jobs of "${job.name}"`, work)
  const work = Effect.gen(function* () {
    // A store that is not there yet is waited for.
    yield* Housekeeping.insist(`The declaration of queue "${job.name}"`, store.declare(job.settings.spec))
    puller.wake()
    yield* QueueWatch.watch(store, {
      queue: job.name,
      pollMillis: settings.pollMillis,
      wake: puller.wake,
      died: puller.swept,
      apart: puller.apart
    })
    yield* Effect.all(
      [
        keepUp("claiming", puller.pulling),
        keepUp("settling", puller.settling),
        keepUp("renewal", puller.keeping)
      ],
      { concurrency: "unbounded" }
    )
  })
  yield* Effect.forkScoped(work)
  // Closes before the fibers, which it still needs.
  yield* Effect.addFinalizer(() => puller.stop)
})

/**
 * Runs the jobs of a queue with a handler, as long as the layer is there.
 *
 * **Details**
 *
 * Claims only as many jobs as the herd has workers free, starting, or about to be started or free, so that several
 * processes share a queue in proportion to their free workers. A claimed job that finds no worker within a second is given
 * back.
 *
 * *Guarantee*: at least once. A job may run twice when its process ends, or loses the store for longer than the lease, after
 * the handler's effects and before the outcome is written.
 *
 * *Interruption*: when the layer closes, nothing more is claimed, what has not begun is given back, what runs may end within
 * `drain`, and the rest is interrupted and given back. A job that is given back is free for others at once and keeps its count
 * of attempts. One that has begun its last attempt is not given back: it has failed, as `interrupted`. What has ended is written before the layer has closed.
 *
 * A handler's result or typed error that does not fit its schema is a defect of the attempt.
 *
 * @category layers
 * @since 0.4.0
 */
export const layer = <P, A, E, R, Self = never, D = never>(
  job: AnyJob & {
    readonly "~types": { readonly payload: P; readonly success: A; readonly error: E }
  },
  handler: (payload: P, context: JobContext) => Effect.Effect<A, E, R>,
  options: Options<Self, D> = {}
): WorkersLayer<R, Self, D> => {
  const served = Layer.unwrap(
    Effect.try({
      try: () => ({
        settings: settingsOf(options as Options<unknown, unknown>),
        workers: concurrencyOf(options, 16)
      }),
      catch: (error) => error as InvalidConfig
    }).pipe(
      Effect.map(({ settings, workers }) => {
        const run = (key: Context.Key<unknown, unknown>) =>
          Layer.effectDiscard(serve(job, handler as never, key, settings))
        if (options.herd !== undefined) return run(options.herd)
        const own = Herd.Service<unknown>()(`jobs/${job.name}`)
        return Layer.provide(
          run(own as Context.Key<unknown, unknown>),
          own.layer({ workers: { min: workers, max: workers } })
        )
      })
    )
  )
  // What the handler asks for is in the context of the layer, and of every task.
  return served as unknown as WorkersLayer<R, Self, D>
}
