// A dashboard that is open and a scraper, as a process: `watcher.ts <url>`. Says on standard output when it has seen the
// first frame, and at the end of its input how much it has seen.
import { setTimeout as sleep } from "node:timers/promises"

const url = process.argv[2] ?? ""
const seen = { frames: 0, scrapes: 0, bytes: 0 }

const watch = async () => {
  const { body } = await fetch(`${url}/frames?rate=10`)
  if (body === null) throw new Error("no frames")
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    seen.bytes += chunk.length
    const began = seen.frames > 0
    seen.frames += decoder.decode(chunk, { stream: true }).split("event: frame").length - 1
    if (!began && seen.frames > 0) process.stdout.write("watching\n")
  }
}
const scrape = async () => {
  for (;;) {
    seen.bytes += (await (await fetch(`${url}/metrics`)).arrayBuffer()).byteLength
    seen.scrapes++
    await sleep(1000)
  }
}

process.stdin.on("end", () => process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit()))
process.stdin.resume()
await Promise.all([watch(), scrape()])
