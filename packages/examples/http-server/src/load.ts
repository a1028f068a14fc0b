// Twice as much as the server can do, for a few seconds: `node src/load.ts [url]`.
import { loadServer } from "./LoadTest.ts"

const url = process.argv[2] ?? "http://127.0.0.1:3000"
const seen = await loadServer(url, 5)
console.log(`${seen.answers} answers in 5 s, ${seen.errors} errors of the connection`)
for (const [status, answers] of Object.entries(seen.statuses)) console.log(`  ${status}: ${answers}`)
console.log(`latency of all answers: p50 ${seen.p50} ms, p99 ${seen.p99} ms`)
