// What it costs a busy herd to be watched: an open dashboard at ten frames a second, and a scrape every second.
import { Control } from "@lemmings/control"
import { Context, Effect, Layer, References } from "effect"
import { HttpServer } from "effect/http"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { type BenchHerd, withHerd } from "./herds.ts"
import { timed } from "./measure.ts"
import type { Bench, Sample } from "./Race.ts"

const callers = 64
// About a hundredth of a millisecond of work: with what the herd adds, some 50,000 tasks a second fill a core.
const data = new Uint8Array(16_384)
const task = Effect.gen(function* () {
  createHash("sha256").update(data).digest()
  yield* Effect.yieldNow
})

const load = (herd: BenchHerd, tasks: number): Promise<void> => {
  let left = tasks
  const caller: Effect.Effect<void, unknown> = Effect.whileLoop({
    while: () => left-- > 0,
    body: () => herd.run(task, { label: "hash", priority: left % 3 }),
    step: () => {}
  })
  return Effect.runPromise(
    Effect.forEach(Array.from({ length: callers }), () => caller, { concurrency: "unbounded", discard: true })
  )
}

interface Watcher {
  /** Ends it, and returns what it has seen. */
  readonly stop: () => Promise<{ readonly frames: number; readonly scrapes: number }>
}

const nobody: Watcher = { stop: () => Promise.resolve({ frames: 0, scrapes: 0 }) }

const line = async ({ stdout }: ChildProcess): Promise<string> => {
  if (stdout === null) throw new Error("the watcher has no output")
  const [text] = await once(stdout, "data")
  return String(text)
}

const watch = async (url: string): Promise<Watcher> => {
  const file = fileURLToPath(import.meta.resolve("./watcher.ts"))
  const child = spawn(process.execPath, [file, url], { stdio: ["pipe", "pipe", "inherit"] })
  await line(child)
  return {
    stop: async () => {
      const last = line(child)
      child.stdin.end()
      return JSON.parse(await last)
    }
  }
}

/** The control server is there either way: what costs is somebody who looks. */
const sample = (tasks: number, watched: boolean): Promise<Sample> =>
  Effect.gen(function* () {
    const server = yield* Layer.build(Control.layer({ port: 0 }))
    const url = HttpServer.formatAddress(Context.get(server, HttpServer.HttpServer).address)
    return yield* Effect.promise(() =>
      withHerd(async (herd) => {
        await load(herd, tasks / 4)
        const watcher = watched ? await watch(url) : nobody
        const ns = await timed(() => load(herd, tasks))
        const { frames, scrapes } = await watcher.stop()
        // Watched by nobody it would be no measurement.
        if (watched && (frames < 1 || scrapes < 1)) throw new Error("the watcher saw nothing")
        return { "": ns / tasks }
      })
    )
  }).pipe(
    Effect.scoped,
    // Standard output is for the figures.
    Effect.provideService(References.MinimumLogLevel, "Warn"),
    Effect.runPromise
  )

export const control: Bench = {
  name: "control",
  about: "what an open dashboard and a scraper cost a busy herd",
  races: (quick) => {
    const tasks = quick ? 2_000 : 300_000
    return [
      {
        name: "control/watched",
        units: { "": "ns/task" },
        ours: () => sample(tasks, true),
        peers: { unwatched: () => sample(tasks, false) },
        note: `${tasks} tasks of 16 KiB hashed, ${callers} callers, 16 workers. Watched: 10 frames and one scrape a second, read by another process.`
      }
    ]
  }
}
