import { assert, describe, it } from "@effect/vitest"
import { bench, decode } from "./support/bench.ts"

describe("bench", () => {
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
