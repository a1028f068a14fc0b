// What it costs a busy herd to be watched: an open dashboard at ten frames a second, and a scrape every second.
import { Control } from "@lemmings/control"
import { Context, Effect, Layer, References } from "effect"
import { HttpServer } from "effect/http"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { type BenchHerd, withHerd } from "./herds.ts"
import { median, timed } from "./measure.ts"
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

/** A watcher that can be told to look, and not to. */
const watcher = (url: string) => {
  const file = fileURLToPath(import.meta.resolve("./watcher.ts"))
  const child = spawn(process.execPath, [file, url], { stdio: ["pipe", "pipe", "inherit"] })
  const tell = async (order: "on" | "off"): Promise<string> => {
    const answer = once(child.stdout, "data")
    child.stdin.write(`${order}\n`)
    const [text] = await answer
    return String(text)
  }
  return {
    on: () => tell("on"),
    off: async () => {
      const { frames, scrapes }: { frames: number; scrapes: number } = JSON.parse(await tell("off"))
      // Watched by nobody it would be no measurement.
      if (frames < 1 || scrapes < 1) throw new Error("the watcher saw nothing")
    },
    end: () => child.kill()
  }
}

/** Watched and unwatched in turns, in one process: what else the machine does falls on both. */
const sample = (tasks: number, turns: number): Promise<Sample> =>
  Effect.gen(function* () {
    const server = yield* Layer.build(Control.layer({ port: 0 }))
    const url = HttpServer.formatAddress(Context.get(server, HttpServer.HttpServer).address)
    return yield* Effect.promise(() =>
      withHerd(async (herd) => {
        const eye = watcher(url)
        const watched: Array<number> = []
        const unwatched: Array<number> = []
        for (let turn = 0; turn <= turns; turn++) {
          await eye.on()
          const on = await timed(() => load(herd, tasks))
          await eye.off()
          const off = await timed(() => load(herd, tasks))
          // The first turn compiles.
          if (turn === 0) continue
          watched.push(on / tasks)
          unwatched.push(off / tasks)
        }
        eye.end()
        const [on, off] = [median(watched), median(unwatched)]
        return { watched: on, unwatched: off, cost: (100 * (on - off)) / off }
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
  races: (size) => {
    const quick = size === "quick"
    const tasks = quick ? 2_000 : 60_000
    const turns = quick ? 1 : 15
    return [
      {
        name: "control",
        units: { watched: "ns/task", unwatched: "ns/task", cost: "%" },
        ours: () => sample(tasks, turns),
        peers: {},
        repetitions: 1,
        note:
          `Medians of ${turns} turns of ${tasks} tasks of 16 KiB hashed, ${callers} callers, 16 workers, watched and unwatched in one process. ` +
          "Watched: 10 frames and one scrape a second, read by another process.",
        verdict: ({ cost = NaN }) => `Being watched costs ${cost.toFixed(1)} % of the throughput.`
      }
    ]
  }
}
