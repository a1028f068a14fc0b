import { assert, describe, it } from "@effect/vitest"
import { compare, comparisonText, type Pair } from "../src/Against.ts"
import { bench } from "./support/bench.ts"

const run = (ns: number, cpu: number, tasks = 0) => ({
  sample: { "": ns },
  account: { calls: 2, cpu, tasks, fewer: undefined }
})

/** A machine that is three times slower from pair to pair: here always takes half the time, and three quarters of the CPU. */
const pairs = (tasks: number): ReadonlyArray<Pair> =>
  [1, 3, 9, 27, 81].map((slow) => ({
    here: run(50 * slow, 30 * slow, tasks),
    there: run(100 * slow, 40 * slow, tasks)
  }))

describe("bench --against", () => {
  it("compares by pairs, so that a machine that slows down does not count", () => {
    const [time, cpu] = compare({ name: "a/b", units: { "": "ns/task" } }, pairs(10))

    assert.deepStrictEqual(time, {
      case: "a/b",
      unit: "ns/task",
      here: 450,
      there: 900,
      ratio: { median: 0.5, middle: [0.5, 0.5], range: [0.5, 0.5] }
    })
    assert.deepInclude(cpu, { unit: "CPU ns/task", here: 27_000, there: 36_000 })
    assert.strictEqual(cpu?.ratio.median, 0.75)
  })

  it("shows how much the pairs differ", () => {
    const spread = [0.5, 0.9, 1, 1.1, 4].map((ratio) => ({
      here: run(100 * ratio, 1),
      there: run(100, 1)
    }))
    const [time] = compare({ name: "a", units: { "": "ns" } }, spread)

    assert.deepStrictEqual(time?.ratio, { median: 1, middle: [0.9, 1.1], range: [0.5, 4] })
    assert.include(comparisonText([time!], "abc1234", 5), "1.000  0.90 to 1.10  0.50 to 4.00")
  })

  it("counts CPU time a call where no tasks were counted, and none where nothing was timed", () => {
    const race = { name: "a", units: { "": "ms" } }
    const untimed = pairs(0).map(({ here, there }) => ({
      here: { ...here, account: { ...here.account, calls: 0 } },
      there
    }))

    assert.deepStrictEqual(
      compare(race, pairs(0)).map(({ unit }) => unit),
      ["ms", "CPU µs"]
    )
    assert.deepStrictEqual(
      compare(race, untimed).map(({ unit }) => unit),
      ["ms"]
    )
  })

  it("an unknown commit is refused", async () => {
    const { code, stderr } = await bench("latency", "--against", "no-such-commit")

    assert.strictEqual(code, 2)
    assert.include(stderr, "There is no commit no-such-commit.")
  })
})
