import { assert, describe, it } from "@effect/vitest"
import * as ScalingPolicy from "../../src/scaling/ScalingPolicy.ts"
import { asking, readingOf, wants } from "../support/scaling.ts"

describe("stabilize", () => {
  const queue = wants("queue", ({ queued }) => queued)

  it("shrinks at most a fifth in 250 milliseconds, when less was wanted for the window", () => {
    const ask = asking(ScalingPolicy.stabilize(queue, { window: "1 second" }), 20)
    const targets = [0, 999, 1000, 1249, 1250].map((now) => ask({ now, queued: now === 0 ? 20 : 0 }).target)

    assert.deepStrictEqual(targets, [20, 20, 16, 16, 13])
  })

  it("what is wanted may differ by the tolerance", () => {
    const ask = asking(ScalingPolicy.stabilize(queue, { tolerance: 0.2 }), 10)

    assert.strictEqual(ask({ now: 0, queued: 12 }).target, 10)
    assert.strictEqual(ask({ now: 0, queued: 13 }).target, 13)
  })

  it("never shrinks for a window after far more was wanted than there was", () => {
    const ask = asking(ScalingPolicy.stabilize(queue, { window: "1 second" }), 4)
    for (let now = 0; now <= 4000; now += 250) ask({ now, queued: 16, target: 4 })
    const targets = [5500, 8000, 9500].map((now) => ask({ now, queued: 0, target: 4 }).target)
    // The average of 6 seconds was 8 or more until 8 seconds.
    assert.deepStrictEqual(targets, [4, 4, 3])
  })

  it("a moment of far more is no reason for that", () => {
    const ask = asking(ScalingPolicy.stabilize(queue, { window: "1 second" }), 4)
    const targets = [0, 250, 1000].map((now) => ask({ now, queued: now === 0 ? 16 : 0, target: 4 }).target)

    assert.deepStrictEqual(targets, [8, 4, 3])
  })

  it("at most doubles the workers, or adds four", () => {
    const grow = (from: number) => asking(ScalingPolicy.stabilize(queue), from)({ queued: 50 })

    assert.deepStrictEqual(
      [0, 1, 3, 4, 5, 20].map((from) => grow(from).target),
      [4, 5, 7, 8, 10, 40]
    )
    assert.strictEqual(grow(5).reason, "queue says 50, at most 10 in one step")
  })

  it("shrinks to whole workers", () => {
    const part = ScalingPolicy.make({
      name: "part",
      initial: undefined,
      decide: () => [{ target: 17, demand: 16.5, reason: "16.5 wanted" }, undefined]
    })

    assert.strictEqual(asking(ScalingPolicy.stabilize(part), 20)({}).target, 17)
  })

  it("shrinks to no fewer than was wanted", () => {
    const ask = asking(ScalingPolicy.stabilize(queue), 20)

    assert.strictEqual(ask({ queued: 17 }).target, 17)
  })
})

describe("clamp", () => {
  it("bounds the answers of a policy, and what it says the load asks for", () => {
    const ask = asking(
      ScalingPolicy.clamp(
        wants("queue", ({ queued }) => queued),
        { min: 2, max: 6 }
      ),
      4
    )

    assert.deepInclude(ask({ queued: 9 }), { target: 6, demand: 6, reason: "queue says 9, at most 6" })
    assert.deepInclude(ask({ queued: 1 }), { target: 2, demand: 2, reason: "queue says 1, at least 2" })
    assert.deepInclude(ask({ queued: 5 }), { target: 5, reason: "queue says 5" })
  })

  it("the bounds of the herd and its busy workers go first", () => {
    const ask = asking(
      ScalingPolicy.clamp(
        wants("queue", ({ queued }) => queued),
        { max: 6 }
      ),
      4
    )

    assert.strictEqual(ask({ queued: 9, max: 3 }).target, 3)
    assert.strictEqual(ask({ queued: 9, min: 8 }).target, 8)
    assert.strictEqual(ask({ queued: 9, busy: 7 }).target, 7)
  })
})

describe("cooldown", () => {
  it("leaves time between a change and the next one", () => {
    const queue = wants("queue", ({ queued }) => queued)
    const ask = asking(ScalingPolicy.cooldown(queue, { up: "1 second", down: "10 seconds" }), 4)
    const targets = [
      [0, 8],
      [999, 9],
      [1000, 9],
      [10_999, 3],
      [11_000, 3],
      [11_999, 9],
      [12_000, 9]
    ].map(([now = 0, queued = 0]) => ask({ now, queued }).target)

    assert.deepStrictEqual(targets, [8, 8, 9, 9, 3, 3, 9])
  })

  it("says what it waits for, and what is wanted", () => {
    const ask = asking(ScalingPolicy.cooldown(wants("queue", ({ queued }) => queued)), 4)
    ask({ now: 0, queued: 8 })

    assert.deepInclude(ask({ now: 1500, queued: 2 }), {
      target: 8,
      demand: 2,
      reason: "queue says 2, but the last change was 1.5 s ago"
    })
  })
})

describe("min and max", () => {
  const two = wants("two", () => 2)
  const five = wants("five", () => 5)

  it("take the smaller and the larger answer, with its reason", () => {
    assert.deepInclude(asking(ScalingPolicy.min(five, two), 4)({}), { target: 2, reason: "two says 2" })
    assert.deepInclude(asking(ScalingPolicy.max(two, five), 4)({}), { target: 5, reason: "five says 5" })
  })

  it("take the smaller and the larger demand", () => {
    const demands = (name: string, target: number, demand: number) =>
      ScalingPolicy.make({
        name,
        initial: undefined,
        decide: () => [{ target, demand, reason: name }, undefined]
      })
    const few = demands("few", 2, 20)
    const some = demands("some", 5, 5)

    assert.deepInclude(asking(ScalingPolicy.min(few, some), 4)({}), { target: 2, demand: 5, reason: "few" })
    assert.deepInclude(asking(ScalingPolicy.max(few, some), 4)({}), { target: 5, demand: 20, reason: "some" })
  })

  it("of equal answers, the first gives the reason", () => {
    const same = wants("same", () => 2)

    assert.strictEqual(asking(ScalingPolicy.min(two, same), 4)({}).reason, "two says 2")
    assert.strictEqual(asking(ScalingPolicy.max(same, two), 4)({}).reason, "same says 2")
  })

  it("pause while any of the policies pauses, and say why", () => {
    const ask = asking(ScalingPolicy.max(five, ScalingPolicy.memory()), 4)

    assert.deepInclude(ask({ system: readingOf({ memory: 0.97 }) }), {
      target: 5,
      pause: true,
      reason: "five says 5; 97 % of memory used, paused"
    })
    assert.isUndefined(ask({ now: 250, system: readingOf() }).pause)
  })

  it("wait no longer than the one that waits least; half of creating a resource is less than any number but 0", () => {
    const waits = (...all: ReadonlyArray<number | "auto">) => {
      const [first = two, ...rest] = all.map((targetWait) => ({ ...two, targetWait }))
      return ScalingPolicy.min(first, ...rest).targetWait
    }

    assert.strictEqual(waits(300, 200, Infinity), 200)
    assert.strictEqual(waits(300, "auto", Infinity), "auto")
    assert.strictEqual(waits("auto", 0), 0)
    assert.strictEqual(waits("auto"), "auto")
    assert.strictEqual(waits(Infinity), Infinity)
  })

  it("read the system where any of the policies does", () => {
    assert.isFalse(ScalingPolicy.min(two, five).readsSystem)
    assert.isTrue(ScalingPolicy.max(two, ScalingPolicy.memory()).readsSystem)
  })

  it("keep the state of each policy", () => {
    const counts = (name: string, by: number) =>
      ScalingPolicy.make<number>({
        name,
        initial: 0,
        decide: (_, state) => [{ target: state, reason: `${state}` }, state + by]
      })
    const ask = asking(ScalingPolicy.max(counts("ones", 1), counts("tens", 10)), 0)

    assert.deepStrictEqual(
      [ask({}), ask({}), ask({})].map(({ target }) => target),
      [0, 10, 20]
    )
  })

  it("name what they are made of", () => {
    const policy = ScalingPolicy.min(two, ScalingPolicy.throughput())

    assert.strictEqual(policy.name, "min(two, throughput)")
    assert.deepStrictEqual(policy.parameters, {
      policies: [
        { name: "two", parameters: {} },
        { name: "throughput", parameters: { window: 10_000 } }
      ]
    })
  })
})

describe("named", () => {
  it("changes the name and nothing else", () => {
    const policy = ScalingPolicy.latency()

    assert.deepStrictEqual(ScalingPolicy.named(policy, "browsers"), { ...policy, name: "browsers" })
  })
})
