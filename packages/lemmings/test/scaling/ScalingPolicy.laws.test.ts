import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as ScalingPolicy from "../../src/scaling/ScalingPolicy.ts"
import {
  Bounds,
  compose,
  Composition,
  type Entry,
  frozen,
  policies,
  readingOf,
  sampleOf,
  sampler,
  simulate,
  Step
} from "../support/scaling.ts"

const Steps = Schema.Array(Step).check(Schema.isMaxLength(40))
const More = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))

/** A whole number within the bounds, never below the busy workers, and the same for the same sample and state. */
const obeys = ({ policy }: Entry, bounds: typeof Bounds.Type, steps: ReadonlyArray<Step>, feed: boolean) => {
  const next = sampler(bounds)
  let state = frozen(policy.initial)
  let fed: number | undefined
  for (const step of steps) {
    const sample = frozen(next(step, fed))
    const first = frozen(policy.decide(sample, state))
    assert.deepStrictEqual(policy.decide(sample, state), first)
    const [answer] = first
    const { busy, max, min } = sample.workers
    assert.isTrue(Number.isInteger(answer.target), `${answer.target}`)
    assert.isAtLeast(answer.target, min)
    assert.isAtMost(answer.target, max)
    assert.isAtLeast(answer.target, busy)
    assert.isAbove(answer.reason.length, 0)
    assert.isFalse(Number.isNaN(answer.demand))
    state = first[1]
    if (feed) fed = answer.target
  }
}

/** After the same history, more that waits or arrives never means fewer workers. */
const follows = (
  { policy }: Entry,
  bounds: typeof Bounds.Type,
  steps: ReadonlyArray<Step>,
  more: { readonly queued: number; readonly oldest: number; readonly arrived: number; readonly rate: number }
) => {
  const next = sampler(bounds)
  let state = policy.initial
  let fed: number | undefined
  for (const step of steps) {
    const sample = next(step, fed)
    const [answer, after] = policy.decide(sample, state)
    const busier = {
      ...sample,
      queued: sample.queued + more.queued,
      oldestWaitMillis: sample.oldestWaitMillis + (sample.queued + more.queued > 0 ? more.oldest : 0),
      arrivals: sample.arrivals + more.arrived,
      arrivalRate: { fast: sample.arrivalRate.fast + more.rate, slow: sample.arrivalRate.slow + more.rate }
    }
    const [other] = policy.decide(busier, state)
    assert.isAtLeast(other.target, answer.target, `${other.reason}, after ${answer.reason}`)
    state = after
    fed = answer.target
  }
}

const DemandMore = Schema.Struct({ queued: More, oldest: More, arrived: More, rate: More })

describe("every scaling policy", () => {
  for (const entry of policies) {
    it.prop(
      `${entry.name} answers a whole number within the bounds, above the busy workers, and changes nothing`,
      { bounds: Bounds, steps: Steps, feed: Schema.Boolean },
      ({ bounds, steps, feed }) => obeys(entry, bounds, steps, feed),
      { arbitrary: { runs: 100 } }
    )

    if (!entry.monotone) continue
    it.prop(
      `${entry.name} never answers fewer workers for more demand`,
      { bounds: Bounds, steps: Steps, more: DemandMore },
      ({ bounds, steps, more }) => follows(entry, bounds, steps, more),
      { arbitrary: { runs: 100 } }
    )
  }

  it.prop(
    "compositions obey the same laws",
    { composition: Composition, bounds: Bounds, steps: Steps, feed: Schema.Boolean, more: DemandMore },
    ({ composition, bounds, steps, feed, more }) => {
      const entry = compose(composition)
      obeys(entry, bounds, steps, feed)
      if (entry.monotone) follows(entry, bounds, steps, more)
    },
    { arbitrary: { runs: 300 } }
  )
})

describe("what a policy remembers", () => {
  for (const { name, policy } of policies) {
    it(`is no more under ${name} for being asked more often`, () => {
      let state = policy.initial
      for (let now = 0; now < 4000; now++) {
        const sample = sampleOf({
          now,
          target: 1,
          queued: 5000 - now,
          max: 10_000,
          arrivals: now,
          system: readingOf()
        })
        state = policy.decide(sample, state)[1]
      }
      assert.isBelow((JSON.stringify(state) ?? "").length, 5000)
    })
  }
})

describe("an idle herd", () => {
  for (const { name, policy, shrinks } of policies) {
    if (!shrinks) continue
    it.prop(
      `returns to workers.min within 5 minutes under ${name}, and stays`,
      { bounds: Bounds, steps: Steps },
      ({ bounds, steps }) => {
        const next = sampler(bounds)
        let state = policy.initial
        let sample = next({ ...quiet, millis: 250, target: 64 })
        for (const step of steps) {
          sample = next(step, sample.workers.target)
          state = policy.decide(sample, state)[1]
        }
        const { arrivals, ended, now } = sample
        const { max, min } = sample.workers
        let target = max
        for (let after = 0; after <= 360_000; after += 250) {
          const rate = { fast: 200 * Math.exp(-after / 2000), slow: 200 * Math.exp(-after / 20_000) }
          const idle = sampleOf({
            now: now + after,
            min,
            max,
            target,
            arrivals,
            ended,
            arrivalRate: rate,
            endedRate: rate,
            serviceMillis: 1000,
            system: readingOf(),
            utilization: Array.from({ length: target }, (_, workerId) => ({ workerId, utilization: 0 }))
          })
          const [answer, later] = policy.decide(idle, state)
          state = later
          target = answer.target
          if (after >= 300_000) assert.strictEqual(target, min, answer.reason)
        }
      },
      { arbitrary: { runs: 20 } }
    )
  }

  for (const { name, policy, shrinks } of policies) {
    if (!shrinks) continue
    it(`returns to workers.min after a burst under ${name}`, () => {
      const ticks = simulate({
        policy,
        load: (now) => (now < 20_000 ? 100 : 0),
        seconds: 320,
        creationMillis: 200,
        max: 32
      })
      assert.isAbove(Math.max(...ticks.map(({ to }) => to)), 1)
      assert.strictEqual(ticks.at(-1)?.to, 1)
    })
  }
})

const quiet: Step = {
  millis: 250,
  arrived: 0,
  ended: 0,
  busy: 0,
  starting: 0,
  idle: 0,
  target: 0,
  queued: 0,
  oldest: 0,
  rate: 0,
  service: null,
  creation: 0,
  system: null,
  utilization: []
}

const asks = ScalingPolicy.make({
  name: "asks",
  initial: undefined,
  decide: ({ queued }) => [{ target: queued, reason: `${queued} asked for` }, undefined]
})

describe("stabilize", () => {
  const Demands = Schema.Array(
    Schema.Struct({
      millis: Schema.Literals([0, 10, 100, 250, 1000, 5000]),
      demand: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
    })
  ).check(Schema.isMaxLength(80))

  it.prop(
    "never shrinks below what was wanted within the window, and limits each step",
    { demands: Demands, window: Schema.Literals([1000, 10_000, 30_000]) },
    ({ demands, window }) => {
      const policy = ScalingPolicy.stabilize(asks, { window })
      const seen: Array<{ readonly at: number; readonly demand: number }> = []
      let state = policy.initial
      let now = 0
      let target = 1
      let shrunkAt = -Infinity
      for (const { millis, demand } of demands) {
        now += millis
        seen.push({ at: now, demand })
        const [answer, next] = policy.decide(sampleOf({ now, max: 100, target, queued: demand }), state)
        const wanted = Math.max(...seen.filter(({ at }) => at > now - window).map((one) => one.demand))
        assert.isAtLeast(answer.target, Math.min(target, wanted))
        assert.isAtMost(answer.target, Math.max(2 * target, target + 4))
        assert.isAtLeast(answer.target, target - Math.max(1, Math.floor(target / 5)))
        if (answer.target < target) {
          assert.isAtLeast(now - shrunkAt, 250)
          shrunkAt = now
        }
        state = next
        target = answer.target
      }
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "under a constant load a herd does not grow within a window of shrinking",
    {
      rate: Schema.Literals([1, 7, 40, 100]),
      serviceMillis: Schema.Literals([20, 100, 400]),
      creationMillis: Schema.Literals([0, 200, 1500]),
      free: Schema.Boolean
    },
    ({ rate, free, ...times }) => {
      const policy = free ? ScalingPolicy.instant() : ScalingPolicy.littlesLaw()
      const ticks = simulate({ policy, load: () => rate, seconds: 180, ...times })
      let shrunkAt = -Infinity
      for (const { from, now, reason, to } of ticks) {
        if (to < from) shrunkAt = now
        if (to > from) assert.isAtLeast(now - shrunkAt, 30_000, reason)
      }
    },
    { arbitrary: { runs: 30 } }
  )
})

describe("gradient", () => {
  it.prop(
    "never answers more than the policy that it bounds",
    { bounds: Bounds, steps: Steps },
    ({ bounds, steps }) => {
      const inner = ScalingPolicy.littlesLaw()
      const policy = ScalingPolicy.gradient(inner)
      const next = sampler(bounds)
      let states = { inner: inner.initial, policy: policy.initial }
      let target: number | undefined
      for (const step of steps) {
        const sample = next(step, target)
        const [most, afterInner] = inner.decide(sample, states.inner)
        const [answer, after] = policy.decide(sample, states.policy)
        assert.isAtMost(answer.target, most.target)
        states = { inner: afterInner, policy: after }
        target = answer.target
      }
    }
  )
})
