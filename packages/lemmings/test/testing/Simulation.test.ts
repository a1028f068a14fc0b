import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScalingPolicy } from "lemmings"
import { Load, simulate, type SimulationOptions } from "lemmings/testing"

const spike = Load.spike({
  name: "spike",
  before: "20 seconds",
  lasts: "10 seconds",
  after: "60 seconds",
  calm: 20,
  high: 200
})

/** Lehmer's generator. */
const randomFrom = (seed: number): Load.Random => {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}

const run = (options: Partial<SimulationOptions> = {}) =>
  simulate({ load: spike, policy: ScalingPolicy.littlesLaw(), workers: { min: 2, max: 64 }, ...options })

describe("simulate", () => {
  it.live("gives the same report for the same seed, and another for another", () =>
    Effect.gen(function* () {
      // Long enough for resources to grow old, and with creations that fail: both have a jitter.
      const long = Load.steps("an hour", [{ lasts: "1 hour", perSecond: 2 }])
      const faults = { dying: 0.01, creationFails: { from: "50 minutes", until: "51 minutes" } } as const
      for (const options of [{}, { load: long, faults }]) {
        const one = yield* run({ ...options, seed: 7 })
        assert.deepStrictEqual(yield* run({ ...options, seed: 7 }), one)
        assert.notDeepEqual(yield* run({ ...options, seed: 8 }), one)
      }
    })
  )

  it.live("a fixed herd lives as long as the load, and changes nothing", () =>
    Effect.gen(function* () {
      const report = yield* run({ policy: "fixed", workers: { min: 1, max: 28 } })
      assert.closeTo(report.workerSeconds, 28 * 90, 28)
      assert.strictEqual(report.created, 28)
      assert.strictEqual(report.scaleActions, 0)
      assert.deepStrictEqual(report.decisions, [])
    })
  )

  it.live("the figures agree with the timeline and with the decisions", () =>
    Effect.gen(function* () {
      const report = yield* run({ points: 90 })
      assert.strictEqual(report.lost, 0)
      assert.strictEqual(report.timeline.length, 90)
      const came = report.timeline.reduce((sum, { arrivalRate }) => sum + arrivalRate, 0)
      assert.closeTo(came, report.tasks, 40)
      // Sampled each second, the area under the workers is nearly the worker-seconds.
      const area = report.timeline.reduce((sum, { workers }) => sum + workers, 0)
      assert.closeTo(area, report.workerSeconds, report.workerSeconds * 0.1)
      assert.strictEqual(report.decisions.length, report.scaleActions)
      assert.strictEqual(report.decisions[0]?.from, 2)
      for (const [index, { to }] of report.decisions.entries()) {
        const next = report.decisions[index + 1]
        if (next !== undefined) assert.strictEqual(next.from, to)
      }
      assert.isAtLeast(report.peakWorkers, Math.max(...report.decisions.map(({ to }) => to)))
    })
  )

  it.live("tasks come whether or not the herd keeps up", () =>
    Effect.gen(function* () {
      const slow = yield* run({ policy: "fixed", workers: { min: 1, max: 1 } })
      const fast = yield* run({ policy: "fixed", workers: { min: 1, max: 64 } })
      assert.strictEqual(slow.tasks, fast.tasks)
      assert.isAbove(slow.wait.p50Millis, 10_000)
      assert.strictEqual(slow.lost, 0)
    })
  )

  it.live("dying resources are replaced, and every task ends", () =>
    Effect.gen(function* () {
      const sound = yield* run()
      const faulty = yield* run({ faults: { dying: 0.1 } })
      assert.strictEqual(faulty.lost, 0)
      assert.isAbove(faulty.created, sound.created + faulty.tasks * 0.05)
    })
  )

  it.live("while no resource can be made the waits grow, and afterwards every task ends", () =>
    Effect.gen(function* () {
      const sound = yield* run()
      const faulty = yield* run({ faults: { creationFails: { from: "20 seconds", until: "28 seconds" } } })
      assert.strictEqual(faulty.lost, 0)
      assert.isAbove(faulty.wait.maxMillis, sound.wait.maxMillis + 3_000)
    })
  )

  it.live("a policy that throws, or answers nonsense, ends the simulation with a defect", () =>
    Effect.gen(function* () {
      const broken = (decide: ScalingPolicy.ScalingPolicy["decide"]) =>
        Effect.exit(run({ policy: { ...ScalingPolicy.littlesLaw(), name: "broken", decide } }))
      const thrown = yield* broken(() => {
        throw new Error("no idea")
      })
      assert.include(String(thrown), "no idea")
      const nonsense = yield* broken((_, state) => [{ target: 2.5, reason: "half a worker" }, state])
      assert.include(String(nonsense), "The policy broken answered 2.5 workers")
    })
  )

  it.live("policies read the process that the simulation says", () =>
    Effect.gen(function* () {
      const policy = ScalingPolicy.min(ScalingPolicy.littlesLaw(), ScalingPolicy.eventLoop())
      const calm = yield* run({ policy })
      const busy = yield* run({ policy, system: () => ({ eventLoopUtilization: 0.99 }) })
      assert.isAbove(calm.peakWorkers, 10)
      assert.strictEqual(busy.peakWorkers, 2)
    })
  )
})

describe("the targets of the default policy", () => {
  // 20, 200 and 20 tasks/s for two minutes each, then 5 s of 200 and 5 s of 20 in turn. 28 workers would do: 13,440 worker-seconds.
  const load = Load.concat(
    "step-square",
    Load.steps("step", [
      { lasts: "120 seconds", perSecond: 20 },
      { lasts: "120 seconds", perSecond: 200 },
      { lasts: "120 seconds", perSecond: 20 }
    ]),
    Load.squareWave({ name: "wave", duration: "120 seconds", period: "10 seconds", low: 20, high: 200 })
  )

  for (const seed of [1, 2, 3, 4, 5]) {
    it.live(`are met with seed ${seed}`, () =>
      Effect.gen(function* () {
        const report = yield* run({ load, seed })
        assert.isAtMost(report.reversals, 10)
        assert.isAtMost(report.workerSeconds, 0.65 * 13_440)
        assert.isAtMost(report.wait.p99Millis, 450)
        assert.strictEqual(report.lost, 0)
      })
    )
  }

  it.live("tasker's rule climbs to the top and stays there", () =>
    Effect.gen(function* () {
      const report = yield* run({ load, policy: ScalingPolicy.throughput() })
      assert.strictEqual(report.peakWorkers, 64)
      assert.isAbove(report.workerSeconds, 2 * 13_440)
    })
  )
})

describe("Load", () => {
  const count = (load: Load.Load) => {
    return [...load.arrivals(randomFrom(1))]
  }

  it("steps, waves and days have as many tasks as their rates say, in order", () => {
    for (const [load, expected] of [
      [Load.steps("steps", [{ lasts: "50 seconds", perSecond: 100 }]), 5_000],
      [
        Load.squareWave({ name: "wave", duration: "100 seconds", period: "10 seconds", low: 0, high: 100 }),
        5_000
      ],
      [Load.diurnal({ name: "day", tasks: 5_000, ratio: 4 }), 5_000],
      [spike, 20 * 80 + 200 * 10]
    ] as const) {
      const arrivals = count(load)
      assert.closeTo(arrivals.length, expected, 4 * Math.sqrt(expected), load.name)
      assert.deepStrictEqual(
        arrivals.map(({ at }) => at),
        arrivals.map(({ at }) => at).toSorted((a, b) => a - b)
      )
      assert.isBelow(arrivals.at(-1)?.at ?? Infinity, load.durationMillis)
    }
  })

  it("bursts come between calm times, and differ by the seed", () => {
    const load = Load.bursty({
      name: "bursty",
      duration: "2000 seconds",
      low: 0,
      high: 100,
      calm: "20 seconds",
      busy: "5 seconds"
    })
    assert.closeTo(load.rate(0), 20, 1e-9)
    const perSecond = (random: Load.Random) => {
      const counts = Array.from({ length: 2000 }, () => 0)
      for (const { at } of load.arrivals(random)) {
        const second = Math.floor(at / 1000)
        counts[second] = (counts[second] ?? 0) + 1
      }
      return counts
    }
    const one = perSecond(randomFrom(1))
    const calm = one.filter((n) => n === 0).length
    const busy = one.filter((n) => n >= 60).length
    assert.isAbove(busy, 100)
    assert.isAbove(calm, busy)
    // The seconds in which it changes.
    assert.isBelow(2000 - calm - busy, 400)
    assert.notDeepEqual(perSecond(randomFrom(2)), one)
  })

  it("a day is four times as busy at noon as at midnight", () => {
    const day = Load.diurnal({ name: "day", tasks: 86_400, ratio: 4 })
    assert.closeTo(day.rate(43_200_000) / day.rate(0), 4, 1e-9)
  })

  it("service times have the mean that they say", () => {
    const random = randomFrom(1)
    for (const time of [
      Load.constant(100),
      Load.exponential(100),
      Load.lognormal(100, 0.5),
      Load.pareto(100, 3)
    ]) {
      let sum = 0
      for (let n = 0; n < 20_000; n++) sum += time.draw(random)
      assert.closeTo(sum / 20_000, time.meanMillis, 5)
    }
  })

  it.effect("a trace keeps its times and lengths", () =>
    Effect.gen(function* () {
      const load = yield* Load.fromCsv("trace", "seconds,millis\n0.5,20\r\n\n0.5\n2.25,0\n")
      assert.deepStrictEqual(
        [...load.arrivals(() => 0)],
        [
          { at: 500, serviceMillis: 20 },
          { at: 500, serviceMillis: undefined },
          { at: 2250, serviceMillis: 0 }
        ]
      )
      assert.strictEqual(load.durationMillis, 2250)
      assert.strictEqual(load.rate(700), 2)
    })
  )

  for (const [text, message] of [
    ["", 'Line 1 of the trace must be there, got ""'],
    [
      "seconds\n1\nx",
      'Line 3 of the trace must be seconds since the start, and perhaps a comma and milliseconds, got "x"'
    ],
    ["2\n1", 'Line 2 of the trace must be no earlier than the line before (2), got "1"'],
    ["1,-5", 'Line 1 of the trace must be milliseconds of at least 0 after the comma, got "1,-5"'],
    [
      "1,2,3",
      'Line 1 of the trace must be seconds since the start, and perhaps a comma and milliseconds, got "1,2,3"'
    ]
  ] as const) {
    it.effect(`the trace ${JSON.stringify(text)} is refused by its line`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Load.fromCsv("trace", text))
        assert.strictEqual(error.message, message)
      })
    )
  }
})
