// The linter knows the map of the core: these tests break it on purpose and read what the linter says.
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const scratches: Array<string> = []

/** Lints a checkout that holds our lint configuration and `files` in a source folder. */
const lint = (files: Record<string, string>, folder: string) => {
  const scratch = mkdtempSync(join(tmpdir(), "lemmings-lint-"))
  scratches.push(scratch)
  const put = (path: string, write: (to: string) => void) => {
    mkdirSync(dirname(join(scratch, path)), { recursive: true })
    write(join(scratch, path))
  }
  for (const path of [".oxlintrc.json", "scripts/lint-plugin.mjs", "scripts/module-map.mjs"]) {
    put(path, (to) => copyFileSync(join(root, path), to))
  }
  for (const [path, text] of Object.entries(files)) {
    put(join(folder, path), (to) => writeFileSync(to, text))
  }
  const run = spawnSync(join(root, "node_modules/.bin/oxlint"), ["--deny-warnings", "packages"], {
    cwd: scratch,
    encoding: "utf8"
  })
  return { status: run.status, output: run.stdout + run.stderr }
}

/** A module with one documented export, below `imports`. */
const source = (...imports: ReadonlyArray<string>) =>
  `${imports.join("\n")}\n/**\n * A value.\n *\n * @category constants\n * @since 0.1.0\n */\nexport const value = 1\n`

const core = "packages/lemmings/src"
const control = "packages/control/src"

const refuses = (files: Record<string, string>, message: string, folder = core) => {
  const { output, status } = lint(files, folder)

  assert.strictEqual(status, 1, output)
  assert.include(output.replaceAll(/\s+/g, " "), message)
}

const allows = (files: Record<string, string>, folder = core) => {
  const { output, status } = lint(files, folder)

  assert.strictEqual(status, 0, output)
}

afterAll(() => scratches.forEach((scratch) => rmSync(scratch, { recursive: true })))

describe("house/map", () => {
  it("knows the map of control, whose edge alone knows the platform", () => {
    const platform = source(`import { createServer as value } from "node:http"`, "export const used = value")
      .replace("export const used", "const used")
      .replace("value = 1", "made = used")
    allows({ "Control.ts": platform }, control)
    refuses({ "Guard.ts": platform }, "packages/control/src imports only effect and lemmings", control)
    refuses(
      {
        "Wire.ts": source(`import type { value as Up } from "./Handlers.ts"`, "export type S = typeof Up"),
        "Handlers.ts": source()
      },
      "Wire may not import Handlers: imports point downward, and Handlers is above it on the map.",
      control
    )
  })

  it("refuses a module of internal that imports a named module", () =>
    refuses(
      {
        "Herd.ts": source(),
        "internal/Heap.ts": source(
          `import type { value as Size } from "../Herd.ts"`,
          "export type S = typeof Size"
        )
      },
      "src/internal may not import Herd"
    ))

  it("refuses an import that points upward", () =>
    refuses(
      { "Herd.ts": source(), "TaskQueue.ts": source(`export * from "./Herd.ts"`) },
      "TaskQueue may not import Herd: imports point downward"
    ))

  it("refuses an import between siblings", () =>
    refuses(
      { "Retry.ts": source(), "Supervisor.ts": source(`export * from "./Retry.ts"`) },
      "Supervisor may not import Retry: they are siblings"
    ))

  for (const specifier of [
    "node:fs",
    "effect/http",
    "effect/http-api/HttpApi",
    "@effect/platform-node",
    "lemmings"
  ]) {
    it(`refuses ${specifier} in the core`, () =>
      refuses(
        { "Task.ts": source(`import * as Other from "${specifier}"`, "export type Part = typeof Other") },
        `imports only effect (no node:*, effect/http*, @effect/*, @lemmings/*), not "${specifier}"`
      ))
  }

  it("refuses a type that is imported inline", () =>
    refuses(
      {
        "Herd.ts": source(),
        "Task.ts": source(`type Part = typeof import("./Herd.ts")\nexport const part = (self: Part) => self`)
      },
      "Task may not import Herd"
    ))

  it("refuses testing inside the core", () =>
    refuses(
      { "testing/index.ts": source(), "Herd.ts": source(`export * from "./testing/index.ts"`) },
      "The core may not import src/testing"
    ))

  it("refuses a way out of the package", () =>
    refuses(
      { "Task.ts": source(`export * from "../../bench/src/main.ts"`) },
      "imports nothing of the workspace outside itself"
    ))

  it("refuses a file that is not on the map", () =>
    refuses({ "Shepherd.ts": source() }, "Shepherd is not on the map"))

  it("allows every import that points downward, and siblings in the lowest band", () =>
    allows({
      "index.ts": `export * as Herd from "./Herd.ts"\n`,
      "Herd.ts": source(`import "./FiberPool.ts"`, `import "./Task.ts"`, `import "effect"`),
      "FiberPool.ts": source(`import "./TaskQueue.ts"`),
      "TaskQueue.ts": source(`import "./internal/Heap.ts"`, `import "effect/Effect"`),
      "HerdEvent.ts": source(`import "./Task.ts"`),
      "Task.ts": source(),
      "internal/Heap.ts": source(`import "./Deque.ts"`),
      "internal/Deque.ts": source(),
      "testing/index.ts": source(`import "../Herd.ts"`, `import "effect/testing"`)
    }))
})

describe("house/documented", () => {
  it("refuses a public export without its tags", () =>
    refuses({ "Task.ts": "export const value = 1\n" }, "The public export value lacks @since"))

  it("leaves internal modules alone", () => allows({ "internal/Heap.ts": "export const value = 1\n" }))
})

describe("house/no-wall-clock", () => {
  for (const expression of [
    "Date.now()",
    "new Date()",
    "performance.now()",
    "setTimeout(String, 1)",
    "setInterval(String, 1)"
  ]) {
    it(`refuses ${expression}`, () =>
      refuses({ "internal/Heap.ts": `export const value = ${expression}\n` }, "Use Clock or Effect.sleep"))
  }
})

describe("import/no-cycle", () => {
  it("refuses a cycle in the lowest band", () =>
    refuses(
      {
        "Task.ts": `export { value } from "./HerdError.ts"\n`,
        "HerdError.ts": `export { value } from "./Task.ts"\n`
      },
      "import(no-cycle)"
    ))
})

describe("max-lines", () => {
  it("counts code, and neither comments nor blank lines", () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, index) => `// Line ${index}.\n\nexport const v${index} = 0\n`).join(
        ""
      )

    refuses({ "internal/Heap.ts": lines(401) }, "eslint(max-lines)")
    allows({ "internal/Heap.ts": lines(400) })
  })
})
