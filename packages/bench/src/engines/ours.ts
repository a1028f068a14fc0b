// Ours: the same lines, whichever store is given.
import { Job, Jobs } from "@lemmings/durable"
import { Effect, Exit, Layer, References, Schema, Scope } from "effect"
import { concurrency, type Engine, type Handle, inBulk, type Open } from "./Engine.ts"

const Email = Job.make("email", {
  payload: { n: Schema.Int, to: Schema.String, template: Schema.String }
})

const engine = async (
  stores: ReturnType<typeof Jobs.layerMemory | typeof Jobs.layerEmbedded>
): Promise<Engine> => {
  const scope = Scope.makeUnsafe()
  // Standard output is for the figures.
  const quiet = Layer.succeed(References.MinimumLogLevel, "Error" as const)
  const context = await Effect.runPromise(Layer.buildWithScope(Layer.provideMerge(stores, quiet), scope))
  const run = Effect.runPromiseWith(context)
  return {
    enqueue: (email) => run(Jobs.enqueue(Email(email))),
    enqueueAll: (emails) => inBulk(emails, (some) => run(Jobs.enqueue(some.map((email) => Email(email))))),
    work: (handle: Handle) =>
      run(
        Layer.buildWithScope(
          Email.toLayer((email) => Effect.sync(() => handle(email)), { concurrency }),
          scope
        )
      ),
    execute: (email) => run(Jobs.execute(Email(email))),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export const oursOnPostgres: Open = (url) => engine(Jobs.layerPostgres({ url }))
export const oursEmbedded: Open = (directory) => engine(Jobs.layerEmbedded({ directory }))
export const oursInMemory: Open = () => engine(Jobs.layerMemory())
