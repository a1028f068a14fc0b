// Starts a server, says its process and folder, and waits to be ended.
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { postgres, redis } from "../../src/index.ts"

const server = process.argv[2] === "redis" ? redis() : postgres({ durable: false })

const program = Effect.gen(function* () {
  const { pid } = yield* server
  const main = yield* pid
  const folder = execFileSync("readlink", [`/proc/${main}/cwd`], { encoding: "utf8" }).trim()
  process.stdout.write(`${JSON.stringify({ pid: main, folder })}\n`)
  return yield* Effect.never
})

setInterval(() => {}, 1000)
await Effect.runPromise(Effect.scoped(program))
