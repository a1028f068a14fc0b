// Twice as much as the server can do, for ten seconds: `node src/load.ts [url]`.
import { argumentsOf, refuse } from "@lemmings/examples-usage"
import { loadServer, rate } from "./LoadTest.ts"

const usage = `node src/load.ts [url]

Sends a running server twice as much as it can do, for ten
seconds. By default to http://127.0.0.1:3000.`

const [url = "http://127.0.0.1:3000"] = argumentsOf(usage, 1)
if (!URL.canParse(url)) refuse(`"${url}" is no URL.`, usage)
const seconds = 10
const reachable = await fetch(`${url}/render/home`).then(
  (answer) => answer.status === 200,
  () => false
)
if (reachable) {
  console.log(`${rate} requests a second for ${seconds} s`)
  const { errors, statuses } = await loadServer(url, seconds)
  console.table(
    Object.fromEntries(
      [...statuses].map(([status, { count, longest, p50, p99 }]) => [
        status,
        {
          answers: count,
          "p50 ms": Math.round(p50),
          "p99 ms": Math.round(p99),
          "longest ms": Math.round(longest)
        }
      ])
    )
  )
  console.log(`${errors} errors of the connection`)
} else {
  console.error(`No page at ${url}. Start the server first, or give its address: node src/load.ts <url>`)
  process.exitCode = 1
}
