// Opens an embedded store, begins a job that never ends, says its id, and stays.
import { Effect, Layer, Schema } from "effect"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"

const Work = Job.make("Work", { payload: Schema.Int, success: Schema.Int })

const begun = Work.toLayer((_, { id }) =>
  Effect.andThen(
    Effect.sync(() => process.send?.(id)),
    Effect.never
  )
)

const program = Effect.andThen(Jobs.enqueue(Work(21)), Effect.never)

Effect.runFork(
  Effect.provide(
    program,
    begun.pipe(Layer.provideMerge(Jobs.layerEmbedded({ directory: process.argv[2] ?? "" })))
  )
)
