import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import { linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { FileIndex } from "../src/Index.ts"
import { IndexHerd } from "../src/IndexHerd.ts"
import { missing, render } from "../src/Report.ts"
import { run } from "../src/Run.ts"
import type { FoundFile } from "../src/Scan.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

// it.live throughout: these tests read real files, whose time is not the test clock's.

const indexOf = Effect.fnUntraced(function* (
  root: string,
  onFound?: (file: FoundFile, stop: () => void) => void,
  beside: Effect.Effect<void, never, IndexHerd> = Effect.void
) {
  const folder = yield* temporaryFolder
  const file = join(folder, "index.sqlite")
  const stop = yield* Deferred.make<void>()
  const report = yield* Effect.gen(function* () {
    yield* Effect.forkChild(beside, { startImmediately: true })
    return yield* run({
      root,
      interval: Duration.hours(1),
      inPlace: false,
      stop,
      onFound: (found) => Effect.sync(() => onFound?.(found, () => Deferred.doneUnsafe(stop, Effect.void)))
    })
  }).pipe(Effect.provide(Layer.provideMerge(IndexHerd.live(4), FileIndex.layer({ file, root }))))
  const database = new DatabaseSync(file)
  const rows = database.prepare("select * from files order by path").all()
  const complete = database.prepare("select complete from run").get()?.["complete"]
  database.close()
  return { report, rows, complete }
})

describe("run", () => {
  it.live("indexes every file, each with its hash, size and lines", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      for (let n = 0; n < 700; n++) {
        mkdirSync(join(root, `${n % 7}`), { recursive: true })
        writeFileSync(join(root, `${n % 7}`, `${n}.txt`), `${n}\n`.repeat(n % 50))
      }

      const { complete, report, rows } = yield* indexOf(root)

      assert.strictEqual(rows.length, 700)
      assert.strictEqual(report.summary.totals.files, 700)
      assert.strictEqual(missing(report), 0)
      assert.deepStrictEqual([complete, report.complete], [1, true])
      const one = rows.find(({ path }) => path === "0/49.txt")
      assert.strictEqual(one?.["hash"], createHash("sha256").update("49\n".repeat(49)).digest("hex"))
      assert.deepStrictEqual([one?.["bytes"], one?.["lines"]], [147, 49])
    })
  )

  it.live("finds duplicates, and counts hard links once", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      for (const name of ["a", "b", "c"]) writeFileSync(join(root, name), "same content")
      linkSync(join(root, "a"), join(root, "link to a"))
      writeFileSync(join(root, "other"), "other content")

      const { report } = yield* indexOf(root)

      const [group, ...more] = report.summary.duplicates.top
      assert.deepStrictEqual([group?.copies, group?.bytes, group?.wasted, more.length], [4, 12, 24, 0])
    })
  )

  it.live("reports what vanished and what cannot be read, and indexes the rest", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      for (const name of ["kept", "vanishing", "replaced"]) writeFileSync(join(root, name), name)
      mkdirSync(join(root, "folder"))
      const race = ({ location, path }: FoundFile) => {
        if (path === "kept") rmSync(join(root, "folder"), { recursive: true, force: true })
        if (path !== "kept") rmSync(location)
        if (path === "replaced") mkdirSync(location)
      }

      const { report, rows } = yield* indexOf(root, race)

      assert.deepStrictEqual(
        rows.map(({ path }) => path),
        ["kept"]
      )
      assert.deepStrictEqual(
        report.summary.problems.first.map(({ path, reason }) => [path, reason]),
        [
          ["folder", "FileVanished"],
          ["replaced", "FileUnreadable"],
          ["vanishing", "FileVanished"]
        ]
      )
      // Three tries for each of the two files.
      assert.deepStrictEqual([report.stats.tasks.failed, report.stats.tasks.retried], [2, 4])
    })
  )

  it.live("indexes a file that comes back between two tries", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const location = join(root, "flickering")
      writeFileSync(location, "here")
      const comeBack = Effect.gen(function* () {
        const herd = yield* IndexHerd
        yield* herd.events.pipe(
          Stream.filter((event) => event._tag === "TaskRetried"),
          Stream.runForEach(() => Effect.sync(() => writeFileSync(location, "here")))
        )
      })

      const { report } = yield* indexOf(root, () => rmSync(location), comeBack)

      assert.deepStrictEqual([report.summary.totals.files, report.summary.problems.count], [1, 0])
    })
  )

  it.live("reports each change of the number of workers, and why", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      for (let n = 0; n < 200; n++) writeFileSync(join(root, `${n}`), `${n}`)
      const grow = Effect.gen(function* () {
        yield* Effect.orDie((yield* IndexHerd).setBounds({ min: 4, max: 4 }))
      })

      const { report } = yield* indexOf(root, undefined, grow)

      assert.deepStrictEqual(
        report.changes.map(({ by, from, reason, to }) => [from, to, by, reason]),
        [
          [0, 2, "start", "initial"],
          [2, 4, "setBounds", "4 to 4 allowed"]
        ]
      )
      assert.match(render(report, "node"), /│ 2 -> 4 +│ setBounds: 4 to 4 allowed +│/)
    })
  )

  it.live("stopped early, keeps every file whose task succeeded and says that the run is not complete", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      for (let n = 0; n < 2_000; n++) writeFileSync(join(root, `${n}`), `${n}`)
      let found = 0

      const { complete, report, rows } = yield* indexOf(root, (_, stop) => {
        if (++found === 500) stop()
      })

      assert.isAbove(rows.length, 0)
      assert.isBelow(rows.length, 2_000)
      assert.strictEqual(rows.length, report.stats.tasks.succeeded)
      assert.deepStrictEqual([complete, report.complete], [0, false])
    })
  )
})
