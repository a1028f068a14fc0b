import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Histogram } from "../../src/internal/Histogram.ts"
import { mulberry } from "./mulberry.ts"

const floor = 2 ** -10
const ceiling = 2 ** 31

const from = (durations: ReadonlyArray<number>): Histogram => {
  const histogram = new Histogram()
  for (const duration of durations) histogram.record(duration)
  return histogram
}

const exactQuantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[sorted.findIndex((_, index) => (index + 1) / sorted.length >= q)]!

const assertNear = (actual: number, exact: number): void => {
  if (exact < floor) assert.isAtMost(Math.abs(actual - exact), floor)
  else assert.isAtMost(Math.abs(actual - exact), exact / 32)
}

const figures = (histogram: Histogram) => ({
  count: histogram.count,
  min: histogram.min,
  max: histogram.max,
  quantiles: [0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1].map((q) => histogram.quantile(q)),
  cumulative: histogram.cumulativeAtMost([0, 0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e9, Infinity])
})

// Durations spread evenly over the octaves, and the edges of buckets, where an index may be off by one.
const Duration = Schema.Union([
  Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: ceiling - 1 })),
  Schema.Struct({ sixteenths: Schema.Int.check(Schema.isBetween({ minimum: -14 * 16, maximum: 30 * 16 })) }),
  Schema.Literals([0, floor, 1, 1.0625, 2, 1000, ceiling - 1])
])
const spread = (duration: typeof Duration.Type): number =>
  typeof duration === "number" ? duration : 2 ** (duration.sixteenths / 16)
const Durations = Schema.NonEmptyArray(Duration)
const Quantile = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

describe("Histogram", () => {
  it.prop(
    "quantile is within 1/32 of the exact one for every list of durations",
    { durations: Durations, q: Quantile },
    ({ durations, q }) => {
      const recorded = durations.map(spread)
      const sorted = recorded.toSorted((a, b) => a - b)
      const histogram = from(recorded)

      for (const at of [q, 0.5, 0.95, 0.99]) assertNear(histogram.quantile(at), exactQuantile(sorted, at))
      assert.strictEqual(histogram.quantile(0), sorted[0])
      assert.strictEqual(histogram.quantile(1), sorted.at(-1))
    },
    { arbitrary: { runs: 300 } }
  )

  it("quantile is within 1/32 of the exact one over 100,000 durations of every size", () => {
    const random = mulberry(7)
    const durations = Array.from({ length: 100_000 }, () => 2 ** (random() * 41 - 10))
    const sorted = durations.toSorted((a, b) => a - b)
    const histogram = from(durations)

    for (let percent = 1; percent < 100; percent++) {
      // The rank in integers, free of the rounding the histogram guards against.
      assertNear(histogram.quantile(percent / 100), sorted[percent * 1000 - 1]!)
    }
  })

  it("the quantile of one duration is that duration", () => {
    for (let exponent = -12; exponent <= 33; exponent += 0.37) {
      const histogram = from([2 ** exponent])
      for (const q of [0, 0.5, 0.99, 1]) assert.strictEqual(histogram.quantile(q), 2 ** exponent)
    }
  })

  it("the rank of a quantile does not suffer from rounding", () => {
    const histogram = from(Array.from({ length: 100 }, (_, index) => (index < 7 ? 1 : 1000)))

    assert.isBelow(histogram.quantile(0.07), 2)
    assert.isAbove(histogram.quantile(0.0700001), 900)
  })

  it.prop(
    "merge gives the figures of recording everything in one for every two lists",
    { first: Schema.Array(Duration), second: Schema.Array(Duration) },
    ({ first, second }) => {
      const all = from([...first, ...second].map(spread))
      const histogram = from(first.map(spread))
      histogram.merge(from(second.map(spread)))

      assert.deepStrictEqual(figures(histogram), figures(all))
      assert.closeTo(histogram.sum, all.sum, all.sum * 1e-12)
      assert.closeTo(histogram.mean, all.mean, all.mean * 1e-12)
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "cumulativeAtMost counts what is below a bound and little above it for every list of durations",
    { durations: Durations, bounds: Schema.Array(Duration) },
    ({ durations, bounds }) => {
      const recorded = durations.map(spread)
      const ascending = bounds.map(spread).toSorted((a, b) => a - b)
      const counts = from(recorded).cumulativeAtMost(ascending)

      assert.strictEqual(counts.length, ascending.length)
      counts.forEach((count, index) => {
        const bound = ascending[index]!
        assert.isAtLeast(count, recorded.filter((duration) => duration <= bound).length)
        const reach = Math.max(bound * (1 + 1 / 16), floor)
        assert.isAtMost(count, recorded.filter((duration) => duration <= reach).length)
        if (index > 0) assert.isAtLeast(count, counts[index - 1]!)
      })
    },
    { arbitrary: { runs: 300 } }
  )

  it("cumulativeAtMost is exact at bounds on bucket edges, at infinity and outside the range", () => {
    const histogram = from([0, 1, 1, 5, 10, 5000])

    assert.deepStrictEqual(
      histogram.cumulativeAtMost([-1, -0, 0, 0.5, 1, 4, 5, 10, 4000, 5000, Infinity]),
      [0, 1, 1, 1, 3, 3, 4, 5, 5, 6, 6]
    )
    assert.deepStrictEqual(new Histogram().cumulativeAtMost([0, 1, Infinity]), [0, 0, 0])
  })

  it("cumulativeAtMost takes bounds in any order", () => {
    const histogram = from([1, 2, 3, 4, 5])

    assert.deepStrictEqual(histogram.cumulativeAtMost([4, 1, 3, Infinity, 2, 2]), [4, 1, 3, 5, 2, 2])
  })

  it("an empty histogram reads as zero", () => {
    const histogram = new Histogram()

    assert.deepStrictEqual(
      [histogram.count, histogram.sum, histogram.min, histogram.max, histogram.mean, histogram.quantile(0.5)],
      [0, 0, 0, 0, 0, 0]
    )
  })

  it("reset forgets everything", () => {
    const histogram = from([1, 20, 300])
    histogram.reset()

    assert.deepStrictEqual(figures(histogram), figures(new Histogram()))
    histogram.record(4)
    assert.deepStrictEqual([histogram.sum, histogram.min, histogram.max], [4, 4, 4])
  })

  it("durations that are negative or not a number count as zero", () => {
    const histogram = from([NaN, -1, -Infinity, -0, 8])

    assert.deepStrictEqual([histogram.count, histogram.sum, histogram.min, histogram.max], [5, 8, 0, 8])
    assert.strictEqual(histogram.quantile(0.8), 0)
  })

  it("durations past the last bucket are counted and keep an exact maximum", () => {
    const histogram = from([1, ceiling * 3, ceiling * 2])

    assert.strictEqual(histogram.quantile(0.99), ceiling * 3)
    assert.deepStrictEqual(histogram.cumulativeAtMost([1, Infinity]), [1, 3])
    assert.strictEqual(from([Infinity]).max, ceiling)
  })

  it("count, sum, min and max are exact", () => {
    const histogram = from([0.1, 7, 3.25, 1000.5])

    assert.deepStrictEqual(
      [histogram.count, histogram.sum, histogram.min, histogram.max, histogram.mean],
      [4, 0.1 + 7 + 3.25 + 1000.5, 0.1, 1000.5, (0.1 + 7 + 3.25 + 1000.5) / 4]
    )
  })
})
