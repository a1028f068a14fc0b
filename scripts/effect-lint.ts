// Runs the Effect diagnostics of @effect/tsgo over every package and example, each file once; fails on an error or a warning.
import { spawnSync } from "node:child_process"

const run = spawnSync(
  "effect-tsgo",
  ["diagnostics", "--project", "tsconfig.effect.json", "--format", "text", "--strict"],
  { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }
)
const findings = run.stdout.split("\n").filter((line) => !line.includes(": message effect("))
if (run.status !== 0) console.error(`${findings.join("\n")}${run.stderr}`)
process.exitCode = run.status === 0 ? 0 : 1
