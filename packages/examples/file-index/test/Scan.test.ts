import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FileUnreadable, FileVanished, readFile, walk } from "../src/Scan.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

// it.live throughout: these tests read real files, whose time is not the test clock's.

const at = (root: string, path: string) => ({ path, location: join(root, path), manifest: false })

describe("walk", () => {
  it.live("finds the files of all folders, and passes links and exceptions over", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      mkdirSync(join(root, "a/b"), { recursive: true })
      for (const path of ["one", "a/two", "a/b/package.json", "index.sqlite"])
        writeFileSync(join(root, path), "x")
      symlinkSync(join(root, "one"), join(root, "link"))
      symlinkSync(join(root, "nothing"), join(root, "a/dangling"))
      symlinkSync(root, join(root, "a/loop"))

      const files = yield* walk({
        root,
        except: new Set([join(root, "index.sqlite")]),
        onProblem: Effect.die
      }).pipe(Stream.runCollect)

      assert.deepStrictEqual(
        files
          .map(({ manifest, path }) => ({ path, manifest }))
          .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
        [
          { path: "a/b/package.json", manifest: true },
          { path: "a/two", manifest: false },
          { path: "one", manifest: false }
        ]
      )
    })
  )

  it.live("reports a folder that is gone, and goes on", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const problems: Array<string> = []

      const files = yield* walk({
        root: join(root, "missing"),
        except: new Set(),
        onProblem: (problem) => Effect.sync(() => problems.push(`${problem._tag} ${problem.path}`))
      }).pipe(Stream.runCollect)

      assert.deepStrictEqual(files, [])
      assert.deepStrictEqual(problems, ["FileVanished ."])
    })
  )
})

describe("readFile", () => {
  it.live.each([
    { name: "empty", content: "", lines: 0, kind: "text/plain" },
    { name: "no-break", content: "one", lines: 1, kind: "text/plain" },
    { name: "breaks.md", content: "one\ntwo\n", lines: 2, kind: "text/markdown" },
    { name: "code.ts", content: "one\n\ntwo", lines: 3, kind: "text/typescript" },
    { name: "binary", content: "one\n\0", lines: null, kind: "application/octet-stream" }
  ])("counts $lines lines in $name", ({ content, kind, lines, name }) =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      writeFileSync(join(root, name), content)

      const row = yield* readFile(at(root, name), Buffer.alloc(64))

      assert.deepStrictEqual(
        { bytes: row.bytes, lines: row.lines, kind: row.kind },
        { bytes: content.length, lines, kind }
      )
    })
  )

  it.live("reads a file longer than its buffer", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      writeFileSync(join(root, "long"), "0123456789\n".repeat(100))

      const small = yield* readFile(at(root, "long"), Buffer.alloc(7))
      const large = yield* readFile(at(root, "long"), Buffer.alloc(10_000))

      assert.deepStrictEqual(small, large)
      assert.strictEqual(small.lines, 100)
      // sha256sum of the same bytes
      assert.strictEqual(small.hash.length, 64)
    })
  )

  it.live("tells a file that is gone from one that cannot be read", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      mkdirSync(join(root, "folder"))

      const gone = yield* Effect.flip(readFile(at(root, "gone"), Buffer.alloc(8)))
      const unreadable = yield* Effect.flip(readFile(at(root, "folder"), Buffer.alloc(8)))

      assert.deepStrictEqual(gone, new FileVanished({ path: "gone" }))
      assert.instanceOf(unreadable, FileUnreadable)
      assert.strictEqual(unreadable.code, "EISDIR")
    })
  )
})
