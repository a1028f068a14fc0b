import { assert, describe, it } from "@effect/vitest"
import * as Recurring from "../../src/port/Recurring.ts"

const zone = "Europe/Berlin"

const times = (cron: string, after: string, count: number) => {
  const found: Array<string> = []
  let at = Date.parse(after)
  for (let n = 0; n < count; n++) {
    at = Recurring.nextAfter(cron, zone, at)
    found.push(new Date(at).toISOString().slice(5, 16))
  }
  return found
}

describe("the time of a schedule", () => {
  it("is that of the clocks in its zone, before and after they are changed", () => {
    assert.deepStrictEqual(times("30 3 * * *", "2026-03-28T00:00:00Z", 3), [
      "03-28T02:30",
      "03-29T01:30",
      "03-30T01:30"
    ])
    assert.deepStrictEqual(times("30 3 * * *", "2026-10-24T00:00:00Z", 2), ["10-24T01:30", "10-25T02:30"])
  })

  it("comes by as much later where the zone skips it, once", () => {
    const spring = "2026-03-28T23:50:00Z"
    assert.deepStrictEqual(times("30 2 * * *", spring, 2), ["03-29T01:30", "03-30T00:30"])
    assert.deepStrictEqual(times("0 * * * *", spring, 3), ["03-29T00:00", "03-29T01:00", "03-29T02:00"])
    assert.deepStrictEqual(times("0 1-5 * * *", spring, 3), ["03-29T00:00", "03-29T01:00", "03-29T02:00"])
  })

  it("comes twice where the zone has it twice and the cron says every hour or every minute, and else the first time", () => {
    const autumn = "2026-10-24T23:50:00Z"
    assert.deepStrictEqual(times("0 * * * *", autumn, 3), ["10-25T00:00", "10-25T01:00", "10-25T02:00"])
    assert.deepStrictEqual(times("*/30 2 * * *", autumn, 5), [
      "10-25T00:00",
      "10-25T00:30",
      "10-25T01:00",
      "10-25T01:30",
      "10-26T01:00"
    ])
    assert.deepStrictEqual(times("30 2 * * *", autumn, 2), ["10-25T00:30", "10-26T01:30"])
    assert.deepStrictEqual(times("0 1,2,3 * * *", autumn, 3), ["10-25T00:00", "10-25T02:00", "10-26T00:00"])
  })

  it("is refused where there is none", () => {
    for (const cron of ["0 0 30 2 *", "* * * *", "0 0 * * * *", "61 * * * *", "no", ""])
      assert.isDefined(Recurring.misfit(cron, zone, 0), cron)
    assert.isDefined(Recurring.misfit("* * * * *", "Mars/Olympus", 0))
    assert.isUndefined(Recurring.misfit("0 0 29 2 *", zone, 0))
  })
})

describe("a schedule that is looked at", () => {
  const due = Date.parse("2026-03-01T12:00:00Z")
  const decide = (cron: string, missed: "once" | "skip", late: number) =>
    Recurring.decide({ cron, zone: "UTC", missed }, due, due + late)
  const minute = 60_000

  it("waits until it is due", () => {
    assert.deepStrictEqual(decide("0 12 * * *", "once", -1), { fires: undefined, next: due })
  })

  it("is enqueued within a minute, and later where it is to be made up for", () => {
    const next = due + 24 * 60 * minute
    for (const missed of ["once", "skip"] as const)
      assert.deepStrictEqual(decide("0 12 * * *", missed, minute - 1), { fires: due, next })
    assert.deepStrictEqual(decide("0 12 * * *", "skip", minute), { fires: undefined, next })
    assert.deepStrictEqual(decide("0 12 * * *", "once", 20 * minute), { fires: due, next })
  })

  it("is enqueued once, for the last time that it was due, however often that was", () => {
    for (const missed of ["once", "skip"] as const)
      assert.deepStrictEqual(decide("* * * * *", missed, 90.5 * minute), {
        fires: due + 90 * minute,
        next: due + 91 * minute
      })
    assert.deepStrictEqual(decide("*/30 * * * *", "once", 95 * minute).fires, due + 90 * minute)
    assert.isUndefined(decide("*/30 * * * *", "skip", 95 * minute).fires)
  })
})
