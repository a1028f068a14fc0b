// A dashboard and a scraper, as a process: `watcher.ts <url>`. Reads `on` and `off` from standard input, and answers when it
// is so: `on` with the first frame, `off` with how many frames and scrapes there were.
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"

const url = process.argv[2] ?? ""

const frames = async (signal: AbortSignal, seen: (frames: number) => void) => {
  const { body } = await fetch(`${url}/frames?rate=10`, { signal })
  const decoder = new TextDecoder()
  for await (const chunk of body ?? []) {
    seen(decoder.decode(chunk, { stream: true }).split("event: frame").length - 1)
  }
}

const scrapes = async (signal: AbortSignal, seen: () => void) => {
  for (;;) {
    await (await fetch(`${url}/metrics`, { signal })).arrayBuffer()
    seen()
    await sleep(1000, undefined, { signal })
  }
}

const watch = () => {
  const stop = new AbortController()
  const seen = { frames: 0, scrapes: 0 }
  const ends = [
    frames(stop.signal, (count) => {
      if (seen.frames === 0 && count > 0) process.stdout.write("on\n")
      seen.frames += count
    }),
    scrapes(stop.signal, () => {
      seen.scrapes++
    })
  ]
  return async () => {
    stop.abort()
    await Promise.allSettled(ends)
    process.stdout.write(`${JSON.stringify(seen)}\n`)
  }
}

let off = async (): Promise<void> => {}
for await (const line of createInterface(process.stdin)) {
  if (line === "on") off = watch()
  else await off()
}
