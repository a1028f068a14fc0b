// Twice as much as the server can do, for ten seconds: `node src/load.ts [url]`.
import { loadServer, rate } from "./LoadTest.ts"

const url = process.argv[2] ?? "http://127.0.0.1:3000"
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
