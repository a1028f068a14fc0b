import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Stream } from "effect"
import { Herd, ScalingPolicy } from "../../src/index.ts"
import { virtual } from "../../src/testing/index.ts"

class Engine extends Context.Service<Engine, { readonly workerId: number }>()("test/Engine") {}
class Engines extends Herd.Service<Engines>()("test/Engines", { resource: Engine }) {}

/** Remembers what it is shown, and wants one worker more each time. */
const watching = (shown: Array<unknown>) =>
  ScalingPolicy.make({
    name: "watching",
    initial: undefined,
    decide: ({ utilization, workers }) => {
      shown.push(utilization)
      return [{ target: workers.target + 1, reason: "more" }, undefined]
    }
  })

describe("resources that say how busy they are", () => {
  it.effect("are shown to the policy with every sample, those that do not know left out", () => {
    const shown: Array<unknown> = []
    return virtual(
      Effect.gen(function* () {
        const herd = yield* Engines
        yield* herd.run(Effect.sleep("600 millis"))
        assert.deepStrictEqual(shown.slice(0, 2), [
          [{ workerId: 1, utilization: 0.5 }],
          [{ workerId: 1, utilization: 0.5 }]
        ])
        const history = yield* herd.history
        assert.deepStrictEqual(history.at(-1)?.sample?.utilization, [{ workerId: 1, utilization: 0.5 }])
      }).pipe(
        Effect.provide(
          Engines.layer({
            onCreate: ({ workerId }) => Effect.succeed({ workerId }),
            utilization: ({ workerId }) => (workerId === 1 ? 0.5 : undefined),
            scaling: watching(shown),
            workers: { min: 1, max: 4 }
          })
        )
      )
    )
  })

  it.effect("and those that throw are reported, and harm nobody", () => {
    const shown: Array<unknown> = []
    return virtual(
      Effect.gen(function* () {
        const herd = yield* Engines
        const reports = yield* Effect.forkChild(
          Stream.runHead(Stream.filter(herd.events, ({ _tag }) => _tag === "PartFailed"))
        )
        yield* herd.run(Effect.sleep("600 millis"))
        assert.deepStrictEqual(shown[0], [])
        assert.isDefined(reports.pollUnsafe())
      }).pipe(
        Effect.provide(
          Engines.layer({
            onCreate: ({ workerId }) => Effect.succeed({ workerId }),
            utilization: () => {
              throw Cause.fail("nobody knows")
            },
            scaling: watching(shown),
            workers: { min: 1, max: 4 }
          })
        )
      )
    )
  })
})
