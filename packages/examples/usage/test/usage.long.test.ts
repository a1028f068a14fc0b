import { execFile } from "node:child_process"
import { globSync } from "node:fs"
import { basename, dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

const examples = fileURLToPath(new URL("../..", import.meta.url))
// `member.ts` and `worker.ts` are parts of an example.
const programs = globSync("*/src/{main,demo,load}.ts", { cwd: examples }).toSorted()

const run = (program: string, ...args: ReadonlyArray<string>) =>
  new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    const options = { env: { ...process.env, COLUMNS: "60" } }
    execFile(process.execPath, [`${examples}/${program}`, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : error.code, out, err })
    })
  })

describe("every example", () => {
  it("is looked at", () => {
    assert.isAtLeast(programs.length, 11)
  })

  for (const program of programs) {
    it(`${dirname(dirname(program))}/${basename(program)} has a help, and ends with 2 where a command makes no sense`, async () => {
      const help = await run(program, "--help")
      assert.strictEqual(help.code, 0)
      assert.match(help.out, /node src|USAGE|Usage/)
      for (const line of help.out.split("\n")) assert.isAtMost(line.length, 60, line)
      const wrong = await run(program, "--nobody-knows-this")
      assert.strictEqual(wrong.code, 2, wrong.out + wrong.err)
      assert.match(wrong.err + wrong.out, /nobody-knows-this/)
    }, 60_000)
  }
})
