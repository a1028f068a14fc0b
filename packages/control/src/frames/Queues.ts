/** Looks at queues without waiting for a store that is away. */
import { Effect } from "effect"
import { type ManagedQueue, type QueueJob, type QueueLetter, QueueRegistry } from "lemmings/QueueRegistry"
import type { QueueSnapshot } from "../model/ControlModel.ts"
import type { Settings } from "../model/Settings.ts"

// How long a store may take to answer.
const patience = "2 seconds"

type Rules = Pick<Settings, "exposeErrors" | "exposePayloads">

/** Without what is not exposed. */
export const wire = <T extends QueueJob | QueueLetter>(
  { error, payload, ...rest }: T,
  { exposeErrors, exposePayloads }: Rules
) => ({
  ...rest,
  ...(exposeErrors && error !== undefined ? { error } : {}),
  ...(exposePayloads ? { payload } : {})
})

/** `undefined`: the store did not answer, or said that it cannot. */
const soon = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
  effect.pipe(
    Effect.timeout(patience),
    Effect.orElseSucceed(() => undefined)
  )

export const snapshot = (queue: ManagedQueue, name: string, rules: Rules): Effect.Effect<QueueSnapshot> =>
  Effect.gen(function* () {
    const stats = yield* soon(queue.stats)
    const { ready, reason, since } = yield* queue.readiness
    return {
      queue: name,
      store: queue.store,
      ready: ready && stats !== undefined,
      since,
      ...(rules.exposeErrors && reason !== undefined ? { reason } : {}),
      stats: stats ?? null
    }
  })

/** Every queue of the registry, each asked beside the others. */
export const snapshots = (rules: Rules): Effect.Effect<ReadonlyArray<QueueSnapshot>> =>
  Effect.flatMap(QueueRegistry, ({ queues }) =>
    Effect.forEach([...queues()], ([name, queue]) => snapshot(queue, name, rules), {
      concurrency: "unbounded"
    })
  )
