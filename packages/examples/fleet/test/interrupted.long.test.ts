import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Processes whose environment has this word: all that come from one start of the fleet. */
const family = (word: string): ReadonlyArray<string> =>
  execFileSync("ps", ["axeww", "-o", "pid=,command="], { encoding: "utf8" })
    .split("\n")
    .filter((row) => row.includes(word) && row.includes("/fleet/src/"))

describe("fleet, interrupted while it starts", () => {
  // it.live: the processes are real ones.
  it.live.skipIf(missing.postgres)(
    "ends on Ctrl+C at any moment, with all its processes",
    () =>
      Effect.promise(async () => {
        for (const millis of [100, 300, 600, 900, 1200, 1600, 2000, 2500, 3000, 4000, 5000]) {
          const word = `FLEET_TEST_${process.pid}_${millis}`
          const child = spawn(process.execPath, [main], {
            env: { ...process.env, [word]: "1", PORT: "0" },
            stdio: "ignore",
            detached: true
          })
          const ended = once(child, "exit")
          await new Promise((resolve) => setTimeout(resolve, millis))
          child.kill("SIGINT")
          const late = setTimeout(() => child.kill("SIGKILL"), 12_000)
          const [, signal] = (await ended) as [number | null, string | null]
          clearTimeout(late)
          assert.notStrictEqual(signal, "SIGKILL", `still there 12 s after a SIGINT at ${millis} ms`)
          await new Promise((resolve) => setTimeout(resolve, 500))
          assert.deepStrictEqual(family(word), [], `left behind after ${millis} ms`)
        }
      }),
    240_000
  )
})
