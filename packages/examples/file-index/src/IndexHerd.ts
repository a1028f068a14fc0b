/** The herd: each worker owns a connection to the database and a buffer to read through. */
import { Context, Effect, Schedule, Stream } from "effect"
import { Herd } from "lemmings"
import { FileIndex } from "./Index.ts"
import type { IndexFailed } from "./Index.ts"
import { type FileProblem, type FileRow, type FoundFile, readFile } from "./Scan.ts"

/** What a worker owns. */
class Reader extends Context.Service<
  Reader,
  {
    readonly index: (file: FoundFile) => Effect.Effect<FileRow, FileProblem | IndexFailed>
    /** Writes what `index` has read and not yet written. */
    readonly flush: Effect.Effect<void, IndexFailed>
  }
>()("file-index/Reader") {}

/** Tasks that may wait. Enough for priorities to matter, few enough for Ctrl-C to be quick. */
const waiting = 256

export class IndexHerd extends Herd.Service<IndexHerd>()("file-index/IndexHerd", { resource: Reader }) {
  /** How many workers there are, up to `most`, is left to the default policy. */
  static readonly live = (most: number) =>
    this.layer({
      onCreate: Effect.gen(function* () {
        const writer = yield* (yield* FileIndex).openWriter
        const buffer = Buffer.allocUnsafeSlow(256 * 1024)
        return Reader.of({
          index: (file) => Effect.tap(readFile(file, buffer), writer.add),
          flush: writer.flush
        })
      }),
      onDestroy: (reader) => reader.flush,
      workers: { min: Math.min(2, most), max: most },
      queue: { capacity: waiting },
      // The whole run, so that the percentiles of the report cover it.
      window: "1 hour"
    })
}

/** A few quick tries: what is being written or replaced at this moment is often there a moment later. */
const quickTries = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 2 }))

const isFileProblem = (error: { readonly _tag: string }): boolean =>
  error._tag === "FileVanished" || error._tag === "FileUnreadable"

/**
 * Indexes every file of the stream, package manifests first, and ends when each of them is indexed or noted as
 * a problem. The stream is pulled only as fast as the herd works.
 */
export const indexAll = Effect.fnUntraced(function* <E, R>(
  files: Stream.Stream<FoundFile, E, R>,
  onIndexed: (row: FileRow) => void
) {
  const herd = yield* IndexHerd
  const index = yield* FileIndex
  const { workers } = yield* herd.stats
  yield* files.pipe(
    Stream.mapEffect(
      (file) =>
        herd
          .run(
            Reader.use((reader) => reader.index(file)),
            {
              priority: file.manifest ? "high" : "normal",
              label: file.manifest ? "manifest" : "file",
              retry: quickTries,
              while: isFileProblem
            }
          )
          .pipe(Effect.map(onIndexed), Effect.catchTag(["FileVanished", "FileUnreadable"], index.addProblem)),
      { concurrency: waiting + workers.max, unordered: true }
    ),
    Stream.runDrain
  )
})
