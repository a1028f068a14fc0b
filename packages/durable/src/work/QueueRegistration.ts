/**
 * Shows a queue to whoever looks after the process: in the registry of queues, and as metrics of the whole queue.
 */
import { Clock, Effect, Exit, Scope } from "effect"
import * as Fibers from "lemmings/internal/Fibers"
import * as Shared from "lemmings/internal/Shared"
import { type ManagedQueue, QueueRegistry, type QueueStats, QueueUnavailable } from "lemmings/QueueRegistry"
import { whichOf } from "../job/DeadWhich.ts"
import type { AnyJob } from "../job/JobDefinition.ts"
import type { JobStoreError } from "../port/JobError.ts"
import type { DeadFilter, DeadLetter, Failure, JobRecord, Store } from "../port/JobStore.ts"
import * as QueueMetrics from "./QueueMetrics.ts"

/** Figures that are older are asked for again when somebody reads them. */
const freshMillis = 5_000

const errorOf = ({ error, message }: Failure): string =>
  error === undefined ? message : `${message} ${JSON.stringify(error)}`

const letterOf = ({ attempts, diedAt, enqueuedAt, failure, id, jobId, payload }: DeadLetter) => ({
  id,
  jobId,
  reason: failure.reason,
  attempts,
  enqueuedAt,
  diedAt,
  error: errorOf(failure),
  payload
})

const jobOf = ({
  attempts,
  createdAt,
  endedAt,
  failure,
  id,
  payload,
  priority,
  startAt,
  state
}: JobRecord) => ({
  id,
  state,
  attempts,
  priority,
  createdAt,
  startAt,
  payload,
  ...(endedAt === undefined ? {} : { endedAt }),
  ...(failure === undefined ? {} : { reason: failure.reason, error: errorOf(failure) })
})

/** The queue as others see it. Makes it in the store where nobody has yet. */
const managed = (store: Store, job: AnyJob, seen: (stats: QueueStats) => void): ManagedQueue => {
  const { name } = job
  let declared = false
  const ask = <A>(f: Effect.Effect<A, JobStoreError>) =>
    Effect.suspend(() =>
      declared
        ? f
        : Effect.andThen(
            Effect.map(store.declare(job.settings.spec), () => {
              declared = true
            }),
            f
          )
    ).pipe(Effect.mapError((cause) => new QueueUnavailable({ queue: name, cause })))
  const dead = (
    which: unknown,
    f: (queue: string, filter?: DeadFilter) => Effect.Effect<number, JobStoreError>
  ) =>
    Effect.try({
      try: () => whichOf(which),
      catch: (cause) => new QueueUnavailable({ queue: name, cause })
    }).pipe(Effect.flatMap((filter) => ask(f(name, filter))))
  return {
    id: name,
    store: store.engine,
    readiness: Effect.map(store.readiness, ({ ready, reason, since }) => ({ ready, reason, since })),
    stats: Effect.map(ask(store.stats(name)), (all) => {
      const { deadLetters, delayed, lastMinute, oldestMillis, paused, running, waiting } = all
      const stats = { paused, waiting, delayed, running, deadLetters, oldestMillis, lastMinute }
      seen(stats)
      return stats
    }),
    pause: ask(store.pause(name)),
    resume: ask(store.resume(name)),
    job: (id) => Effect.map(ask(store.get(name, id)), (record) => record && jobOf(record)),
    cancel: (id) => Effect.map(ask(store.cancel(name, [id])), (cancelled) => cancelled > 0),
    deadLetters: {
      list: ({ after, limit, ...filter }) =>
        Effect.map(ask(store.dead.list(name, { limit, after, filter })), (letters) => letters.map(letterOf)),
      replay: (which) => dead(which, store.dead.replay),
      purge: (which) => dead(which, store.dead.purge)
    }
  }
}

const enter = Effect.fnUntraced(function* (store: Store, job: AnyJob) {
  const registry = yield* QueueRegistry
  const clock = yield* Clock.Clock
  // Not of the wall, which may be set back: figures would be old for as long.
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const context = yield* Effect.context()
  let stats: QueueStats | undefined
  let readAt = -Infinity
  let reading = false
  const alone = managed(store, job, (next) => {
    stats = next
    readAt = now()
  })
  // However many ask at a time, the store is asked once.
  const queue = { ...alone, stats: yield* Shared.make(alone.stats, 0) }
  /** What was read last. Where that is old, the next reader gets what is read now. */
  const figure = (read: (stats: QueueStats) => number) => () => {
    if (!reading && now() - readAt > freshMillis) {
      reading = true
      const done = () => {
        reading = false
      }
      Fibers.start(context, Effect.ensuring(Effect.ignore(queue.stats), Effect.sync(done)))
    }
    return stats === undefined ? NaN : read(stats)
  }
  const ready = () => {
    const exit = Effect.runSyncExit(store.readiness)
    return Exit.isSuccess(exit) && exit.value.ready
  }
  yield* QueueMetrics.publishStored(job.name, figure, ready)
  yield* Effect.acquireRelease(
    Effect.sync(() => registry.add(queue)),
    (remove) => Effect.sync(remove)
  )
})

/** The queues of a store that are shown, each until the last of those who asked for it has left. */
const shown = new WeakMap<Store, Map<string, { users: number; readonly scope: Scope.Closeable }>>()

const enterOnce = (store: Store, job: AnyJob) =>
  Effect.suspend(() => {
    const queues = shown.get(store) ?? new Map()
    shown.set(store, queues)
    const found = queues.get(job.name)
    if (found !== undefined) {
      found.users++
      return Effect.void
    }
    const scope = Scope.makeUnsafe()
    queues.set(job.name, { users: 1, scope })
    return Scope.provide(enter(store, job), scope)
  })

const leave = (store: Store, job: AnyJob) =>
  Effect.suspend(() => {
    const queues = shown.get(store)
    const found = queues?.get(job.name)
    if (found === undefined || --found.users > 0) return Effect.void
    queues?.delete(job.name)
    return Scope.close(found.scope, Exit.void)
  })

/**
 * Registers the queue until the scope closes. A queue that a process both fills and works off is there once.
 */
export const register = (store: Store, job: AnyJob): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(enterOnce(store, job), () => leave(store, job))
