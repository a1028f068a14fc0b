// Packs every published package and uses the result as a stranger would: publint and attw read the tarball,
// and a fresh npm project outside the workspace installs it, compiles a program with it and runs that.
// Build first. Needs pnpm, so start it with `npx -y pnpm@12 check:packages`.
import { type StdioOptions, execFileSync } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

import { catalogVersion, publicPackages } from "./packages.ts"

const consumer = `import { Effect, Layer, References, Schema } from "effect"
import { Control } from "@lemmings/control"
import { HttpServer } from "effect/http"
import { Job, Jobs } from "@lemmings/durable"
import { Lemmings, LemmingsLive } from "lemmings"
import { ThreadHerd, ThreadTask } from "@lemmings/threads"
import * as Testing from "lemmings/testing"

if (Object.keys(Testing).length === 0) throw new Error("lemmings/testing exports nothing")

const Double = ThreadTask.make("Double", {
  payload: ThreadTask.cloned<number>(),
  success: ThreadTask.cloned<number>()
})
class Threads extends ThreadHerd.Service<Threads>()("Threads", {
  tasks: [Double],
  worker: new URL("./double.worker.js", import.meta.url)
}) {}

const Triple = Job.make("Triple", { payload: Schema.Int, success: Schema.Int })
const Tripling = Triple.toLayer((n) => Effect.succeed(n * 3))
const durable = Tripling.pipe(Layer.provideMerge(Jobs.layerMemory()))

const program = Effect.gen(function*() {
  const tripled = yield* Jobs.execute(Triple(14))
  if (tripled !== 42) throw new Error("a job answered " + tripled)
  const doubled = yield* Threads.run(Double(21))
  if (doubled !== 42) throw new Error("a thread answered " + doubled)
  const herd = yield* Lemmings
  const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
  for (const path of ["/dashboard", "/dashboard/app.js", "/dashboard/style.css", "/herds", "/metrics", "/docs"]) {
    const { status } = yield* Effect.promise(() => fetch(url + path))
    if (status !== 200) throw new Error(path + " answered " + status)
  }
  return yield* herd.run(Effect.succeed(42), { priority: "high" })
})
const live = Layer.mergeAll(LemmingsLive, Control.layer({ port: 0 }), Threads.layer(), durable)
const quiet = Effect.provideService(References.MinimumLogLevel, "Warn")
Effect.runPromise(program.pipe(Effect.provide(live), quiet)).then((n) => console.log(\`consumer got \${n}\`))
`

const compilerOptions = {
  target: "ES2024",
  lib: ["ES2024"],
  types: ["node"],
  module: "nodenext",
  strict: true,
  exactOptionalPropertyTypes: true,
  // Effect's own declarations use names of the DOM.
  skipLibCheck: true
}

const run = (command: string, args: ReadonlyArray<string>, cwd = ".", stdio: StdioOptions = "inherit") =>
  execFileSync(command, args, { cwd, stdio, encoding: "utf8" })

const scratch = mkdtempSync(join(tmpdir(), "lemmings-packages-"))
try {
  for (const { folder, name } of publicPackages()) {
    if (globSync(join(folder, "dist/**/*.d.ts")).length === 0) throw new Error(`${name} is not built`)
    run("pnpm", ["pack", "--pack-destination", scratch], folder, "ignore")
  }
  const tarballs = globSync("*.tgz", { cwd: scratch }).map((file) => join(scratch, file))
  for (const tarball of tarballs) {
    run("publint", ["--strict", tarball])
    run("attw", [tarball, "--profile", "esm-only", "--format", "ascii"])
  }

  const project = join(scratch, "consumer")
  mkdirSync(project)
  const write = (file: string, text: string) => writeFileSync(join(project, file), text)
  write("package.json", JSON.stringify({ private: true, type: "module" }))
  write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["consumer.ts"] }))
  write("consumer.ts", consumer)
  // A worker of a JavaScript project, and of CommonJS.
  write(
    "double.worker.js",
    'import { createRequire } from "node:module"\ncreateRequire(import.meta.url)("./double.cjs")\n'
  )
  write("double.cjs", 'require("@lemmings/threads/worker").serve({ Double: (n) => n * 2 })\n')
  const dependencies = ["effect", "@effect/platform-node", "redis", "typescript", "@types/node"].map(
    (name) => `${name}@${catalogVersion(name)}`
  )
  run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs, ...dependencies],
    project
  )

  const installed = readFileSync(join(project, "node_modules/lemmings/package.json"), "utf8")
  if (/"(catalog|workspace):/.test(installed)) throw new Error("the tarball still names the workspace")
  run(process.execPath, [resolve(project, "node_modules/typescript/bin/tsc"), "-p", "."], project)
  const output = run(process.execPath, ["consumer.js"], project, "pipe")
  if (output !== "consumer got 42\n") throw new Error(`the consumer printed ${JSON.stringify(output)}`)
  console.log(`${tarballs.length} packed, installed, compiled, run: ${output.trim()}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
