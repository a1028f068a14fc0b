import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber } from "effect"
import * as Fibers from "../../src/internal/Fibers.ts"

const start = (effect: Effect.Effect<unknown>) => Fibers.start(Context.empty(), effect)
const pending = () => Promise.withResolvers<string>()

describe("Fibers.isDeaf", () => {
  const says =
    "fiber._stack does not show a cleanup any more: what a promise of onCreate brings late would be lost"

  it("a fiber hears an interruption where what it waits for can be stopped", () => {
    const hearing = [
      Effect.sleep("1 hour"),
      Effect.callback<void>(() => Effect.void),
      Effect.promise((signal) => new Promise((resolve) => signal.addEventListener("abort", resolve))),
      Effect.all([Effect.sleep("1 hour"), Effect.sleep("1 hour")], { concurrency: 2 })
    ].map(start)

    assert.deepStrictEqual(hearing.map(Fibers.isDeaf), [false, false, false, false], says)
    for (const fiber of hearing) Fibers.interrupt(fiber)
    assert.isFalse(Fibers.isDeaf(start(Effect.void)), says)
  })

  it("a fiber that waits for a promise without a signal is deaf, however deep it is", () => {
    const deaf = [
      Effect.promise(() => pending().promise),
      Effect.timeoutOption(
        Effect.promise(() => pending().promise),
        "1 hour"
      ),
      Effect.gen(function* () {
        yield* Effect.void
        return yield* Effect.map(
          Effect.promise(() => pending().promise),
          (text) => text.length
        )
      })
    ].map(start)

    assert.deepStrictEqual(deaf.map(Fibers.isDeaf), [true, true, true], says)
  })
})

describe("Fibers.heard", () => {
  it.effect("an interruption ends also what is in a race, before it returns", () =>
    Effect.gen(function* () {
      const told: Array<unknown> = []
      const race = Effect.raceFirst(Effect.sleep("1 hour"), Effect.never).pipe(
        Effect.onInterrupt(() => Effect.map(Effect.yieldNow, () => void told.push("ended")))
      )
      const tell = (what: string) => () => void told.push(what)
      const fiber = yield* Effect.forkChild(
        Fibers.outlasting(Fibers.heard(race), tell("left"), () => Effect.sync(tell("late"))),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(told, ["ended"])
    })
  )
})

describe("Fibers.outlasting", () => {
  it.effect("an interruption leaves a promise to its end, which is told", () =>
    Effect.gen(function* () {
      const { promise, resolve } = pending()
      const told: Array<unknown> = []
      const effect = Effect.promise(() => promise)
      const fiber = yield* Effect.forkChild(
        Fibers.outlasting(
          effect,
          () => told.push("left"),
          (exit) => Effect.sync(() => told.push(exit))
        ),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(told, ["left"])

      resolve("late")
      yield* Effect.promise(() => promise)
      assert.deepStrictEqual(told, ["left", Exit.succeed("late")])
    })
  )

  it.effect("an interruption ends what hears it, and nothing is told", () =>
    Effect.gen(function* () {
      const told: Array<unknown> = []
      let stopped = false
      const effect = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (stopped = true)))
      const waits = Effect.andThen(Effect.sleep("1 hour"), effect)
      const fiber = yield* Effect.forkChild(
        Fibers.outlasting(
          Effect.onInterrupt(waits, () => Effect.sync(() => (stopped = true))),
          () => told.push("left"),
          (exit) => Effect.sync(() => told.push(exit))
        ),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      assert.isTrue(stopped)
      assert.deepStrictEqual(told, [])
    })
  )

  it.effect("an interruption waits for what ends while it could not be told whether it can be stopped", () =>
    Effect.gen(function* () {
      const told: Array<unknown> = []
      const fiber = yield* Effect.forkChild(
        Fibers.outlasting(
          Effect.as(Effect.yieldNow, 1),
          () => told.push("left"),
          (exit) => Effect.map(Effect.yieldNow, () => void told.push(exit))
        ),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(told, ["left", Exit.succeed(1)])
    })
  )

  it.effect("an interruption stops what only gives its turn away", () =>
    Effect.gen(function* () {
      const told: Array<unknown> = []
      let turns = 0
      const fiber = yield* Effect.forkChild(
        Fibers.outlasting(
          Effect.forever(Effect.map(Effect.yieldNow, () => turns++)),
          () => told.push("left"),
          (exit) => Effect.sync(() => told.push(exit))
        ),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      const before = turns
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.strictEqual(turns, before)
      assert.deepStrictEqual(told, [])
    })
  )
})
