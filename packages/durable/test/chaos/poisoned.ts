import { Effect, Layer, Schema } from "effect"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"

/** Two queues of one process: one number kills it, soon after it has begun. */
export const Left = Job.make("Left", { payload: Schema.Int, attempts: 2 })
export const Right = Job.make("Right", { payload: Schema.Int, attempts: 3 })

/** What kills. */
export const isPoison = (n: number) => n === 3

/** How long others take, in milliseconds: they are in the middle of it when their process is killed. */
const millis = 400

const handle = (n: number) =>
  isPoison(n)
    ? Effect.andThen(
        Effect.sleep(millis / 4),
        Effect.sync(() => process.kill(process.pid, "SIGKILL"))
      )
    : Effect.sleep(millis)

/** A process that works until it is killed: `node poisoned.ts <url> <lease in milliseconds>`. */
const [, , url = "", lease = ""] = process.argv
if (import.meta.main)
  Effect.runFork(
    Layer.launch(
      Layer.merge(Left.toLayer(handle), Right.toLayer(handle)).pipe(
        Layer.provide(Jobs.layerPostgres({ url, lease: Number(lease) }))
      )
    )
  )
