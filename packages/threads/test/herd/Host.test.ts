import { assert, describe, it } from "@effect/vitest"
import * as Host from "../../src/herd/Host.ts"

describe("the time of a thread", () => {
  it("in which it looked for messages is idle, also when its counter has wrapped", () => {
    let looked = 0
    const loop = { active: 0, idle: 0 }
    const read = Host.withoutLooks(
      () => loop,
      () => looked
    )
    const part = Host.meter(read)
    assert.strictEqual(part(), 0)

    Object.assign(loop, { active: 60, idle: 40 })
    looked = 20_000
    assert.deepStrictEqual(read(), { active: 40, idle: 60 })
    assert.strictEqual(part(), 0.4)

    // 31 bits and a sign, on the other side.
    Object.assign(loop, { active: 3_000_060, idle: 40 })
    looked = (20_000 + 2_999_000_000) | 0
    assert.isBelow(looked, 0)
    assert.deepStrictEqual(read(), { active: 1040, idle: 2_999_060 })

    Object.assign(loop, { active: 6_000_060, idle: 40 })
    looked = (looked + 2_999_000_000) | 0
    assert.deepStrictEqual(read(), { active: 2040, idle: 5_998_060 })
  })
})
