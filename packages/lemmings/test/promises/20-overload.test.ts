// Promise 20: overload keeps its goodput. What cannot finish in time is not begun.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Prediction from "../../src/flow/Prediction.ts"
import { Load, simulate } from "../../src/testing/index.ts"

const workers = { min: 8, max: 8 }

/** 8 workers, 100 ms of work that nobody can interrupt, a deadline of 1 s, for 20 s. */
const offered = (factor: number, service: Load.ServiceTime, predicted: boolean) =>
  simulate({
    load: Load.steps("overload", [{ lasts: "20 seconds", perSecond: factor * 80 }]),
    policy: "fixed",
    workers,
    service,
    seed: 1,
    interruptible: false,
    // Nothing is expected of a label that no task had before: such a task is dropped when it is late, and no sooner.
    options: (task) => ({ deadline: "1 second", label: predicted ? "work" : `${task}` })
  })

describe("promise 20: overload keeps its goodput", () => {
  for (const factor of [0.9, 1.1, 1.5, 3]) {
    it.effect(`at ${factor} times the capacity, with work of a fixed length`, () =>
      Effect.gen(function* () {
        const { goodput, lost } = yield* offered(factor, Load.constant(100), true)
        assert.isAtLeast(goodput, 0.95)
        assert.strictEqual(lost, 0)
      })
    )
  }

  // Of 20 seeds the worst is above; none is where only short runs are remembered, and not those that were cut.
  for (const [factor, least] of [
    [1.1, 0.7],
    [1.5, 0.55],
    [3, 0.45]
  ] as const) {
    it.effect(`at ${factor} times the capacity better than plain expiry, with work of any length`, () =>
      Effect.gen(function* () {
        const { goodput } = yield* offered(factor, Load.exponential(100), true)
        const plain = yield* offered(factor, Load.exponential(100), false)
        assert.isAbove(goodput, plain.goodput)
        assert.isAtLeast(goodput, least)
      })
    )
  }
})

describe("Prediction", () => {
  it("expects the median of what tasks with the label took, once it knows ten", () => {
    const prediction = Prediction.make()
    prediction.ran("a", 100)
    assert.isUndefined(prediction.expected("a"))
    for (let n = 0; n < 9; n++) prediction.ran("a", 100)
    // Nobody gathers what was never asked for: the first one is not among them.
    assert.isUndefined(prediction.expected("a"))
    prediction.ran("a", 10_000)
    assert.strictEqual(prediction.expected("a"), 100)
    assert.isUndefined(prediction.expected("b"))
  })

  it("takes a run that was cut for at least what it expected, so that it does not expect less and less", () => {
    const prediction = Prediction.make()
    prediction.expected("a")
    for (let n = 0; n < 10; n++) prediction.ran("a", 100)
    for (let n = 0; n < 31; n++) prediction.cut("a", 5)
    assert.strictEqual(prediction.expected("a"), 100)
    for (let n = 0; n < 31; n++) prediction.cut("a", 400)
    assert.isAbove(prediction.expected("a") ?? 0, 300)
  })
})
