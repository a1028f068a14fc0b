/** What the calls about queues do. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type ManagedQueue, QueueRegistry, type QueueUnavailable } from "lemmings/QueueRegistry"
import { ControlApi } from "../api/ControlApi.ts"
import { BadRequest, QueueAway, UnknownJob, UnknownQueue } from "../model/ControlError.ts"
import type { Letters } from "../api/QueueApi.ts"
import { snapshot, snapshots, wire } from "../frames/Queues.ts"
import { ControlSettings } from "../model/Settings.ts"

/** A person or a proxy waits no longer. */
const patience = "10 seconds"

const find = (id: string): Effect.Effect<ManagedQueue, UnknownQueue> =>
  Effect.flatMap(QueueRegistry, ({ queues }) => {
    const queue = queues().get(id)
    if (queue !== undefined) return Effect.succeed(queue)
    const message = `No queue has the name "${id}". GET /queues lists them; a slash in a name is written %2F.`
    return Effect.fail(new UnknownQueue({ queue: id, known: [...queues().keys()], message }))
  })

/** A call that needs no more than its queue. */
const withQueue =
  <A, E>(f: (queue: ManagedQueue, id: string) => Effect.Effect<A, E>) =>
  ({ params: { id } }: { readonly params: { readonly id: string } }) =>
    Effect.flatMap(find(id), (queue) => f(queue, id))

const away = (queue: string, message: string) => new QueueAway({ queue, message })

/** Asks the store, which may be away. */
const ask = <A>(id: string, effect: Effect.Effect<A, QueueUnavailable>): Effect.Effect<A, QueueAway> =>
  effect.pipe(
    Effect.mapError(({ message }) => away(id, `${message}. Try again when GET /health/ready says so.`)),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () =>
        Effect.fail(away(id, `The store of queue "${id}" did not answer in ${patience}. It may still do it.`))
    })
  )

const unknown = (queue: string, job: string, what: string) =>
  new UnknownJob({ queue, job, message: `Queue "${queue}" has no ${what} "${job}".` })

/** Everything only where that was said. */
const filterOf = ({ all, diedBefore, ids }: Letters) => {
  if (ids !== undefined || diedBefore !== undefined) {
    const filter = {
      ...(ids === undefined ? {} : { ids }),
      ...(diedBefore === undefined ? {} : { diedBefore })
    }
    return Effect.succeed(filter)
  }
  if (all === true) return Effect.succeed("all" as const)
  const rule = "an object with ids, diedBefore, or all: true"
  return Effect.fail(
    new BadRequest({ field: "body", rule, message: `body must be ${rule}. Nothing was changed.` })
  )
}

export const queues = HttpApiBuilder.group(ControlApi, "queues", (handlers) =>
  Effect.gen(function* () {
    const settings = yield* ControlSettings
    const shown = (queue: ManagedQueue, id: string) => snapshot(queue, id, settings)
    return handlers.handleAll({
      list: () => Effect.map(snapshots(settings), (all) => ({ queues: all })),
      get: withQueue(shown),
      pause: withQueue((queue, id) => Effect.andThen(ask(id, queue.pause), shown(queue, id))),
      resume: withQueue((queue, id) => Effect.andThen(ask(id, queue.resume), shown(queue, id))),
      deadLetters: ({ params: { id }, query: { after, limit = 100 } }) =>
        Effect.gen(function* () {
          const queue = yield* find(id)
          // One more, to know whether it is the last page.
          const found = yield* ask(id, queue.deadLetters.list({ limit: limit + 1, after }))
          const letters = found.slice(0, limit).map((letter) => wire(letter, settings))
          const last = letters.at(-1)
          return {
            queue: id,
            letters,
            ...(found.length > limit && last !== undefined ? { next: last.id } : {})
          }
        }),
      deadLetter: ({ params: { id, letterId } }) =>
        Effect.gen(function* () {
          const queue = yield* find(id)
          const [letter] = yield* ask(id, queue.deadLetters.list({ limit: 1, ids: [letterId] }))
          if (letter === undefined) return yield* Effect.fail(unknown(id, letterId, "dead letter"))
          return wire(letter, settings)
        }),
      replay: ({ params: { id }, payload }) =>
        Effect.gen(function* () {
          const queue = yield* find(id)
          const filter = yield* filterOf(payload)
          return { queue: id, replayed: yield* ask(id, queue.deadLetters.replay(filter)) }
        }),
      purge: ({ params: { id }, payload }) =>
        Effect.gen(function* () {
          const queue = yield* find(id)
          const filter = yield* filterOf(payload)
          return { queue: id, purged: yield* ask(id, queue.deadLetters.purge(filter)) }
        }),
      job: ({ params: { id, jobId } }) =>
        Effect.gen(function* () {
          const queue = yield* find(id)
          const job = yield* ask(id, queue.job(jobId))
          if (job === undefined) return yield* Effect.fail(unknown(id, jobId, "job"))
          return wire(job, settings)
        }),
      cancel: ({ params: { id, jobId } }) =>
        Effect.gen(function* () {
          const queue = yield* find(id)
          if (yield* ask(id, queue.cancel(jobId))) return { queue: id, accepted: "cancel" }
          return yield* Effect.fail(unknown(id, jobId, "job that waits or runs:"))
        })
    })
  })
)
