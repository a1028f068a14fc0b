import { assert, describe, it } from "@effect/vitest"
import * as Rate from "../../src/flow/Rate.ts"
import type { RateLaw } from "../../src/model/Limits.ts"
import { mulberry } from "../internal/mulberry.ts"

const law = (
  limit: number,
  perMillis: number,
  burst = limit,
  window: RateLaw["window"] = "gcra"
): RateLaw => ({
  limit,
  perMillis,
  burst,
  window
})

/** Takes whatever is allowed as soon as it is, for `millis`, with weights of `weight()`. Returns when each started. */
const greedy = (meter: Rate.Meter, millis: number, weight: () => number = () => 1) => {
  const starts: Array<{ readonly at: number; readonly weight: number }> = []
  let now = 0
  while (now < millis) {
    const next = weight()
    now = Math.max(now, meter.opensAt(now, next))
    if (now >= millis) break
    meter.take(now, next)
    starts.push({ at: now, weight: next })
  }
  return starts
}

/** The most weight that started in any window `[t, t + per)`. */
const worst = (starts: ReturnType<typeof greedy>, per: number) => {
  let most = 0
  let sum = 0
  let from = 0
  for (const { at, weight } of starts) {
    sum += weight
    while (starts[from]!.at <= at - per + 1e-3) sum -= starts[from++]!.weight
    most = Math.max(most, sum)
  }
  return most
}

describe("gcra", () => {
  it("never starts more than limit + burst - 1 in any window, and long-run the limit within 0.1 %", () => {
    const random = mulberry(3)
    for (let run = 0; run < 100; run++) {
      const limit = 1 + Math.floor(random() * 20)
      const burst = 1 + Math.floor(random() * limit)
      const per = [7, 100, 1_000, 60_000][run % 4]!
      const starts = greedy(Rate.make(law(limit, per, burst)), per * 1_000)
      assert.isAtMost(worst(starts, per), limit + burst - 1, `${limit} per ${per}, ${burst} at once`)
      assert.closeTo((starts.length - burst) / (limit * 1_000), 1, 0.001)
    }
  })

  it("counts weights", () => {
    const random = mulberry(5)
    for (let run = 0; run < 50; run++) {
      const starts = greedy(Rate.make(law(10, 1_000)), 300_000, () => 1 + Math.floor(random() * 5))
      assert.isAtMost(worst(starts, 1_000), 10 + 10 - 1)
      const weight = starts.reduce((sum, start) => sum + start.weight, 0)
      assert.closeTo(weight / 3_000, 1, 0.01)
    }
  })

  it("has no more than the burst after any idleness, and no double at an edge", () => {
    const meter = Rate.make(law(10, 10_000))
    for (const idle of [0, 9_999, 10_000, 3_600_000]) {
      const now = 1e9 + idle * 2
      let taken = 0
      while (meter.opensAt(now, 1) <= now) {
        meter.take(now, 1)
        taken++
      }
      assert.isAtMost(taken, 10)
    }
  })

  it("looks without taking", () => {
    const meter = Rate.make(law(1, 1_000))
    for (let looks = 0; looks < 10; looks++) assert.isAtMost(meter.opensAt(0, 1), 0)
    assert.strictEqual(Math.floor(meter.available(0)), 1)
    meter.take(0, 1)
    assert.closeTo(meter.opensAt(0, 1), 1_000, 0.001)
    assert.isFalse(meter.unused(999))
    assert.isTrue(meter.unused(1_000))
  })

  it("starts nothing at a rate of 0, and owes nothing afterwards", () => {
    const closed = Rate.make(law(0, 1_000, 1))
    assert.strictEqual(closed.opensAt(0, 1), Infinity)
    assert.isAtMost(closed.follow(law(5, 1_000), 1_000).opensAt(1_000, 1), 1_000)
  })

  it("clips what it owes to what the new law can owe", () => {
    const slow = Rate.make(law(1, 3_600_000, 3))
    for (let taken = 0; taken < 3; taken++) slow.take(0, 1)
    const fast = slow.follow(law(2, 1_000), 0)
    assert.closeTo(fast.opensAt(0, 1), 500, 0.01)
  })
})

describe("a sliding window", () => {
  it("that follows an even rate counts what that owes", () => {
    const meter = Rate.make({ limit: 10, perMillis: 1_000, burst: 10, window: "gcra" })
    for (let left = 8; left > 0; left--) meter.take(0, 1)
    const next = meter.follow({ limit: 10, perMillis: 1_000, burst: 10, window: "sliding" }, 100)
    // 8 have started, and one of them is made good since.
    assert.strictEqual(next.available(100), 3)
    assert.strictEqual(next.opensAt(100, 4), 1_100)
  })

  it("never has more than the limit in any window", () => {
    const random = mulberry(11)
    for (let run = 0; run < 100; run++) {
      const limit = 1 + Math.floor(random() * 20)
      const meter = Rate.make(law(limit, 1_000, limit, "sliding"))
      const starts: Array<{ at: number; weight: number }> = []
      let now = 0
      for (let step = 0; step < 500; step++) {
        now += Math.floor(random() * 100)
        const weight = 1 + Math.floor(random() * Math.min(3, limit))
        if (meter.opensAt(now, weight) > now) continue
        assert.isAtLeast(meter.available(now), weight)
        meter.take(now, weight)
        starts.push({ at: now, weight })
      }
      assert.isAtMost(worst(starts, 1_000), limit)
    }
  })

  it("keeps what still counts when the law changes", () => {
    const meter = Rate.make(law(3, 1_000, 3, "sliding"))
    for (const at of [0, 100, 200]) meter.take(at, 1)
    assert.strictEqual(meter.opensAt(300, 1), 1_000)
    const wider = meter.follow(law(4, 1_000, 4, "sliding"), 300)
    assert.strictEqual(Math.floor(wider.available(300)), 1)
    const narrower = meter.follow(law(1, 1_000, 1, "sliding"), 300)
    assert.strictEqual(narrower.opensAt(300, 1), 1_200)
  })
})
