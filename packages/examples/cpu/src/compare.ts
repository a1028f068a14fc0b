import { ThreadHerd } from "@lemmings/threads"
import { Duration, Effect, Stream } from "effect"
import { globSync } from "node:fs"
import { join } from "node:path"
import { shrink, type Shrunk } from "./shrink.ts"
import { Shrink } from "./tasks.ts"

export class Shrinking extends ThreadHerd.Service<Shrinking>()("cpu/Shrinking", {
  tasks: [Shrink],
  worker: new URL("./shrink.worker.ts", import.meta.url)
}) {}

export interface Run {
  readonly files: number
  readonly megabytes: number
  readonly seconds: number
  /** The longest time in which the main thread could do nothing else. */
  readonly stuckMillis: number
}

export const filesOf = (folder: string): ReadonlyArray<string> =>
  globSync("**/*.{ts,js,json,md}", { cwd: folder })
    .toSorted()
    .map((file) => join(folder, file))

/** Measures what the work takes, and how long it keeps the event loop. */
const measured = <E, R>(work: Effect.Effect<ReadonlyArray<Shrunk>, E, R>): Effect.Effect<Run, E, R> =>
  Effect.gen(function* () {
    let stuckMillis = 0
    let before = performance.now()
    const look = () => {
      stuckMillis = Math.max(stuckMillis, performance.now() - before - everyMillis)
      before = performance.now()
    }
    const timer = setInterval(look, everyMillis)
    const [took, results] = yield* Effect.ensuring(
      Effect.timed(Effect.tap(work, () => Effect.sleep(everyMillis))),
      Effect.sync(() => clearInterval(timer))
    )
    return {
      files: results.length,
      megabytes: results.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6,
      seconds: Duration.toSeconds(took),
      stuckMillis
    }
  })

const everyMillis = 5

export const onMainThread = (paths: ReadonlyArray<string>) => measured(Effect.sync(() => paths.map(shrink)))

/** On the threads of the herd. `progress` hears of every file. */
export const onThreads = (paths: ReadonlyArray<string>, progress: (done: number) => void) =>
  measured(
    Effect.gen(function* () {
      let done = 0
      const outputs = Shrinking.stream(Stream.fromIterable(paths), (path) => Shrink({ path }))
      return yield* Stream.runCollect(
        Stream.mapEffect(outputs, ({ result }) => {
          progress(++done)
          return result
        })
      )
    })
  )
