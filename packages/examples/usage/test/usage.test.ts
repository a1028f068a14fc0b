import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"

const examples = fileURLToPath(new URL("../..", import.meta.url))

const runWith = (env: Record<string, string>, program: string, ...args: ReadonlyArray<string>) =>
  new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    const options = { env: { ...process.env, ...env } }
    execFile(process.execPath, [`${examples}/${program}`, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : error.code, out, err })
    })
  })
const run = (program: string, ...args: ReadonlyArray<string>) => runWith({}, program, ...args)

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

it("so does a variable of the environment that makes no sense, which is not shown", async () => {
  const cases = [
    ["PORT", "secret", "gofherd"],
    ["PORT", "65536", "http-server"],
    ["DATABASE_URL", "secret", "emails"],
    ["DATABASE_URL", "mysql://u:secret@h/d", "fleet"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "secret", "tracing"]
  ] as const
  await Promise.all(
    cases.map(async ([name, value, example]) => {
      const { code, err, out } = await runWith({ [name]: value }, `${example}/src/main.ts`)
      assert.strictEqual(code, 2, `${name} ${out}${err}`)
      assert.match(err, new RegExp(`^${name} must be [^]+\n\nnode src/main.ts`))
      assert.notInclude(out + err, "secret")
    })
  )
})
