import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { logs } from "../support/logs.ts"

const Deep = Job.make("Deep", { payload: Schema.Int, success: Schema.Int, timeout: "5 seconds", attempts: 1 })

/** One that waits for a job of its own queue, so many levels deep. */
const deep = (depth: number, concurrency: number) => {
  const { about, layer } = logs()
  return Effect.gen(function* () {
    const jobs = yield* Jobs.Jobs
    yield* Layer.build(
      Deep.toLayer((n) => (n === 0 ? Effect.succeed(0) : Effect.orDie(jobs.execute(Deep(n - 1)))), {
        concurrency
      })
    )
    const asked = yield* Effect.forkChild(Effect.exit(Jobs.execute(Deep(depth))))
    for (let n = 0; n < 200; n++) yield* TestClock.adjust("100 millis")
    const exit = yield* Fiber.join(asked)
    return { ends: exit._tag, told: about("wait for jobs of").map(({ text }) => text) }
  }).pipe(Effect.provide(Layer.provideMerge(Jobs.layerMemory(), layer)))
}

describe("a handler that waits for a job of its own queue", () => {
  it.effect("is told of where all workers do, once", () =>
    Effect.gen(function* () {
      const { ends, told } = yield* deep(3, 2)
      assert.strictEqual(ends, "Failure")
      assert.lengthOf(told, 1)
      assert.include(told[0], 'All 2 workers that run jobs of "Deep" here wait for jobs of "Deep"')
    })
  )

  it.effect("is left alone where one is free", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* deep(2, 3), { ends: "Success", told: [] })
    })
  )
})
