// Effect's PersistedQueue, on PostgreSQL.
import { PgClient } from "@effect/sql-pg"
import { Effect, Exit, Layer, Redacted, References, Schema, Scope } from "effect"
import { PersistedQueue } from "effect/persistence"
import { concurrency, type Open } from "./Engine.ts"

const Email = Schema.Struct({ n: Schema.Int, to: Schema.String, template: Schema.String })

export const persistedQueue: Open = async (url) => {
  const scope = Scope.makeUnsafe()
  const layer = PersistedQueue.layer.pipe(
    Layer.provide(PersistedQueue.layerStoreSql()),
    Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: concurrency + 4 })),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const run = Effect.runPromiseWith(context)
  const queue = await run(PersistedQueue.make({ name: "email", schema: Email }))
  return {
    enqueue: (email) => run(queue.offer(email)),
    // It has no bulk call.
    enqueueAll: (emails) =>
      run(Effect.forEach(emails, (email) => queue.offer(email), { concurrency, discard: true })),
    work: async (handle) => {
      const taken = queue.take((email) => Effect.sync(() => handle(email)))
      for (let i = 0; i < concurrency; i++) {
        await run(Effect.forkIn(Effect.forever(taken), scope))
      }
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
