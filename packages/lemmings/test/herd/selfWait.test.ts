// A herd where every worker runs a task that waits for a task of the same herd.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "lemmings"

class Plain extends Herd.Service<Plain>()("test/selfWait") {}

/** What is logged of tasks that wait for their own herd. */
const listening = () => {
  const told: Array<string> = []
  const logger = Logger.make(({ message }) => {
    const text = String(message)
    if (text.includes("for tasks of the same herd")) told.push(text)
  })
  return { told, layer: Logger.layer([logger]) }
}

const on = <A, E>(
  workers: { readonly min: number; readonly max: number },
  program: (herd: Plain["Service"], told: ReadonlyArray<string>) => Effect.Effect<A, E>
) => {
  const { layer, told } = listening()
  return Effect.flatMap(Plain, (herd) => program(herd, told)).pipe(
    Effect.provide(Layer.provideMerge(Plain.layer({ workers }), layer))
  )
}

const one = Effect.succeed(1)
const two = { min: 2, max: 2 }

describe("a task that waits for its own herd", () => {
  it.live("is told of with its label where all workers do, on the real clock", () =>
    on({ min: 1, max: 1 }, (herd, told) =>
      Effect.gen(function* () {
        const nested = herd.run(Effect.andThen(Effect.yieldNow, herd.run(one)), { label: "report" })
        const end = yield* Effect.timeoutOption(nested, "300 millis")
        assert.strictEqual(end._tag, "None")
        assert.lengthOf(told, 1)
        assert.include(told[0], "herd test/selfWait: its only worker runs a task that waits")
        assert.include(told[0], '"report"')
      })
    )
  )

  const ways = {
    run: (herd: Plain["Service"]) => herd.run(one),
    "run in a child": (herd: Plain["Service"]) =>
      Effect.flatMap(Effect.forkChild(herd.run(one)), (child) => Fiber.join(child)),
    "submit and join": (herd: Plain["Service"]) => Effect.flatMap(herd.submit(one), ({ join }) => join),
    runAll: (herd: Plain["Service"]) => Effect.map(herd.runAll([one, one, one]), ([first]) => first)
  }
  for (const [way, inner] of Object.entries(ways))
    it.effect(`is told of once while nothing changes, and again after that has ended: ${way}`, () =>
      on(two, (herd, told) =>
        Effect.gen(function* () {
          for (const round of [1, 2]) {
            const both = yield* Effect.forEach(["a", "b"], (label) =>
              Effect.forkChild(
                herd.run(Effect.andThen(Effect.sleep(10), Effect.asVoid(inner(herd))), { label })
              )
            )
            yield* TestClock.adjust("2 minutes")
            assert.lengthOf(told, round)
            assert.include(told[round - 1], "all 2 workers")
            for (const label of ['"a"', '"b"']) assert.include(told[round - 1], label)
            // The other goes on by what the first leaves behind.
            yield* Fiber.interrupt(both[0]!)
            yield* Fiber.join(both[1]!)
            yield* TestClock.adjust("2 minutes")
            assert.lengthOf(told, round)
            assert.strictEqual((yield* herd.stats).workers.busy, 0)
          }
        })
      )
    )

  it.effect("is left alone while one worker works, and told of when that waits too", () =>
    on(two, (herd, told) =>
      Effect.gen(function* () {
        const later = Effect.andThen(Effect.sleep(10), herd.run(one))
        const waits = yield* Effect.forkChild(herd.run(later))
        const works = yield* Effect.forkChild(
          herd.run(Effect.andThen(Effect.sleep("1 minute"), herd.run(one)))
        )
        yield* TestClock.adjust(5)
        // A third waits from outside: it does not make the herd one that waits for itself.
        const outside = yield* Effect.forkChild(herd.run(one))
        yield* TestClock.adjust("59 seconds")
        assert.lengthOf(told, 0)
        yield* TestClock.adjust("3 seconds")
        assert.lengthOf(told, 1)
        yield* Effect.forEach([waits, works, outside], Fiber.interrupt)
      })
    )
  )

  it.effect("is left alone where all tasks only work", () =>
    on(two, (herd, told) =>
      Effect.gen(function* () {
        const all = yield* Effect.forkChild(
          herd.runAll(Array.from({ length: 10 }, () => Effect.sleep("1 minute")))
        )
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(all)
        assert.lengthOf(told, 0)
      })
    )
  )

  it.effect("is left alone where the herd grows", () =>
    on({ min: 1, max: 3 }, (herd, told) =>
      Effect.gen(function* () {
        const nested = yield* Effect.forkChild(herd.run(herd.run(herd.run(one))))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(nested), 1)
        assert.lengthOf(told, 0)
      })
    )
  )

  it.effect("is left alone in a herd that is paused", () =>
    on({ min: 1, max: 1 }, (herd, told) =>
      Effect.gen(function* () {
        const nested = yield* Effect.forkChild(herd.run(herd.run(one)))
        yield* herd.pause
        yield* TestClock.adjust("1 minute")
        assert.lengthOf(told, 0)
        yield* herd.resume
        yield* TestClock.adjust("1 minute")
        assert.lengthOf(told, 1)
        yield* Fiber.interrupt(nested)
      })
    )
  )
})
