import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(import.meta.resolve("../src/main.ts"))
const docs = fileURLToPath(new URL("../../../docs/simulation", import.meta.url))

const simulate = (
  ...args: ReadonlyArray<string>
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1, stdout, stderr })
    })
  })

const Rows = Schema.fromJsonString(
  Schema.Struct({
    rows: Schema.Array(
      Schema.Struct({
        load: Schema.String,
        policy: Schema.String,
        workerSeconds: Schema.Finite,
        waitP50Millis: Schema.Finite,
        waitP95Millis: Schema.Finite,
        waitP99Millis: Schema.Finite,
        scaleActions: Schema.Int,
        reversals: Schema.Int,
        goodput: Schema.Finite,
        jain: Schema.Finite,
        rateError: Schema.Finite,
        attempts: Schema.Int,
        lost: Schema.Int
      })
    )
  })
)

describe("simulate", () => {
  it("prints one object for machines, and draws nothing", async () => {
    const { code, stdout } = await simulate(
      "--json",
      "--load",
      "spike",
      "--load",
      "trace",
      "--policy",
      "littlesLaw"
    )
    assert.strictEqual(code, 0)
    const { rows } = Schema.decodeUnknownSync(Rows)(stdout)
    assert.deepStrictEqual(
      rows.map(({ load, lost, policy }) => [load, policy, lost]),
      [
        ["spike", "littlesLaw", 0],
        ["trace", "littlesLaw", 0]
      ]
    )
  })

  it("draws the picture that the documentation shows", async () => {
    const out = mkdtempSync(join(tmpdir(), "lemmings-simulate-"))
    try {
      const { code, stdout } = await simulate("--load", "spike", "--out", out)
      assert.strictEqual(code, 0)
      assert.match(stdout, /^policy +worker-s/)
      assert.match(stdout, /^spike:\n(?:.+\n)*throughput/m)
      for (const line of stdout.split("\n")) assert.isAtMost(line.length, 60, line)
      assert.deepStrictEqual(readdirSync(out), ["spike.svg"])
      assert.strictEqual(
        readFileSync(join(out, "spike.svg"), "utf8"),
        readFileSync(join(docs, "spike.svg"), "utf8")
      )
    } finally {
      rmSync(out, { recursive: true })
    }
  }, 60_000)

  it("lists what there is, and each can be chosen", async () => {
    const { code, stdout } = await simulate("--list")
    assert.strictEqual(code, 0)
    assert.match(stdout, /^load step-square\n(load \S+\n)+policy fixed\n(policy \S+\n)+$/)
    const policies = [...stdout.matchAll(/^policy (\S+)$/gm)].flatMap(([, name = ""]) => ["--policy", name])
    const { rows } = Schema.decodeUnknownSync(Rows)(
      (await simulate("--json", "--load", "bursty", ...policies)).stdout
    )
    assert.strictEqual(rows.length, policies.length / 2)
    assert.isTrue(rows.every(({ lost }) => lost === 0))
  }, 60_000)

  it("plays a trace of one's own", async () => {
    const out = mkdtempSync(join(tmpdir(), "lemmings-simulate-"))
    try {
      const file = join(out, "mine.csv")
      writeFileSync(file, "0\n0.1\n0.2,500\n3\n")
      const { stdout } = await simulate("--csv", file, "--json", "--policy", "littlesLaw")
      assert.deepInclude(Schema.decodeUnknownSync(Rows)(stdout).rows[0], { load: "mine.csv", lost: 0 })
      writeFileSync(file, "0\nsoon\n")
      const bad = await simulate("--csv", file, "--json")
      assert.strictEqual(bad.code, 2)
      assert.include(bad.stderr, `Line 2 of the trace must be seconds since the start`)
    } finally {
      rmSync(out, { recursive: true })
    }
  })

  it.each([
    [["--load", "tsunami"], `There is no load "tsunami". There are: step-square, spike`],
    [["--policy", "magic"], `There is no policy "magic". There are: fixed, littlesLaw`],
    [["--seed", "one"], "--seed must be an integer from 0, got one"],
    [["--max", "1"], "--max must be an integer from 2, got 1"],
    [["--csv", "nowhere.csv"], "Cannot read nowhere.csv"],
    [["--speed"], "Unknown option '--speed'"]
  ])("%j is refused with what would be right", async (args, message) => {
    const { code, stderr } = await simulate(...args)
    assert.strictEqual(code, 2)
    assert.include(stderr, message)
    assert.include(stderr, "Try: pnpm simulate --help")
  })
})

it("the help fits into a terminal of 60 columns", async () => {
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [main, "--help"], { env: { ...process.env, COLUMNS: "60" } }, (_, out) =>
      resolve(out)
    )
  })
  assert.include(stdout, "--policy NAME")
  for (const line of stdout.split("\n")) assert.isAtMost(line.length, 60, line)
})
