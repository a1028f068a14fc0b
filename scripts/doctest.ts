// Runs the documentation: every ```ts import.meta.vitest fence of a docstring, and every ```ts fence of the
// README and docs/, becomes a test under packages/doctest/.doctest, where `lemmings` and
// what goes with it resolve.
//
// A fence is the body of one async test, its imports at the top. `expression // => value` asserts. A fence
// that starts its own program (`NodeRuntime.runMain`, or `Effect.runPromise` that nothing awaits), or that is
// followed by a ```text fence with what it prints, becomes a file of its own: the test runs it with
// Node.js and compares its exit code and its output.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative, resolve } from "node:path"

import { type Fence, fencesOf, isSilent, programOf, testOf } from "./doctest/fences.ts"

const root = resolve(import.meta.dirname, "..")
const out = join(root, "packages/doctest/.doctest")

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const documents = [
  "README.md",
  ...globSync("packages/*/README.md", { cwd: root }),
  ...globSync("docs/**/*.md", { cwd: root })
].filter((path) => existsSync(join(root, path)))
const sources = globSync("packages/*/src/**/*.ts", { cwd: root })

let count = 0
for (const path of [...documents, ...sources].toSorted()) {
  for (const fence of fencesOf(path, readFileSync(join(root, path), "utf8"))) write(fence)
}
console.log(`doctest: ${count} examples in ${relative(process.cwd(), out)}`)

function write(fence: Fence) {
  if (isSilent(fence))
    throw new Error(`${fence.path}:${fence.line}: who pastes this program sees nothing: print a result`)
  const name = `${fence.path.replace(/\.(md|ts)$/, "").replaceAll(/[^A-Za-z0-9]+/g, "-")}.${fence.line}`
  const program = programOf(fence)
  if (program !== undefined) writeFileSync(join(out, `${name}.program.ts`), program)
  writeFileSync(join(out, `${name}.test.ts`), testOf(fence, `${name}.program.ts`))
  count++
}
