import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Overload from "../../src/flow/Overload.ts"
import * as Pressure from "../../src/flow/Pressure.ts"

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

  it("of the process is memory beyond four fifths, and timers that are late", () => {
    const reading = {
      memoryLimit: 100,
      memoryUsed: 10,
      heapLimit: 100,
      heapUsed: 10,
      eventLoopUtilization: 1,
      eventLoopDelayMillis: 0
    }
    assert.strictEqual(Pressure.ofProcess(reading, 500), 0)
    assert.closeTo(Pressure.ofProcess({ ...reading, heapUsed: 90 }, 500), 0.5, 1e-9)
    assert.strictEqual(Pressure.ofProcess({ ...reading, eventLoopDelayMillis: 400 }, 500), 0.8)
    assert.strictEqual(Pressure.ofProcess({ ...reading, eventLoopDelayMillis: 400 }, 0), 0)
  })

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
