import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { allBenches } from "../src/benches.ts"
import { contestants } from "../src/Referee.ts"
import { Report } from "../src/Report.ts"

const benches = await allBenches()
const main = fileURLToPath(import.meta.resolve("../src/main.ts"))

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const bench = (...args: ReadonlyArray<string>): Promise<Run> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1, stdout, stderr })
    })
  })

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Report))

describe("bench", () => {
  it.each(benches.map((one) => one.name))(
    "%s prints one object with every case and contestant",
    async (name) => {
      const { code, stderr, stdout } = await bench(name, "--quick", "--json")
      assert.strictEqual(code, 0, stderr)
      const report = decode(stdout)
      const expected = benches.filter((one) => one.name === name).flatMap((one) => one.races(true))
      const units = expected.flatMap((race) => Object.entries(race.units).map((unit) => ({ race, unit })))
      assert.deepStrictEqual(
        report.cases.map((one) => [one.case, one.unit, ["ours", ...Object.keys(one.peers)]]),
        units.map(({ race, unit: [suffix, unit] }) => [
          suffix === "" ? race.name : `${race.name}/${suffix}`,
          unit,
          contestants(race).map(([who]) => who)
        ])
      )
      assert.include(Object.keys(report.versions), "p-queue")
    },
    // The engines of durable jobs have servers to start.
    180_000
  )

  it("a herd of one worker runs one task at once, whatever times out", async () => {
    const { stdout } = await bench("timeouts", "--quick", "--json")
    assert.deepStrictEqual(
      decode(stdout).cases.map((one) => [one.case, one.ours]),
      [["timeouts/overrun", 1]]
    )
  })

  it("an unknown name says which there are and exits with 2", async () => {
    const { code, stderr, stdout } = await bench("lemings")
    assert.strictEqual(code, 2)
    assert.strictEqual(stdout, "")
    assert.include(stderr, `Unknown bench "lemings". There are dispatch, backlog,`)
  })

  it("a case can be chosen by its path", async () => {
    const { stdout } = await bench("backlog/1000/ten/bytes", "--list", "--quick")
    assert.deepStrictEqual(stdout.trim().split("\n"), [
      "backlog/1000/ten",
      "backlog/1000/ten/enqueue",
      "backlog/1000/ten/drain",
      "backlog/1000/ten/bytes"
    ])
  })

  it.each([["--reps", "0"], ["--reps", "few"], ["--fast"]])(
    "bad options are refused: %s %s",
    async (...args) => {
      const { code } = await bench(...args.filter((arg) => typeof arg === "string"))
      assert.strictEqual(code, 2)
    }
  )
})
