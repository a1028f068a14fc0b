import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Histogram } from "../../src/internal/Histogram.ts"
import { SlidingWindow, type Summary } from "../../src/internal/SlidingWindow.ts"

const zero: Summary = { count: 0, mean: 0, min: 0, max: 0, p50: 0, p95: 0, p99: 0 }

const summaryOf = (durations: ReadonlyArray<number>): Omit<Summary, "mean"> => {
  const histogram = new Histogram()
  for (const duration of durations) histogram.record(duration)
  return {
    count: histogram.count,
    min: histogram.min,
    max: histogram.max,
    p50: histogram.quantile(0.5),
    p95: histogram.quantile(0.95),
    p99: histogram.quantile(0.99)
  }
}

// The mean depends on the order of additions.
const withoutMean = ({ count, min, max, p50, p95, p99 }: Summary): Omit<Summary, "mean"> => ({
  count,
  min,
  max,
  p50,
  p95,
  p99
})

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 }))
const Step = Schema.Struct({
  // Mostly small steps, a few longer than the window, some backwards.
  step: Schema.Union([
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 })),
    Schema.Literals([-3000, -100, 999, 1000, 1200, 1201, 50_000])
  ]),
  kind: Schema.Literals(["arrival", "started", "success", "failure"]),
  millis: Millis
})

describe("SlidingWindow", () => {
  it.prop(
    "agrees with a list of events for every script, clocks going backwards included",
    {
      script: Schema.Array(Step),
      buckets: Schema.Literals([2, 3, 12]),
      created: Schema.Literals([0, 0.5, -70, 1_800_000_000_000])
    },
    ({ script, buckets, created }) => {
      const windowMillis = 1200
      const width = windowMillis / buckets
      const window = new SlidingWindow(windowMillis, created, buckets)
      const events: Array<{ readonly tick: number; readonly kind: string; readonly millis: number }> = []
      let now: number = created
      let latest: number = created

      for (const { step, kind, millis } of script) {
        now += step
        latest = Math.max(latest, now)
        if (kind === "arrival") window.arrival(now)
        else if (kind === "started") window.started(now, millis)
        else window.finished(now, millis, kind === "success")
        events.push({ tick: Math.floor((latest - created) / width), kind, millis })

        const newest = Math.floor((latest - created) / width)
        const held = events.filter(({ tick }) => tick > newest - buckets)
        const of = (...kinds: ReadonlyArray<string>) =>
          held.filter((event) => kinds.includes(event.kind)).map((event) => event.millis)
        const snapshot = window.snapshot(now)
        assert.strictEqual(snapshot.arrivals, of("arrival").length)
        assert.strictEqual(snapshot.successes, of("success").length)
        assert.strictEqual(snapshot.failures, of("failure").length)
        assert.deepStrictEqual(withoutMean(snapshot.wait), summaryOf(of("started")))
        assert.deepStrictEqual(withoutMean(snapshot.run), summaryOf(of("success", "failure")))
        const covered = latest - created - Math.max(0, newest - buckets + 1) * width
        assert.strictEqual(snapshot.spanMillis, Math.max(1, covered))
        assert.isAtMost(snapshot.spanMillis, windowMillis)
      }
    },
    { arbitrary: { runs: 300 } }
  )

  it("an event is held for a window less one bucket at least and a window at most", () => {
    const window = new SlidingWindow(1200, 0)
    window.arrival(99)

    assert.strictEqual(window.snapshot(1199).arrivals, 1)
    assert.strictEqual(window.snapshot(1200).arrivals, 0)
  })

  it("the span is the age of a young window and never below one", () => {
    const window = new SlidingWindow(60_000, 1000)

    assert.strictEqual(window.snapshot(1000).spanMillis, 1)
    assert.strictEqual(window.snapshot(1250).spanMillis, 250)
    assert.strictEqual(window.snapshot(60_999).spanMillis, 59_999)
    assert.strictEqual(window.snapshot(61_000).spanMillis, 55_000)
  })

  it("a steady rate reads the same at every age", () => {
    const window = new SlidingWindow(1200, 0)

    for (let now = 10; now <= 6000; now += 10) {
      window.arrival(now)
      const { arrivals, spanMillis } = window.snapshot(now)
      assert.closeTo(arrivals / spanMillis, 0.1, 1.5 / spanMillis)
    }
  })

  it("a clock that jumps backwards is read as standing still", () => {
    const window = new SlidingWindow(1200, 5000)
    window.arrival(5500)
    window.started(100, 7)
    window.finished(-1e9, 9, true)
    window.finished(NaN, 9, false)
    window.arrival(Infinity)

    const snapshot = window.snapshot(0)
    assert.deepStrictEqual(
      [snapshot.spanMillis, snapshot.arrivals, snapshot.successes, snapshot.failures],
      [500, 2, 1, 1]
    )
    assert.deepStrictEqual([snapshot.wait.count, snapshot.run.count, snapshot.run.mean], [1, 2, 9])
    assert.strictEqual(window.snapshot(5500 + 1200).arrivals, 0)
  })

  it("a jump longer than the window forgets everything", () => {
    const window = new SlidingWindow(1200, 0)
    for (let now = 0; now < 1200; now += 50) {
      window.arrival(now)
      window.started(now, 1)
      window.finished(now, 1, now % 100 === 0)
    }

    const snapshot = window.snapshot(1e12)

    assert.deepStrictEqual(
      { ...snapshot, spanMillis: 0 },
      {
        spanMillis: 0,
        arrivals: 0,
        successes: 0,
        failures: 0,
        wait: zero,
        run: zero
      }
    )
    assert.isAtLeast(snapshot.spanMillis, 1)
  })

  it("snapshots of two windows do not mix", () => {
    const first = new SlidingWindow(1000, 0)
    const second = new SlidingWindow(1000, 0)
    first.started(1, 10)
    second.started(1, 20)

    assert.strictEqual(first.snapshot(2).wait.max, 10)
    assert.strictEqual(second.snapshot(2).wait.max, 20)
    assert.strictEqual(first.snapshot(2).wait.count, 1)
  })

  it("refuses windows and buckets it cannot divide time by", () => {
    for (const windowMillis of [0, -1, NaN, Infinity]) {
      assert.throws(() => new SlidingWindow(windowMillis, 0), RangeError)
    }
    for (const buckets of [0, 1, 2.5, NaN]) {
      assert.throws(() => new SlidingWindow(1000, 0, buckets), RangeError)
    }
  })
})
