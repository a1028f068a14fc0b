// Twins, on the real clock, of scenarios whose law is one of time: what virtual time cannot show is that the clock is asked.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Schedule } from "effect"
import { Herd } from "../../src/index.ts"

class Plain extends Herd.Service<Plain>()("scenarios/RealPlain") {}
class Thing extends Context.Service<Thing, { readonly id: number }>()("scenarios/RealThing") {}
class Things extends Herd.Service<Things>()("scenarios/RealThings", { resource: Thing }) {}

const one = { min: 1, max: 1 }
const plain = Plain.layer({ workers: one, leakAfter: 20 }).pipe(Layer.provide(Logger.layer([])))

/** Looks until it holds: the test's own limit ends a look that never does. */
const until = <E>(holds: Effect.Effect<boolean, E>) =>
  Effect.repeat(holds, { schedule: Schedule.spaced(5), until: (held) => held })

/** Workers whose things are counted. */
const counted = (options: Omit<Herd.CommonOptions<"suspend">, "workers">, max: number) => {
  const seen = { made: 0, destroyed: 0, validated: 0 }
  const layer = Things.layer({
    ...options,
    workers: { min: 1, max },
    onCreate: Effect.sync(() => ({ id: ++seen.made })),
    onDestroy: () => Effect.sync(() => void seen.destroyed++),
    validate: () => Effect.sync(() => ++seen.validated > 0)
  })
  return { layer, seen }
}

describe("limits of time on the real clock", () => {
  for (const [option, tag] of [
    ["timeout", "TaskTimeout"],
    ["deadline", "DeadlineExceeded"]
  ] as const)
    it.live(`${option} ends a task that runs`, () =>
      Effect.gen(function* () {
        const herd = yield* Plain
        const failure = yield* Effect.flip(herd.run(Effect.never, { [option]: 20 }))
        assert.include(failure, { _tag: tag })
        assert.strictEqual(yield* herd.run(Effect.succeed(1)), 1)
      }).pipe(Effect.provide(plain))
    )

  it.live("acquireTimeout ends a wait, and a leak is suspected of whoever holds the worker", () =>
    Effect.gen(function* () {
      const herd = yield* Plain
      const leaks: Array<string> = []
      yield* herd.listen((event) => {
        if (event._tag === "LeakSuspected") leaks.push(event.taskId)
      })
      const holds = yield* Effect.forkChild(herd.run(Effect.never, { id: "holds" }))
      yield* until(Effect.map(herd.stats, ({ workers }) => workers.busy === 1))
      const failure = yield* Effect.flip(herd.run(Effect.void, { acquireTimeout: 20 }))
      assert.include(failure, { _tag: "AcquireTimeout" })
      yield* until(Effect.sync(() => leaks.length > 0))
      yield* Fiber.interrupt(holds)
      assert.deepStrictEqual(leaks, ["holds"])
    }).pipe(Effect.scoped, Effect.provide(plain))
  )

  it.live("keepAlive validates what is idle, again and again", () => {
    const { layer, seen } = counted({ keepAlive: 20 }, 1)
    return Effect.gen(function* () {
      yield* Things
      yield* until(Effect.sync(() => seen.validated >= 3))
      assert.strictEqual(seen.made, 1)
    }).pipe(Effect.provide(layer))
  })

  it.live("maxLifetime replaces what is idle", () => {
    const { layer, seen } = counted({ maxLifetime: 30 }, 1)
    return Effect.gen(function* () {
      yield* Things
      yield* until(Effect.sync(() => seen.destroyed >= 1 && seen.made >= 2))
    }).pipe(Effect.provide(layer))
  })

  it.live("a retry waits for its schedule, and holds no worker", () =>
    Effect.gen(function* () {
      const herd = yield* Plain
      let tries = 0
      const flaky = Effect.suspend(() => (++tries < 3 ? Effect.fail("again") : Effect.succeed(tries)))
      const began = performance.now()
      const runs = yield* Effect.forkChild(herd.run(flaky, { retry: Schedule.spaced(30) }))
      yield* until(Effect.sync(() => tries >= 1))
      assert.strictEqual(yield* herd.run(Effect.succeed("free")), "free")
      assert.strictEqual(yield* Fiber.join(runs), 3)
      // Timers of the runtime may come a part of a millisecond early.
      assert.isAtLeast(performance.now() - began, 58)
    }).pipe(Effect.provide(plain))
  )
})
