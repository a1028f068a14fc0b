// Whoever is interrupted at any step while a limit holds him takes nothing with him and leaves nothing behind.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { interruptEverywhere, virtual } from "lemmings/testing"
import { open, type Options, whole, type World } from "../support/world.ts"

const everywhere = (options: Options, run: (world: World) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const steps = yield* virtual(
      interruptEverywhere({
        setup: open(options),
        run,
        invariant: (world) =>
          Effect.gen(function* () {
            const { tasks } = yield* world.herd.stats
            assert.deepStrictEqual([tasks.ready, tasks.held], [0, 0])
            yield* world.herd.awaitIdle
            // A key that owes nothing is forgotten as soon as somebody else comes.
            yield* Effect.sleep("1 hour")
            yield* world.herd.run(Effect.void)
            yield* world.herd.run(Effect.void)
            assert.deepStrictEqual(yield* world.herd.keys(), [])
            yield* whole(world)
          })
      }),
      { limit: "365 days" }
    )
    assert.isAtLeast(steps, 5)
  })

const limits = { perKey: { concurrency: 1, rate: { limit: 2, per: "1 minute" } } } as const

describe("with limits, interrupted at any step, nothing is lost by", () => {
  it.effect("run that is held by the cap of its key", () =>
    everywhere({ limits: { perKey: { concurrency: 1 } } }, ({ herd, work }) =>
      Effect.andThen(herd.submit(Effect.sleep("1 second"), { key: "a" }), herd.run(work, { key: "a" }))
    )
  )
  it.effect("run that waits for a rate", () =>
    everywhere({ limits }, ({ herd, work }) =>
      Effect.forEach([1, 2, 3], () => herd.run(work, { key: "a" }), { concurrency: "unbounded" })
    )
  )
  it.effect("run at dispatch, and in its finalizers", () =>
    everywhere({ limits, queue: { order: "fair" } }, ({ herd, work }) =>
      herd.run(work, { key: "a", weight: 1 })
    )
  )
  it.effect("run that waits for room in its key", () =>
    everywhere({ limits: { perKey: { concurrency: 1, queue: 1 } } }, ({ herd, work }) =>
      Effect.forEach([1, 2, 3], () => herd.run(work, { key: "a" }), { concurrency: "unbounded" })
    )
  )
  it.effect("run whose key is put on hold by its error", () =>
    everywhere({ limits: { hold: () => "1 second" } }, ({ herd, work }) => {
      let calls = 0
      return herd.run(
        Effect.andThen(
          work,
          Effect.suspend(() => (++calls < 3 ? Effect.fail("429") : Effect.void))
        ),
        { key: "a" }
      )
    })
  )
  it.effect("run in order, behind one that is tried again", () =>
    everywhere({ limits: { perKey: { ordered: true } } }, ({ herd, work }) =>
      Effect.forEach([1, 2, 3], () => herd.run(work, { key: "a" }), { concurrency: "unbounded" })
    )
  )
  it.effect("runAll of one key in fair order", () =>
    everywhere({ queue: { order: "fair" }, limits: { perKey: { concurrency: 1 } } }, ({ herd, work }) =>
      herd.runAll([work, work, work, work], { key: "a" })
    )
  )
})
