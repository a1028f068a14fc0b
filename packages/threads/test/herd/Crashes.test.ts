import { assert, describe, it } from "@effect/vitest"
import { Crashes } from "../../src/herd/Crashes.ts"

const make = (max = 10) => new Crashes({ max, within: 30_000, coolDown: 5000 })

describe("Crashes", () => {
  it("three starts that fail one after another open the circuit, at any pace", () => {
    for (const pace of [0, 1000, 3_600_000]) {
      const crashes = make()
      let opened = 0
      for (let i = 1; i <= 3 && opened === 0; i++) {
        crashes.failedStart(i * pace, i * pace, "no")
        if (crashes.isOpen) opened = i
      }
      assert.isTrue(crashes.isOpen)
      assert.isAtMost(opened, 3)
    }
  })

  it("so do starts that take five seconds to fail, all together", () => {
    const crashes = make()
    crashes.failedStart(0, 3500, "slow")
    assert.isFalse(crashes.isOpen)
    crashes.failedStart(3510, 7010, "slow")
    assert.strictEqual(crashes.openFor(7010), 5000)
  })

  it("one that serves in between begins the count anew", () => {
    const crashes = make()
    crashes.failedStart(0, 10, "no")
    crashes.failedStart(20, 30, "no")
    crashes.started()
    crashes.failedStart(60_000, 60_010, "no")
    crashes.failedStart(60_020, 60_030, "no")
    assert.isFalse(crashes.isOpen)
    crashes.failedStart(60_040, 60_050, "no")
    assert.isTrue(crashes.isOpen)
    assert.strictEqual(crashes.total, 5)
  })

  it("a start that fails while it is half open opens it again, and a success closes it", () => {
    const crashes = make(1)
    crashes.failedStart(0, 0, "no")
    assert.strictEqual(crashes.openFor(5000), 0)
    crashes.failedStart(5000, 5010, "no")
    assert.strictEqual(crashes.openFor(5010), 5000)
    crashes.started()
    crashes.succeeded(10_010)
    assert.isFalse(crashes.isOpen)
    assert.strictEqual(crashes.delay, 0)
  })

  it("never open when crashes are unlimited", () => {
    const crashes = make(Infinity)
    for (let i = 0; i < 100; i++) crashes.failedStart(i, i, "no")
    assert.isFalse(crashes.isOpen)
    assert.strictEqual(crashes.delay, 1000)
  })
})
