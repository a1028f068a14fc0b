import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { FileIndex } from "../src/Index.ts"
import type { FileRow } from "../src/Scan.ts"
import { FileUnreadable } from "../src/Scan.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

// it.live throughout: the database is a real file.

const row = (path: string, more: Partial<FileRow> = {}): FileRow => ({
  path,
  hash: path,
  bytes: 10,
  lines: 1,
  kind: "text/plain",
  inode: path,
  ...more
})

const build = <A, E, R>(file: string, use: Effect.Effect<A, E, R>) =>
  use.pipe(Effect.provide(FileIndex.layer({ file, root: "/root" })), Effect.scoped)

describe("FileIndex", () => {
  it.live("shows a writer's rows after its flush, and every 200 rows before it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const counts = yield* build(
        join(folder, "index.sqlite"),
        Effect.gen(function* () {
          const index = yield* FileIndex
          const writer = yield* index.openWriter
          const count = Effect.map(index.summary, ({ totals }) => totals.files)
          for (let n = 0; n < 250; n++) yield* writer.add(row(`file-${n}`))
          const before = yield* count
          yield* writer.flush
          return [before, yield* count]
        })
      )

      assert.deepStrictEqual(counts, [200, 250])
    })
  )

  it.live("counts hard links to one file as one copy, and ranks by what can be freed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { duplicates } = yield* build(
        join(folder, "index.sqlite"),
        Effect.gen(function* () {
          const index = yield* FileIndex
          const writer = yield* index.openWriter
          for (const path of ["a", "b", "c"]) yield* writer.add(row(path, { hash: "same" }))
          for (const path of ["d", "e"]) yield* writer.add(row(path, { hash: "big", bytes: 15 }))
          for (const path of ["f", "g"]) yield* writer.add(row(path, { hash: "linked", inode: "one" }))
          for (const path of ["h", "i"]) yield* writer.add(row(path, { hash: "empty", bytes: 0 }))
          yield* writer.flush
          return yield* index.summary
        })
      )

      assert.deepStrictEqual(duplicates, {
        groups: 3,
        wasted: 35,
        top: [
          { hash: "same", copies: 3, bytes: 10, wasted: 20, example: "a" },
          { hash: "big", copies: 2, bytes: 15, wasted: 15, example: "d" },
          { hash: "linked", copies: 2, bytes: 10, wasted: 0, example: "f" }
        ]
      })
    })
  )

  it.live("lists problems, and forgets the run before", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "index.sqlite")
      const note = (path: string) =>
        Effect.gen(function* () {
          const index = yield* FileIndex
          yield* index.addProblem(new FileUnreadable({ path, code: "EIO", detail: "input/output error" }))
          return (yield* index.summary).problems
        })

      yield* build(file, note("first"))
      const problems = yield* build(file, note("second"))

      assert.deepStrictEqual(problems, {
        count: 1,
        first: [{ path: "second", reason: "FileUnreadable", message: "input/output error" }]
      })
    })
  )

  it.live("refuses a database of somebody else and a file that is none, and changes neither", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const other = join(folder, "other.sqlite")
      const database = new DatabaseSync(other)
      database.exec("create table precious (n integer); insert into precious values (42)")
      database.close()
      const text = join(folder, "letter.txt")
      writeFileSync(text, "Dear Sir or Madam, ".repeat(100))
      const before = [readFileSync(other), readFileSync(text)]

      const errors = [yield* Effect.flip(build(other, FileIndex)), yield* Effect.flip(build(text, FileIndex))]

      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["NotAnIndex", "NotAnIndex"]
      )
      assert.deepStrictEqual([readFileSync(other), readFileSync(text)], before)
    })
  )
})
