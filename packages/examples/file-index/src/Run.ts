/** One run, from the first folder to the report. */
import type { Duration } from "effect"
import { Clock, Deferred, Effect, Fiber, Stream } from "effect"
import { FileIndex } from "./Index.ts"
import { IndexHerd, indexAll } from "./IndexHerd.ts"
import { follow, type Sample } from "./Progress.ts"
import type { Run } from "./Report.ts"
import { type FoundFile, walk } from "./Scan.ts"

/**
 * Indexes the files under `root`. When `stop` ends, the walk ends, what the herd has accepted is finished, and
 * the report says so.
 */
export const run = Effect.fnUntraced(function* (options: {
  readonly root: string
  readonly interval: Duration.Duration
  readonly inPlace: boolean
  readonly stop: Deferred.Deferred<void>
  /** Looks at each file between walk and work. */
  readonly onFound?: ((file: FoundFile) => Effect.Effect<void>) | undefined
}) {
  const herd = yield* IndexHerd
  const index = yield* FileIndex
  const started = yield* Clock.currentTimeMillis
  const samples: Array<Sample> = []
  let complete = false
  let bytes = 0
  const progress = yield* Effect.forkChild(
    follow({ samples, indexedBytes: () => bytes, interval: options.interval, inPlace: options.inPlace })
  )

  yield* walk({
    root: options.root,
    except: new Set([index.file, `${index.file}-wal`, `${index.file}-shm`]),
    onProblem: index.addProblem
  }).pipe(
    Stream.tap((file) => options.onFound?.(file) ?? Effect.void),
    Stream.onEnd(Effect.sync(() => (complete = true))),
    // A folder is one chunk, and a chunk is never cut: small ones stop soon.
    Stream.rechunk(16),
    Stream.haltWhen(Deferred.await(options.stop)),
    (files) => indexAll(files, (row) => (bytes += row.bytes))
  )

  yield* Fiber.interrupt(progress)
  const metrics = yield* herd.metrics
  // Workers write their last rows when they end: the database is whole only after this.
  const shutdown = yield* herd.stop()
  yield* index.finish({ complete })
  const ended = yield* Clock.currentTimeMillis
  const report: Run = {
    root: options.root,
    database: index.file,
    seconds: (ended - started) / 1000,
    complete,
    stats: yield* herd.stats,
    metrics,
    shutdown,
    summary: yield* index.summary,
    changes: (yield* herd.history).map((change) => ({ ...change, seconds: (change.at - started) / 1000 })),
    samples
  }
  return report
})
