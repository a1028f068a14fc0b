import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { folded } from "../src/index.ts"

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

it("no line of a help, and of what is said, is longer than a terminal of 60 columns", async () => {
  const said = await Promise.all([
    runWith({ COLUMNS: "60" }, "burst/src/main.ts", "--help"),
    runWith({ COLUMNS: "60" }, "file-index/src/main.ts", "--help"),
    runWith({ COLUMNS: "60" }, "fleet/src/main.ts", "--help"),
    runWith(
      { COLUMNS: "60" },
      "fleet/src/main.ts",
      "--nobody-knows-this",
      "--neither-does-anybody-know-this"
    ),
    runWith({ COLUMNS: "60" }, "quickstart/src/main.ts"),
    runWith({ COLUMNS: "60" }, "database-pool/src/main.ts")
  ])
  for (const { err, out } of said) {
    assert.notStrictEqual(out + err, "")
    for (const line of `${out}\n${err}`.split("\n")) assert.isAtMost(line.length, 60, line)
  }
})

it("long lines are broken between words, under the beginning of what they say", () => {
  assert.strictEqual(folded("short\n\n  as it is  here", 20), "short\n\n  as it is  here")
  assert.strictEqual(folded("  one two three four five", 14), "  one two\n  three four\n  five")
  assert.strictEqual(folded("  --a N  one two three four", 20), "  --a N  one two\n         three four")
  const far = "  --long-name <one|two|three>    what it says in short"
  assert.strictEqual(folded(far, 30), "  --long-name <one|two|three>\n      what it says in short")
  assert.strictEqual(
    folded(far, 22),
    "  --long-name\n      <one|two|three>\n      what it says in\n      short"
  )
})

it("a reader who has read enough does no harm", async () => {
  const { err, out } = await new Promise<{ out: string; err: string }>((resolve) => {
    const command = `"${process.execPath}" "${examples}/database-pool/src/main.ts" | head -1; echo "\${PIPESTATUS[0]}"`
    execFile("bash", ["-c", command], (_, out, err) => resolve({ out, err }))
  })
  assert.deepStrictEqual([out, err], ["First round: 100 of 100 answered\n0\n", ""])
})
