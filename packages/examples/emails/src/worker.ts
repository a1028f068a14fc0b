// Enqueues the e-mails of a run, works, and ends when all are sent: `node src/worker.ts <run> <count> <directory>`.
import { NodeRuntime } from "@effect/platform-node"
import { Jobs } from "@lemmings/durable"
import { Effect, Layer, References } from "effect"
import { SendEmail, sending, store, tell } from "./SendEmail.ts"

const [run = "", count = "0", directory = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const ids = yield* Jobs.enqueue(
    Array.from({ length: Number(count) }, (_, n) => SendEmail({ run, to: `reader-${n}@example.org` }))
  )
  yield* tell({ _tag: "Enqueued", ids })
  yield* Effect.forEach(ids, (id) => Jobs.await(SendEmail, id), { concurrency: "unbounded", discard: true })
})

const live = sending.pipe(Layer.provideMerge(store(directory, process.env["DATABASE_URL"])))

NodeRuntime.runMain(
  program.pipe(
    Effect.provide(live),
    // The store logs that it is ready.
    Effect.provideService(References.MinimumLogLevel, "Warn"),
    // The channel to our parent would keep this process alive.
    Effect.ensuring(Effect.sync(() => process.disconnect()))
  )
)
