// Runs the Effect diagnostics of @effect/tsgo over every package and example; fails on an error or a warning.
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"

const projects = [
  "packages/*/tsconfig.json",
  "packages/*/tsconfig.test.json",
  "packages/examples/*/tsconfig.json"
]

let failed = 0
for (const project of globSync(projects).toSorted()) {
  const run = spawnSync(
    "effect-tsgo",
    ["diagnostics", "--project", project, "--format", "text", "--strict"],
    {
      encoding: "utf8"
    }
  )
  if (run.status !== 0) {
    failed++
    const findings = run.stdout.split("\n").filter((line) => !line.includes(": message effect("))
    console.error(`${project}\n${findings.join("\n")}${run.stderr}`)
  }
}
process.exitCode = failed === 0 ? 0 : 1
