import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { Herd, HerdClosed, QueueFull, TaskTimeout } from "../../src/index.ts"
import { forEverySeed } from "../../src/testing/index.ts"
import { conserved, listen } from "./support.ts"

class Slot extends Context.Service<Slot, object>()("test/Slot") {}
class Slots extends Herd.Service<Slots>()("test/Slots", { resource: Slot }) {}
type Herd = Context.Service.Shape<typeof Slots>

/** Submits from many fibers while `race` goes on, closes the herd, and checks that nothing was lost on the way. */
const race = (
  scaling: "fixed" | "auto",
  callers: number,
  during: (herd: Herd) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function* () {
    let ran = 0
    const herd = Context.get(
      yield* Layer.build(
        Slots.layer({
          onCreate: Effect.as(Effect.yieldNow, {}),
          checkHealth: (cause) => Cause.squash(cause) !== "worker lost",
          scaling,
          workers: { max: 4 },
          queue: { capacity: 50 },
          shutdown: { drain: "5 millis", interrupt: "1 second", destroy: "1 second" }
        })
      ),
      Slots
    )
    const body = Effect.andThen(
      Effect.sync(() => ran++),
      Effect.sleep(1)
    )
    const ways: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      herd.run(body),
      Effect.flatMap(herd.submit(body), (handle) => handle.join),
      Effect.flatMap(herd.offer(body), (handle) => handle.join),
      herd.run(Effect.fail("worker lost")),
      herd.run(Effect.fail("own"), { retry: Schedule.recurs(1) }),
      herd.run(body, { timeout: "500 micros" })
    ]
    const fibers = yield* Effect.forEach(Array.from({ length: callers }), (_, i) =>
      Effect.forkChild(Effect.exit(ways[i % ways.length] ?? Effect.void))
    )
    const racing = yield* Effect.forkChild(during(herd))
    const exits = yield* Effect.forEach(fibers, Fiber.join)
    yield* Fiber.await(racing)
    yield* herd.stop()

    const stats = yield* herd.stats
    conserved(stats)
    const { failed, interrupted, rejected, requeued, shed, submitted, succeeded } = stats.tasks
    assert.strictEqual(submitted + rejected, callers, "accepted or refused, each once")
    assert.strictEqual(succeeded + failed + interrupted + shed, submitted, "settled")
    assert.strictEqual(exits.filter(Exit.isSuccess).length, succeeded)
    for (const exit of exits) {
      if (Exit.isSuccess(exit)) continue
      const error = Cause.squash(exit.cause)
      const known = [HerdClosed, QueueFull, TaskTimeout].some((type) => error instanceof type)
      assert.isTrue(known || error === "own" || error === "worker lost", String(error))
    }
    assert.isAtLeast(ran, succeeded)
    assert.isAtLeast(requeued, 0)
    assert.strictEqual(stats.resources.alive, 0)
    return stats
  }).pipe(Effect.scoped)

describe("promise 14: accepting is atomic with closing", () => {
  for (const scaling of ["fixed", "auto"] as const) {
    it.effect(
      `1,000 submitters that race with stop are all settled, and the counts add up, scaling "${scaling}"`,
      () =>
        forEverySeed(3, () => race(scaling, 1000, (herd) => Effect.andThen(Effect.sleep(20), herd.stop())))
    )

    it.effect(
      `submitters that race with kill, resize, pause and dying workers are all settled, scaling "${scaling}"`,
      () => {
        const storm = (herd: Herd) =>
          Effect.gen(function* () {
            for (const size of [0, 4, 1, 3, 0, 2]) {
              yield* herd.resize(size)
              yield* Effect.yieldNow
              yield* herd.pause
              yield* Effect.sleep(1)
              yield* herd.resume
              if (scaling === "auto") yield* herd.resize("auto")
            }
            yield* herd.kill
          })
        return forEverySeed(20, () => race(scaling, 120, storm))
      }
    )
  }

  it.effect("stops and kills that race begin one shutdown, whoever is first", () =>
    forEverySeed(50, () =>
      Effect.gen(function* () {
        const herd = Context.get(
          yield* Layer.build(Slots.layer({ onCreate: Effect.succeed({}), workers: { max: 1 } })),
          Slots
        )
        const events = yield* listen(herd)
        // In virtual time the next instant comes when there is nothing left to do: the reader listens.
        yield* Effect.sleep(1)
        yield* herd.submit(Effect.sleep(5))
        const reports = yield* Effect.all([herd.stop(), herd.kill, herd.stop(), herd.stop()], {
          concurrency: "unbounded"
        })
        yield* Effect.sleep(1)
        for (const report of reports) assert.strictEqual(report, reports[0])
        const states = events.flatMap((event) => (event._tag === "StateChanged" ? [event.state] : []))
        assert.deepStrictEqual(states.slice(-2), ["interrupting", "closed"])
        assert.strictEqual(new Set(states).size, states.length, "each phase once")
      }).pipe(Effect.scoped)
    )
  )

  it.effect("whoever comes in the same step as stop is refused", () =>
    Effect.gen(function* () {
      const herd = Context.get(
        yield* Layer.build(Slots.layer({ onCreate: Effect.succeed({}), workers: { max: 1 } })),
        Slots
      )
      yield* Effect.forkChild(herd.stop(), { startImmediately: true })
      const error = yield* Effect.flip(herd.run(Effect.void))
      assert.instanceOf(error, HerdClosed)
    })
  )
})
