import { Effect, Layer } from "effect"
import { appendFileSync } from "node:fs"
import * as Jobs from "../../src/Jobs.ts"
import { Work } from "./work.ts"

/** A process that works: `node worker.ts <url> <journal>`. A line is written at once, so that SIGKILL takes none back. */
const [url, journal] = process.argv.slice(2) as [string, string]
const note = (what: string, n: number) =>
  appendFileSync(journal, `${what} ${n} ${performance.timeOrigin + performance.now()}\n`)

const handled = Work.toLayer(
  (n) =>
    Effect.sync(() => note("began", n)).pipe(
      Effect.andThen(Effect.sleep("5 millis")),
      Effect.andThen(Effect.sync(() => note("ended", n)))
    ),
  { concurrency: 16 }
)

Effect.runFork(Layer.launch(handled.pipe(Layer.provide(Jobs.layerPostgres({ url, lease: "3 seconds" })))))
