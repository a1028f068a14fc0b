// The linter knows the map of the core: these tests break it on purpose and read what the linter says.
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")

interface Map {
  readonly rooms: ReadonlyArray<string>
}
const map = (await import(resolve(root, "scripts/module-map.mjs"))) as Record<
  "core" | "control" | "durable" | "threads",
  Map
>
/** The maps, by the folder of their package. */
const maps = { lemmings: map.core, control: map.control, durable: map.durable, threads: map.threads }

const scratches: Array<string> = []

/** Lints a checkout that holds our lint configuration and `files` in a source folder. */
const lint = (files: Record<string, string>, folder: string, manifest = false) => {
  const scratch = mkdtempSync(join(tmpdir(), "lemmings-lint-"))
  scratches.push(scratch)
  const put = (path: string, write: (to: string) => void) => {
    mkdirSync(dirname(join(scratch, path)), { recursive: true })
    write(join(scratch, path))
  }
  const scripts = ["lint-plugin", "module-map", "public-names"].map((name) => `scripts/${name}.mjs`)
  for (const path of [".oxlintrc.json", ...scripts, ...(manifest ? [join(folder, "../package.json")] : [])]) {
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

const refuses = (files: Record<string, string>, message: string, folder = core, manifest = false) => {
  const { output, status } = lint(files, folder, manifest)

  assert.strictEqual(status, 1, output)
  assert.include(output.replaceAll(/\s+/g, " "), message)
}

const allows = (files: Record<string, string>, folder = core, manifest = false) => {
  const { output, status } = lint(files, folder, manifest)

  assert.strictEqual(status, 0, output)
}

afterAll(() => scratches.forEach((scratch) => rmSync(scratch, { recursive: true })))

describe("house/map", () => {
  it("knows the rooms of control, of which one module knows sockets", () => {
    const platform = source(`import { createServer as value } from "node:http"`, "export const used = value")
      .replace("export const used", "const used")
      .replace("value = 1", "made = used")
    allows({ "access/Connections.ts": platform }, control)
    refuses({ "access/Guard.ts": platform }, "packages/control/src imports only effect and lemmings", control)
    refuses(
      {
        "frames/Wire.ts": source(
          `import type { value as Up } from "../handlers/Handlers.ts"`,
          "export type S = typeof Up"
        ),
        "handlers/Handlers.ts": source()
      },
      "frames/Wire may not import handlers/Handlers: imports point downward, and handlers is above frames on the map.",
      control
    )
  })

  it("knows the rooms of threads and of durable", () => {
    const up = (place: string) =>
      source(`import type { value as Up } from "${place}"`, "export type S = typeof Up")
    refuses(
      { "task/ThreadTask.ts": up("../thread/Serving.ts"), "thread/Serving.ts": source() },
      "task/ThreadTask may not import thread/Serving: imports point downward, and thread is above task",
      "packages/threads/src"
    )
    refuses(
      { "port/Limits.ts": up("../pgboss/PgBossSql.ts"), "pgboss/PgBossSql.ts": source() },
      "port/Limits may not import pgboss/PgBossSql: imports point downward, and pgboss is above port",
      "packages/durable/src"
    )
    refuses(
      { "work/Puller.ts": source(`import * as Boss from "pg-boss"`, "export type S = typeof Boss") },
      "packages/durable/src imports only effect and lemmings",
      "packages/durable/src"
    )
  })

  it("refuses a module of internal that imports another room", () =>
    refuses(
      {
        "herd/Herd.ts": source(),
        "internal/Heap.ts": source(
          `import type { value as Size } from "../herd/Herd.ts"`,
          "export type S = typeof Size"
        )
      },
      "internal/Heap may not import herd/Herd"
    ))

  it("refuses an import that points upward", () =>
    refuses(
      {
        "herd/Herd.ts": source(),
        "dispatch/TaskQueue.ts": source(`export * from "../herd/Herd.ts"`)
      },
      "dispatch/TaskQueue may not import herd/Herd: imports point downward"
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
        {
          "model/Task.ts": source(`import * as Other from "${specifier}"`, "export type Part = typeof Other")
        },
        `imports only effect (no node:*, effect/http*, @effect/*, @lemmings/*), not "${specifier}"`
      ))
  }

  it("refuses a type that is imported inline", () =>
    refuses(
      {
        "herd/Herd.ts": source(),
        "model/Task.ts": source(
          `type Part = typeof import("../herd/Herd.ts")\nexport const part = (self: Part) => self`
        )
      },
      "model/Task may not import herd/Herd"
    ))

  it("refuses testing inside the core", () =>
    refuses(
      { "testing/index.ts": source(), "herd/Herd.ts": source(`export * from "../testing/index.ts"`) },
      "herd/Herd may not import testing/index"
    ))

  it("refuses a way out of the package", () =>
    refuses(
      { "model/Task.ts": source(`export * from "../../../bench/src/main.ts"`) },
      "imports nothing of the workspace outside itself"
    ))

  it("refuses a file and a folder that are not on the map", () => {
    refuses({ "Shepherd.ts": source() }, "Shepherd is not on the map")
    refuses({ "helpers/Shepherd.ts": source() }, "helpers/Shepherd is not on the map")
  })

  it("allows every import that points downward, and files of one room", () =>
    allows({
      "index.ts": `export * as Herd from "./herd/Herd.ts"\n`,
      "herd/Herd.ts": source(
        `import "../dispatch/FiberPool.ts"`,
        `import "../model/Task.ts"`,
        `import "effect"`
      ),
      "dispatch/FiberPool.ts": source(`import "./TaskQueue.ts"`),
      "dispatch/TaskQueue.ts": source(`import "../internal/Heap.ts"`, `import "effect/Effect"`),
      "model/HerdEvent.ts": source(`import "./Task.ts"`),
      "model/Task.ts": source(),
      "internal/Heap.ts": source(`import "./Deque.ts"`),
      "internal/Deque.ts": source(),
      "testing/index.ts": source(`import "../herd/Herd.ts"`, `import "effect/testing"`)
    }))
})

describe("the map", () => {
  for (const [name, { rooms }] of Object.entries(maps)) {
    const src = join(root, "packages", name, "src")
    const folders = readdirSync(src, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : []
    )

    it(`has every folder of ${name}, and each says in three sentences what belongs in it`, () => {
      assert.isAbove(folders.length, 3)
      for (const folder of folders) {
        assert.include(rooms, folder)
        const [title, , ...text] = readFileSync(join(src, folder, "README.md"), "utf8").split("\n")
        assert.strictEqual(title, `# ${folder}`)
        assert.lengthOf(text.join(" ").match(/[.](?= |$)/g) ?? [], 3, `${name}/src/${folder}/README.md`)
      }
    })
  }
})

describe("house/documented", () => {
  const untagged = "export const value = 1\n"

  it("refuses a public export without its tags", () =>
    refuses({ "model/Task.ts": untagged }, "The public export value lacks @since", core, true))

  it("refuses tags where the package exports nothing", () => {
    refuses({ "internal/Heap.ts": source() }, "value is not exported by the package", core, true)
    refuses(
      { "task/TaskRun.ts": `/**\n * A head.\n *\n * @since 0.1.0\n */\n${untagged}` },
      "needs no @since",
      core,
      true
    )
  })

  it("follows what a public module exports from another", () => {
    const more = source().replaceAll("value", "other")
    const herd = {
      "herd/Herd.ts": `export type {\n  /**\n   * @category models\n   * @since 0.1.0\n   */\n  value\n} from "./Parts.ts"\n`
    }
    allows({ ...herd, "herd/Parts.ts": source() }, core, true)
    refuses({ ...herd, "herd/Parts.ts": untagged }, "The public export value lacks @category", core, true)
    refuses({ ...herd, "herd/Parts.ts": source() + more }, "other is not exported by the package", core, true)
  })

  it("leaves internal modules alone", () => allows({ "internal/Heap.ts": untagged }, core, true))
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

describe("house/fibers-home", () => {
  const uses = (expression: string) => ({ "task/TaskRun.ts": `export const value = ${expression}\n` })

  for (const expression of ["Effect.runForkWith(a)", "Fiber.getCurrent()", "fiber.pollUnsafe()"]) {
    it(`refuses ${expression} outside of internal/Fibers`, () => {
      refuses(uses(expression), "Use internal/Fibers for")
      allows({ "internal/Fibers.ts": `export const value = ${expression}\n` })
    })
  }
})

describe("import/no-cycle", () => {
  it("refuses a cycle within a room", () =>
    refuses(
      {
        "model/Task.ts": `export { value } from "./HerdError.ts"\n`,
        "model/HerdError.ts": `export { value } from "./Task.ts"\n`
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
