import { assert, describe, it } from "@effect/vitest"
import { Health } from "../../src/pgboss/Health.ts"

describe("the health of a store", () => {
  it("begins with the first success", () => {
    const health = new Health()
    assert.isFalse(health.ready)
    assert.isFalse(health.failed("start", false, 0))
    assert.isTrue(health.wrote("start", 1))
    assert.isTrue(health.ready)
  })

  it("ends with one failure, and comes back when all has gone well for some seconds", () => {
    const health = new Health()
    health.wrote("start", 0)
    assert.isTrue(health.failed("settle", false, 10))
    assert.isFalse(health.wrote("claim", 20))
    assert.isFalse(health.wrote("settle", 3_019))
    assert.isTrue(health.wrote("settle", 3_020))
    assert.isFalse(health.wrote("settle", 3_021))
  })

  it("changes twice however often it fails between", () => {
    const health = new Health()
    health.wrote("start", 0)
    let changes = 0
    for (let at = 0; at < 60_000; at += 100) {
      if (at < 30_000 && at % 300 === 0) changes += Number(health.failed("enqueue", false, at))
      else changes += Number(health.wrote("pulse", at))
    }
    assert.strictEqual(changes, 2)
    assert.isTrue(health.ready)
  })

  it("is not back while one kind of operation finds no room, though others go well, until that is long ago", () => {
    const health = new Health()
    health.wrote("start", 0)
    health.failed("enqueue", true, 0)
    let back = 0
    for (let at = 100; back === 0; at += 100) if (health.wrote("pulse", at)) back = at
    assert.strictEqual(back, 33_000)

    health.failed("enqueue", true, 40_000)
    health.wrote("enqueue", 40_100)
    assert.isTrue(health.wrote("pulse", 43_100))
  })
})
