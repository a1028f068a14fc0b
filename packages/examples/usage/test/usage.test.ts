import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"

const examples = fileURLToPath(new URL("../..", import.meta.url))

const run = (program: string, ...args: ReadonlyArray<string>) =>
  new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    execFile(process.execPath, [`${examples}/${program}`, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : error.code, out, err })
    })
  })

it("an example has a help", async () => {
  const { code, out } = await run("cpu/src/main.ts", "--help")
  assert.strictEqual(code, 0)
  assert.match(out, /^node src\/main.ts/)
})

it("a command that makes no sense ends with 2 and the usage", async () => {
  for (const args of [["/no/such/folder"], ["--nobody-knows-this"], [".", "more"]]) {
    const { code, err } = await run("cpu/src/main.ts", ...args)
    assert.strictEqual(code, 2, args.join(" "))
    assert.match(err, /^[^]+\n\nnode src\/main.ts/)
  }
})
