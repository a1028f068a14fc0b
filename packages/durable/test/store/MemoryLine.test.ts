import { assert, describe, it } from "@effect/vitest"
import { Line, rowOf } from "../../src/store/MemoryLine.ts"
import { job } from "../support/store.ts"

const rows = (count: number, group: string | undefined, from = 0, priority = 5) =>
  Array.from({ length: count }, (_, n) => rowOf(job("line", { group, priority }), from + n, 0))

describe("the line of the store in memory", () => {
  it("looks at the jobs of a full group once, however many wait", () => {
    const line = new Line()
    let asked = 0
    const full = new Set(["full"])
    const room = (group: string | undefined) => {
      asked++
      return full.has(group ?? "") ? 0 : 1
    }
    for (const row of rows(200_000, "full")) line.add(row)
    for (const row of rows(3, "other", 200_000)) line.add(row)
    assert.deepStrictEqual(
      line.take(1, room).map(({ group }) => group),
      ["other"]
    )
    asked = 0
    assert.deepStrictEqual(
      line.take(1, room).map(({ group }) => group),
      ["other"]
    )
    assert.isAtMost(asked, 4)
    assert.strictEqual(line.size, 200_001)
    full.clear()
    assert.deepStrictEqual(
      line.take(2, room).map(({ group, sequence }) => [group, sequence]),
      [
        ["full", 0],
        ["other", 200_002]
      ]
    )
  })

  it("gives those of a group that was full in their order, and without those that have left", () => {
    const line = new Line()
    const [a, b, c] = rows(3, "g") as [never, never, never]
    for (const row of [a, b, c]) line.add(row)
    const [urgent] = rows(1, "g", 3, 9)
    assert.deepStrictEqual(
      line.take(5, () => 0),
      []
    )
    line.remove(b)
    line.add(urgent!)
    assert.strictEqual(line.size, 3)
    assert.deepStrictEqual(
      line.take(5, () => 0),
      []
    )
    assert.deepStrictEqual(
      line.take(5, () => 2),
      [urgent!, a]
    )
    assert.deepStrictEqual(
      line.take(5, () => Infinity),
      [c]
    )
    assert.strictEqual(line.size, 0)
    assert.isFalse(line.has(false))
  })
})
