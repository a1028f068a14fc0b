import { assert, it } from "@effect/vitest"
import { readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { bench } from "./support/bench.ts"

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("lemmings-bench-"))

it("bench --against a commit installs it aside, runs pairs, and leaves nothing", async () => {
  const before = folders()
  const { code, stderr, stdout } = await bench("latency", "--against", "HEAD", "--reps", "3", "--json")

  assert.strictEqual(code, 0, stderr)
  const { cases } = JSON.parse(stdout) as {
    readonly cases: ReadonlyArray<{
      readonly case: string
      readonly pairs: number
      readonly ratio: { readonly median: number }
    }>
  }
  assert.deepStrictEqual(
    cases.map((one) => [one.case, one.pairs]),
    [
      ["latency/idle/p50", 3],
      ["latency/idle/p99", 3]
    ]
  )
  for (const { ratio } of cases) assert.isAbove(ratio.median, 0)
  assert.deepStrictEqual(folders(), before)
})
