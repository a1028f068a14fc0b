import { assert, describe, it } from "@effect/vitest"
import * as RetryBudget from "../../src/flow/RetryBudget.ts"
import { mulberry } from "../internal/mulberry.ts"

describe("a retry budget", () => {
  it("allows the reserve and the ratio of first attempts, whatever the order", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = mulberry(seed)
      const ratio = 0.1 + random() * 0.9
      const perSecond = Math.floor(random() * 10)
      const budget = RetryBudget.make({ ratio, perSecond }, 0)
      const firsts: Array<number> = []
      const retries: Array<number> = []
      for (let now = 0; now < 60_000; now += Math.floor(random() * 40)) {
        if (random() < 0.5) {
          budget.deposit(now)
          firsts.push(now)
        } else if (budget.withdraw(now)) retries.push(now)
      }
      const within = (all: ReadonlyArray<number>, until: number, millis: number) =>
        all.filter((at) => at > until - millis && at <= until).length
      for (const until of retries) {
        // Slots are a second long, so that what counts is ten to eleven seconds of attempts.
        const most = ratio * within(firsts, until, 11_000) + perSecond * 10 + 1
        assert.isAtMost(within(retries, until, 9_000), most, `seed ${seed}`)
      }
    }
  })

  it("with a backend that is down for a minute adds at most a fifth and the reserve", () => {
    const budget = RetryBudget.make({ ratio: 0.2, perSecond: 10 }, 0)
    let first = 0
    let retried = 0
    for (let now = 0; now < 60_000; now += 5) {
      budget.deposit(now)
      first++
      for (let tries = 0; tries < 3; tries++) if (budget.withdraw(now)) retried++
    }
    assert.isAtMost(first + retried, 1.2 * first + 10 * 70)
  })

  it("takes nothing where there is nothing, and forgets after ten seconds", () => {
    const budget = RetryBudget.make({ ratio: 0.5, perSecond: 0 }, 0)
    assert.isFalse(budget.withdraw(0))
    budget.deposit(0, 2)
    assert.strictEqual(budget.left(0), 1)
    assert.isTrue(budget.withdraw(100))
    assert.isFalse(budget.withdraw(100))
    budget.deposit(200, 10)
    assert.strictEqual(budget.left(10_500), 0)
  })
})
