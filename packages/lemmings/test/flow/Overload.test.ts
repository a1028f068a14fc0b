import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Overload from "../../src/flow/Overload.ts"

const part = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

describe("pressure", () => {
  it.prop(
    "is the largest of its parts, 0 at ease and 1 when full",
    { fill: part, system: part, since: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1e6 })) },
    ({ fill, since, system }) => {
      const level = Overload.pressure({ fill, sinceEmptyMillis: since, system }, 5_000)
      assert.isAtLeast(level, system)
      assert.isAtLeast(level, since / 20_000)
      assert.isAtLeast(level, (fill - 0.5) * 2)
      assert.isTrue(level === 0 || [system, since / 20_000, (fill - 0.5) * 2].includes(level))
    },
    { arbitrary: { runs: 200 } }
  )

  it("refuses by criticality, with hysteresis", () => {
    const refused = (level: number, before: boolean) =>
      (["sheddable", "normal", "critical"] as const).map((one) => Overload.refuses(one, level, before))
    assert.deepStrictEqual(refused(0.5, false), [false, false, false])
    assert.deepStrictEqual(refused(0.51, false), [true, false, false])
    assert.deepStrictEqual(refused(0.81, false), [true, true, false])
    assert.deepStrictEqual(refused(1e9, false), [true, true, false])
    assert.deepStrictEqual(refused(0.45, true), [true, false, false])
    assert.deepStrictEqual(refused(0.71, true), [true, true, false])
    assert.deepStrictEqual(refused(0.39, true), [false, false, false])
  })
})
