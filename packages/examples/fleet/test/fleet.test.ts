import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const fleet = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [main], {
        env: { ...process.env, DATABASE_URL: url, PORT: "0" },
        stdio: ["ignore", "pipe", "inherit"]
      })
      let said = ""
      child.stdout.on("data", (data) => (said += String(data)))
      const heard = async (pattern: RegExp) => {
        for (;;) {
          const found = pattern.exec(said)
          if (found !== null) return found
          if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${said}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
      return { child, heard }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe("fleet", () => {
  // it.live: the processes are real ones.
  it.live.skipIf(missing.postgres)(
    "three processes share the jobs by their workers, and one has a dashboard",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const { child, heard } = yield* fleet(url)
        yield* Effect.promise(async () => {
          const [, dashboard] = await heard(/dashboard of north is at (\S+)\. /)
          const shares = await heard(/^700 pictures: north (\d+), east (\d+), south (\d+)$/m)
          const [north = 0, east = 0, south = 0] = shares.slice(1).map(Number)

          assert.strictEqual(north + east + south, 700)
          // 2, 4 and 8 workers: 100, 200 and 400, where nothing else keeps the machine busy.
          assert.isAbove(north, 0)
          assert.isAbove(east, north)
          assert.isAbove(south, east)
          const answer = await fetch(`${dashboard}/herds/examples%2FThumbnails`)
          const seen = (await answer.json()) as { workers: { max: number }; tasks: { succeeded: number } }
          assert.strictEqual(seen.workers.max, 2)
          assert.isAtLeast(seen.tasks.succeeded, north)
          // The queue is that of all three processes.
          const asked = await fetch(`${dashboard}/queues/examples%2FThumbnail`)
          const queue = (await asked.json()) as {
            store: string
            ready: boolean
            stats: { lastMinute: { completed: number } }
          }
          assert.deepInclude(queue, { store: "postgres", ready: true })
          assert.isAtLeast(queue.stats.lastMinute.completed, 700)

          const ended = once(child, "exit")
          child.kill("SIGTERM")
          await ended
        })
      })
  )
})
