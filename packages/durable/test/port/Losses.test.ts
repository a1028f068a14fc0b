import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { afterLoss } from "../../src/port/Losses.ts"

const some = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))

describe("a lost execution", () => {
  it.prop(
    "is the end where the job was lost as often as it has attempts, and apart before",
    { attempts: some },
    ({ attempts }) => {
      const after = Array.from({ length: attempts }, (_, n) => afterLoss(attempts, n + 1))
      assert.deepStrictEqual(
        after.map(({ goesOn }) => goesOn),
        after.map((_, n) => n + 1 < attempts)
      )
      // Whoever runs for the last time that it may be lost runs apart.
      const last = after.at(-2)
      if (last !== undefined) assert.isTrue(last.apart)
    }
  )

  it("sets a job apart at the second time, and at the first one where the next would be the end", () => {
    const table = [1, 2, 3, 5].map((attempts) =>
      Array.from({ length: attempts }, (_, n) => {
        const { apart, goesOn } = afterLoss(attempts, n + 1)
        return apart ? "apart" : goesOn ? "on" : "end"
      })
    )
    assert.deepStrictEqual(table, [
      ["end"],
      ["apart", "end"],
      ["on", "apart", "end"],
      ["on", "apart", "apart", "apart", "end"]
    ])
  })
})
