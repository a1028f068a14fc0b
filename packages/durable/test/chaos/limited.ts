import { Effect, Layer, Schema } from "effect"
import { appendFileSync } from "node:fs"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"

/** Its payload is how long it runs, in milliseconds, and its number. */
export const Limited = Job.make("Limited", { payload: { n: Schema.Int, millis: Schema.Int } })

export const perQueue = 3

/** 50 a second. */
export const rate = { limit: 5, per: "100 millis" } as const

/** A process that works within limits: `node limited.ts <url> <journal> <perQueue | rate>`. */
const [url, journal, limit] = process.argv.slice(2)

if (url !== undefined && journal !== undefined) {
  const note = (what: string, n: number) =>
    Effect.sync(() => appendFileSync(journal, `${what} ${n} ${performance.timeOrigin + performance.now()}\n`))
  const handled = Limited.toLayer(
    ({ millis, n }) =>
      note("began", n).pipe(Effect.andThen(Effect.sleep(millis)), Effect.andThen(note("ended", n))),
    { concurrency: 8, pollInterval: "200 millis", ...(limit === "rate" ? { rate } : { perQueue }) }
  )
  Effect.runFork(Layer.launch(handled.pipe(Layer.provide(Jobs.layerPostgres({ url, lease: "1 second" })))))
}
