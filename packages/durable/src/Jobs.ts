/**
 * Enqueues jobs, waits for them, and looks after their queues.
 *
 * @since 0.4.0
 */
import { Clock, Context, Effect, Layer, Queue, type Result, Scope, Stream } from "effect"
import { InvalidConfig, type Priority } from "lemmings"
import type { Job, Request } from "./Job.ts"
import { filterOf, whichOf } from "./job/DeadWhich.ts"
import { type AnyJob, idOf, wordOf } from "./job/JobDefinition.ts"
import { decoded, resultOf } from "./job/JobEnd.ts"
import { type EnqueueOptions, type ManyOptions, newJobsOf, pagesOf, transactionOf } from "./job/JobRequest.ts"
import { recurrenceOf, type ScheduleOptions, schedulesOf } from "./job/JobSchedule.ts"
import {
  type DirectoryInUse,
  EnqueueFailed,
  type JobCancelled,
  type JobFailed,
  JobNotFound,
  type JobStoreError,
  type OpenFailed
} from "./port/JobError.ts"
import { isGroupFull } from "./port/Groups.ts"
import {
  type DeadFilter,
  type DeadLetter,
  type Failure,
  JobStore,
  type JobRecord,
  type JobState,
  type NewJob,
  type PagesOptions,
  type QueueStats,
  type Readiness,
  type Recurrence,
  type Store
} from "./port/JobStore.ts"
import { job as JobSettings } from "./port/Settings.ts"
import * as JobStores from "./store/JobStores.ts"
import type { EmbeddedOptions, PostgresOptions, StoreOptions } from "./store/JobStores.ts"
import { traceHere } from "./job/JobTrace.ts"
import * as Handling from "./work/Handling.ts"
import * as JobEvents from "./work/JobEvents.ts"
import type { JobEvent } from "./work/JobEvents.ts"
import * as QueueRegistration from "./work/QueueRegistration.ts"
import { awaited, type Signal } from "./port/Signal.ts"

export type {
  /**
   * @category models
   * @since 0.4.0
   */
  EnqueueOptions,
  /**
   * @category models
   * @since 0.5.0
   */
  ManyOptions
} from "./job/JobRequest.ts"

export type {
  /**
   * @category models
   * @since 0.5.0
   */
  JobDied,
  /**
   * @category models
   * @since 0.5.0
   */
  JobEvent
} from "./work/JobEvents.ts"

/**
 * A job with what is known of it, typed. Times are epoch milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export interface Inspected<P> {
  readonly id: string
  readonly state: JobState
  readonly attempts: number
  readonly priority: number
  /** A failure: the payload does not fit the schema of today. */
  readonly payload: Result.Result<P, Error>
  readonly createdAt: number
  readonly startAt: number
  readonly endedAt: number | undefined
  readonly failure: Failure | undefined
}

/**
 * A dead letter, typed. Times are epoch milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export interface InspectedLetter<P> {
  /** Of the letter. */
  readonly id: string
  readonly jobId: string
  readonly payload: Result.Result<P, Error>
  readonly failure: Failure
  readonly attempts: number
  readonly enqueuedAt: number
  readonly diedAt: number
}

/**
 * What the end of a job may be, beside its own errors.
 *
 * @category models
 * @since 0.4.0
 */
export type EndError = Ended["errors"]

/** Looked up rather than named: an inferred type shows the errors themselves, and not `EndError`. */
interface Ended {
  readonly errors: JobFailed | JobCancelled | JobNotFound | JobStoreError
}

export type {
  /**
   * When a job is enqueued again and again. See `Shape.schedule`.
   *
   * @category models
   * @since 0.5.0
   */
  ScheduleOptions
} from "./job/JobSchedule.ts"

type JobOf<P, A, E> = Job<string, P, A, E>

/**
 * What can be done with jobs. The functions of this module are the same, and take the service from their context.
 *
 * @category models
 * @since 0.4.0
 */
export interface Shape {
  /**
   * Stores a job, or many as one: all of them or none. Returns their ids, in order, when they are durable. The id of a job
   * with a key is that of the first one with the key.
   */
  readonly enqueue: {
    (request: Request, options?: EnqueueOptions): Effect.Effect<string, EnqueueFailed>
    (
      requests: ReadonlyArray<Request>,
      options?: EnqueueOptions
    ): Effect.Effect<ReadonlyArray<string>, EnqueueFailed>
  }
  /**
   * Enqueues and waits for the result, whichever process runs it. Interrupting the wait leaves the job alone. What is
   * waited for is the job's last attempt. With a key that is stored already it waits for that job, delayed or not; one that
   * has ended gives its result.
   */
  readonly execute: <A, E>(
    request: Request<A, E>,
    options?: Omit<EnqueueOptions, "transaction">
  ) => Effect.Effect<A, E | EnqueueFailed | EndError>
  /** Waits for the result of a job that is enqueued. */
  readonly await: <P, A, E>(job: JobOf<P, A, E>, id: string) => Effect.Effect<A, E | EndError>
  /**
   * Cancels jobs that have not ended; those that run are interrupted. A page of 1,000 at a time: see `ManyOptions`. Returns how
   * many.
   */
  readonly cancel: (
    job: AnyJob,
    id: string | ReadonlyArray<string>,
    options?: ManyOptions
  ) => Effect.Effect<number, JobStoreError>
  /**
   * Frees a key whose job has ended, however: the job is forgotten with its result, and the next one with the key is a new
   * job. A dead letter of it stays. `false`: the job waits or runs, or there is none.
   */
  readonly release: (job: AnyJob, key: string) => Effect.Effect<boolean, JobStoreError | InvalidConfig>
  /** Moves a waiting job before or behind others. `false` when it waits no longer. */
  readonly setPriority: (
    job: AnyJob,
    id: string,
    priority: Priority
  ) => Effect.Effect<boolean, JobStoreError | InvalidConfig>
  readonly inspect: <P, A, E>(
    job: JobOf<P, A, E>,
    id: string
  ) => Effect.Effect<Inspected<P>, JobNotFound | JobStoreError>
  /**
   * Enqueues a job again and again, to the minute. Replaces the schedule of the same job with the same `key`, of 1 to 200
   * characters, which defaults to `"default"`. The zone is a name of the IANA list and defaults to UTC. What was due while no
   * process had the store open is left out (`missed: "skip"`, the default) or enqueued once, however often it was due
   * (`"once"`). An hour that the zone has twice counts twice where the minute or the hour begins with `*`, and otherwise once.
   */
  readonly schedule: (
    request: Request,
    cron: string,
    options?: ScheduleOptions
  ) => Effect.Effect<void, InvalidConfig | EnqueueFailed | JobStoreError>
  readonly unschedule: (job: AnyJob, key?: string) => Effect.Effect<void, JobStoreError>
  /** Those of the job, by key: all, or a page of `limit` after the one with the key `after`. */
  readonly schedules: (
    job: AnyJob,
    page?: { readonly limit?: number | undefined; readonly after?: string | undefined }
  ) => Effect.Effect<ReadonlyArray<Recurrence>, JobStoreError>
  /** Stops claims of the queue, on all machines. Running jobs go on, new ones are accepted and wait. */
  readonly pause: (job: AnyJob) => Effect.Effect<void, JobStoreError>
  readonly resume: (job: AnyJob) => Effect.Effect<void, JobStoreError>
  /** Depths, the oldest age in milliseconds, and what ended in the last minute, over all machines. */
  readonly stats: (job: AnyJob) => Effect.Effect<QueueStats, JobStoreError>
  readonly deadLetters: {
    /** Oldest first, 100 unless `limit` says otherwise. `after` is the id of the last letter of the page before. */
    readonly list: <P, A, E>(
      job: JobOf<P, A, E>,
      options?: DeadFilter & { readonly limit?: number; readonly after?: string }
    ) => Effect.Effect<ReadonlyArray<InspectedLetter<P>>, JobStoreError | InvalidConfig>
    readonly inspect: <P, A, E>(
      job: JobOf<P, A, E>,
      id: string
    ) => Effect.Effect<InspectedLetter<P>, JobNotFound | JobStoreError>
    /**
     * Back into the queue, with no attempt used: those of the filter, or `"all"`. They keep their priority and group, also those
     * that were given at `enqueue`, and their key, unless a newer job has it; without a key they get new ids. What dies later
     * than the call begins is not among them. A page of 1,000 at a time: see `ManyOptions`. Returns how many.
     */
    readonly replay: (
      job: AnyJob,
      which: DeadFilter | "all",
      options?: ManyOptions
    ) => Effect.Effect<number, JobStoreError | InvalidConfig>
    /** Deletes those of the filter, or `"all"`. A page of 1,000 at a time. Returns how many. */
    readonly purge: (
      job: AnyJob,
      which: DeadFilter | "all",
      options?: ManyOptions
    ) => Effect.Effect<number, JobStoreError | InvalidConfig>
  }
  /** What happens to jobs in this process, from the subscription on. Slow readers miss what is older than 1,024 events. */
  readonly events: Stream.Stream<JobEvent>
  /** Whether the store can be reached, as far as is known. */
  readonly readiness: Effect.Effect<Readiness>
}

/**
 * The service of enqueuers.
 *
 * @category services
 * @since 0.4.0
 */
export class Jobs extends Context.Service<Jobs, Shape>()("@lemmings/durable/Jobs") {}

/** How often a result is looked for that nobody told about. */
const lookMillis = 1_000

/** Reads what somebody means. */
const read = <A>(f: () => A) => Effect.try({ try: f, catch: (error) => error as InvalidConfig })

/** Work on some dead letters. */
const some = <A, E>(
  which: DeadFilter | "all",
  options: ManyOptions | undefined,
  work: (filter: DeadFilter | undefined, pages: PagesOptions) => Effect.Effect<A, E>
) =>
  Effect.flatMap(
    read(() => whichOf(which)),
    (filter) => Effect.flatMap(pagesOf(options), (pages) => work(filter, pages))
  )

const make = Effect.gen(function* () {
  const store = yield* JobStore
  const scope = yield* Effect.scope
  const declared = new Set<AnyJob>()
  const waiting = new Map<string, Set<Signal>>()
  yield* store.listen((news) => {
    const wake = (signals: Iterable<Signal>) => {
      for (const signal of signals) signal.notify()
    }
    if (news._tag === "Ended") wake(waiting.get(news.id) ?? [])
    else if (news._tag === "Missed") for (const signals of waiting.values()) wake(signals)
  })

  const shown = new Set<AnyJob>()
  /** Makes the queue, once in a process. It is shown from then on, whether the store is there or not. */
  const known = (job: AnyJob) =>
    Effect.suspend(() => {
      if (declared.has(job)) return Effect.void
      const declare = Effect.map(store.declare(job.settings.spec), () => void declared.add(job))
      if (shown.has(job)) return declare
      shown.add(job)
      return Effect.andThen(Scope.provide(QueueRegistration.register(store, job), scope), declare)
    })
  const on = <A, E>(job: AnyJob, f: (store: Store) => Effect.Effect<A, E>) =>
    Effect.andThen(known(job), f(store))

  const failed = (queue: string, jobs: number, reason: EnqueueFailed["reason"], cause: unknown) =>
    new EnqueueFailed({ queue, jobs, reason, cause })

  const newJobs = Effect.fnUntraced(function* (requests: ReadonlyArray<Request>, options: EnqueueOptions) {
    const { length } = requests
    const queue = requests[0]!.job.name
    const trace = yield* traceHere
    const now = yield* Clock.currentTimeMillis
    if (options.key !== undefined && length > 1)
      return yield* failed(queue, length, "invalid", new Error("a key is for one job"))
    return yield* Effect.try({
      try: () => newJobsOf(requests, options, trace, now),
      catch: (cause) => failed(queue, length, "invalid", cause)
    })
  })

  /** Returns the ids that are there already. */
  const put = Effect.fnUntraced(function* (
    requests: ReadonlyArray<Request>,
    jobs: ReadonlyArray<NewJob>,
    options: EnqueueOptions
  ) {
    const context = yield* Effect.context()
    const transaction =
      options.transaction === undefined ? undefined : transactionOf(options.transaction, context)
    const queue = requests[0]!.job.name
    return yield* Effect.forEach(new Set(requests.map(({ job }) => job)), known, { discard: true }).pipe(
      Effect.andThen(store.enqueue(jobs, transaction)),
      Effect.mapError(({ cause, reason }) =>
        failed(queue, requests.length, isGroupFull(cause) ? "full" : reason, cause)
      )
    )
  })

  const enqueueAll = Effect.fnUntraced(function* (requests: ReadonlyArray<Request>, options: EnqueueOptions) {
    if (requests.length === 0) return []
    const jobs = yield* newJobs(requests, options)
    // The same key twice in one call is one job too.
    const distinct = new Map(jobs.map((job) => [job.id, job]))
    yield* put(requests, [...distinct.values()], options)
    return jobs.map(({ id }) => id)
  })

  const enqueue = (given: Request | ReadonlyArray<Request>, options: EnqueueOptions = {}) =>
    Array.isArray(given)
      ? enqueueAll(given as ReadonlyArray<Request>, options)
      : Effect.map(enqueueAll([given as Request], options), (ids) => ids[0]!)

  /** A store that is away is waited for: the job is in it. */
  const look = (queue: string, id: string) =>
    Effect.catch(store.get(queue, id), (error) =>
      error.reason === "unavailable" ? Effect.succeed("away" as const) : Effect.fail(error)
    )

  /** Looks whenever it is told to, or when it is time, until the job has ended. */
  const ended = Effect.fnUntraced(function* (
    job: AnyJob,
    id: string,
    signal: Signal,
    first: JobRecord | "away" | undefined
  ) {
    let record = first
    for (;;) {
      if (record === undefined) return yield* new JobNotFound({ queue: job.name, id })
      if (record !== "away" && record.endedAt !== undefined) return yield* resultOf(job, record)
      yield* signal.wait(lookMillis)
      record = yield* look(job.name, id)
    }
  })

  const awaitEnd = Effect.fnUntraced(function* (job: AnyJob, id: string) {
    const signal = yield* awaited(waiting, id)
    yield* Handling.waits(job.name)
    yield* known(job)
    return yield* ended(job, id, signal, yield* store.watch(job.name, id))
  }, Effect.scoped)

  const execute = Effect.fnUntraced(function* (request: Request, options: EnqueueOptions = {}) {
    const [job] = yield* newJobs([request], options)
    const { id, queue } = job!
    // Before it is stored: its end may be heard before it is known here that it is.
    const signal = yield* awaited(waiting, id)
    yield* Handling.waits(queue)
    const there = yield* put([request], [{ ...job!, watched: true }], options)
    // A new one tells its end by itself.
    const first = there.length === 0 ? "away" : yield* store.watch(queue, id)
    return yield* ended(request.job, id, signal, first)
  }, Effect.scoped)

  const letter = <P>(
    job: AnyJob,
    { attempts, diedAt, enqueuedAt, failure, id, jobId, payload }: DeadLetter
  ): InspectedLetter<P> => ({
    id,
    jobId,
    payload: decoded(job, payload),
    failure,
    attempts,
    enqueuedAt,
    diedAt
  })

  const shape: Shape = {
    enqueue: enqueue as Shape["enqueue"],
    execute: execute as Shape["execute"],
    await: awaitEnd as Shape["await"],
    cancel: (job, id, options) => {
      const ids = typeof id === "string" ? [id] : [...id]
      return Effect.flatMap(pagesOf(options), (pages) =>
        on(job, ({ cancel }) => cancel(job.name, ids, pages))
      )
    },
    release: (job, key) =>
      Effect.flatMap(
        read(() => idOf(job.name, wordOf("key", key) ?? "", 0)),
        (id) => on(job, ({ forget }) => forget(job.name, id))
      ),
    setPriority: (job, id, priority) =>
      Effect.flatMap(
        read(() => JobSettings.priority.decode(priority)),
        (level) => on(job, ({ setPriority }) => setPriority(job.name, id, level))
      ),
    inspect: <P>(job: AnyJob, id: string) =>
      Effect.flatMap(
        on(job, ({ get }) => get(job.name, id)),
        (record): Effect.Effect<Inspected<P>, JobNotFound> => {
          if (record === undefined) return Effect.fail(new JobNotFound({ queue: job.name, id }))
          const { payload, queue: _, result: __, ...rest } = record
          return Effect.succeed({ ...rest, payload: decoded(job, payload) })
        }
      ),
    schedule: (request, cron, options) =>
      Effect.flatMap(recurrenceOf(request, cron, options), (recurrence) =>
        on(request.job, ({ schedule }) => schedule(recurrence))
      ),
    unschedule: (job, key = "default") => on(job, ({ unschedule }) => unschedule(job.name, key)),
    schedules: (job, { after, limit = Infinity } = {}) =>
      on(job, (store) => schedulesOf(store, job.name, after, limit)),
    pause: (job) => on(job, ({ pause }) => pause(job.name)),
    resume: (job) => on(job, ({ resume }) => resume(job.name)),
    stats: (job) => on(job, ({ stats }) => stats(job.name)),
    deadLetters: {
      list: (job, { after, limit = 100, ...rest } = {}) =>
        read(() => {
          if (!(Number.isInteger(limit) && limit >= 1 && limit <= 10_000))
            throw new InvalidConfig({ field: "limit", value: limit, rule: "an integer from 1 to 10,000" })
          return Object.keys(rest).length === 0 ? {} : filterOf(rest)
        }).pipe(
          Effect.flatMap((filter) => on(job, ({ dead }) => dead.list(job.name, { limit, after, filter }))),
          Effect.map((letters) => letters.map((one) => letter(job, one)))
        ),
      inspect: (job, id) =>
        Effect.flatMap(
          on(job, ({ dead }) => dead.list(job.name, { limit: 1, filter: { ids: [id] } })),
          ([one]) =>
            one === undefined
              ? Effect.fail(new JobNotFound({ queue: job.name, id }))
              : Effect.succeed(letter(job, one))
        ),
      replay: (job, which, options) =>
        some(which, options, (filter, pages) => on(job, ({ dead }) => dead.replay(job.name, filter, pages))),
      purge: (job, which, options) =>
        some(which, options, (filter, pages) => on(job, ({ dead }) => dead.purge(job.name, filter, pages)))
    },
    events: Stream.callback<JobEvent>(
      (queue) => JobEvents.listen(store, (event) => void Queue.offerUnsafe(queue, event)),
      { bufferSize: 1_024, strategy: "sliding" }
    ),
    readiness: store.readiness
  }
  return shape
})

/**
 * The service over a store that you provide.
 *
 * @category layers
 * @since 0.4.0
 */
export const layer: Layer.Layer<Jobs, never, JobStore> = Layer.effect(Jobs, make)

export type {
  /**
   * What all stores can be told.
   *
   * @category models
   * @since 0.4.0
   */
  StoreOptions,
  /**
   * @category models
   * @since 0.5.0
   */
  EmbeddedOptions,
  /**
   * @category models
   * @since 0.5.0
   */
  PostgresOptions
} from "./store/JobStores.ts"

/**
 * Jobs in the memory of this process, for tests: they end with the layer.
 *
 * @category layers
 * @since 0.4.0
 */
export const layerMemory = (options: StoreOptions = {}): Layer.Layer<Jobs | JobStore, InvalidConfig> =>
  Layer.provideMerge(layer, JobStores.memory(options))

/**
 * Jobs in a directory of this machine, for one process at a time: PostgreSQL inside the process, by PGlite, which you
 * install beside this package (`@electric-sql/pglite`). A second process that opens the directory fails with
 * `DirectoryInUse`; after a crash it opens at once, and what ran then is taken up again. Without a directory it is in memory.
 *
 * @category layers
 * @since 0.4.0
 */
export const layerEmbedded = (
  options: EmbeddedOptions = {}
): Layer.Layer<Jobs | JobStore, InvalidConfig | DirectoryInUse | OpenFailed> =>
  Layer.provideMerge(layer, JobStores.embedded(options))

/**
 * Jobs in a PostgreSQL database, version 13 or later, for any number of processes.
 *
 * The layer is there at once, whether the database is or not: until it can be reached, `readiness` says so, and what is
 * asked fails. Tables are made in `schema` (default `"lemmings"`), with up to `connections` (default 6) and one more to listen.
 *
 * @category layers
 * @since 0.4.0
 */
export const layerPostgres = (options: PostgresOptions): Layer.Layer<Jobs | JobStore, InvalidConfig> =>
  Layer.provideMerge(layer, JobStores.postgres(options))

/**
 * See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const enqueue: {
  (request: Request, options?: EnqueueOptions): Effect.Effect<string, EnqueueFailed, Jobs>
  (
    requests: ReadonlyArray<Request>,
    options?: EnqueueOptions
  ): Effect.Effect<ReadonlyArray<string>, EnqueueFailed, Jobs>
} = ((given: never, options?: EnqueueOptions) => Jobs.use((jobs) => jobs.enqueue(given, options))) as never

/**
 * Enqueues and waits for the result. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const execute = <A, E>(
  request: Request<A, E>,
  options?: Omit<EnqueueOptions, "transaction">
): Effect.Effect<A, E | EnqueueFailed | EndError, Jobs> => Jobs.use((jobs) => jobs.execute(request, options))

const awaitJob = <P, A, E>(job: JobOf<P, A, E>, id: string): Effect.Effect<A, E | EndError, Jobs> =>
  Jobs.use((jobs) => jobs.await(job, id))

export {
  /**
   * Waits for the result of a job that is enqueued. See `Shape`.
   *
   * @category operations
   * @since 0.4.0
   */
  awaitJob as await
}

/**
 * Cancels jobs. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const cancel = (...args: Parameters<Shape["cancel"]>) => Jobs.use((jobs) => jobs.cancel(...args))

/**
 * Frees a key. See `Shape`.
 *
 * @category operations
 * @since 0.5.0
 */
export const release = (...args: Parameters<Shape["release"]>) => Jobs.use((jobs) => jobs.release(...args))

/**
 * Moves a waiting job. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const setPriority = (...args: Parameters<Shape["setPriority"]>) =>
  Jobs.use((jobs) => jobs.setPriority(...args))

/**
 * What is known of a job. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const inspect = <P, A, E>(job: JobOf<P, A, E>, id: string) => Jobs.use((jobs) => jobs.inspect(job, id))

/**
 * Enqueues a job again and again. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const schedule = (...args: Parameters<Shape["schedule"]>) => Jobs.use((jobs) => jobs.schedule(...args))

/**
 * Ends a schedule. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const unschedule = (...args: Parameters<Shape["unschedule"]>) =>
  Jobs.use((jobs) => jobs.unschedule(...args))

/**
 * The schedules of a job. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const schedules = (...args: Parameters<Shape["schedules"]>) =>
  Jobs.use((jobs) => jobs.schedules(...args))

/**
 * Stops claims of a queue. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const pause = (job: AnyJob) => Jobs.use((jobs) => jobs.pause(job))

/**
 * Goes on after `pause`. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const resume = (job: AnyJob) => Jobs.use((jobs) => jobs.resume(job))

/**
 * A queue in figures. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const stats = (job: AnyJob) => Jobs.use((jobs) => jobs.stats(job))

/**
 * Whether the store can be reached. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const readiness = Jobs.use((jobs) => jobs.readiness)

/**
 * What happens to jobs in this process. See `Shape`.
 *
 * @category operations
 * @since 0.5.0
 */
export const events: Stream.Stream<JobEvent, never, Jobs> = Stream.unwrap(Jobs.useSync((jobs) => jobs.events))

/**
 * The jobs that failed for good. See `Shape`.
 *
 * @category operations
 * @since 0.4.0
 */
export const deadLetters = {
  list: <P, A, E>(
    job: JobOf<P, A, E>,
    options?: DeadFilter & { readonly limit?: number; readonly after?: string }
  ) => Jobs.use((jobs) => jobs.deadLetters.list(job, options)),
  inspect: <P, A, E>(job: JobOf<P, A, E>, id: string) =>
    Jobs.use((jobs) => jobs.deadLetters.inspect(job, id)),
  replay: (job: AnyJob, which: DeadFilter | "all", options?: ManyOptions) =>
    Jobs.use((jobs) => jobs.deadLetters.replay(job, which, options)),
  purge: (job: AnyJob, which: DeadFilter | "all", options?: ManyOptions) =>
    Jobs.use((jobs) => jobs.deadLetters.purge(job, which, options))
}
