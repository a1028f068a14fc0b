/** Interrupts everything that a herd can be asked for. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { interruptEverywhere, virtual } from "lemmings/testing"
import { closed, counts, open, type Options, settled, Unhealthy, whole, type World } from "./world.ts"

/** Keeps both workers for a second. */
const fill = ({ herd }: World) =>
  Effect.andThen(herd.submit(Effect.sleep("1 second")), herd.submit(Effect.sleep("1 second")))

const tight: Options = { queue: { capacity: 0 } }

/** Everything that a herd can be asked for, interrupted at each of its steps. */
export const interruptions = (scaling: "fixed" | "auto") =>
  describe(`with scaling "${scaling}", interrupted at any step, nothing is lost by`, () => {
    /** Interrupts `run` at each of its steps, and finds the herd whole each time. */
    const everywhere = (run: (world: World) => Effect.Effect<unknown, unknown>, options: Options = {}) =>
      Effect.gen(function* () {
        const steps = yield* virtual(
          interruptEverywhere({
            setup: open({ scaling, ...options }),
            run,
            invariant: (world) => whole(world)
          }),
          { limit: "365 days" }
        )
        assert.isAtLeast(steps, 5, "it has been interrupted on its way")
      })

    it.effect("run on an idle worker", () => everywhere(({ herd, work }) => herd.run(work)))

    it.effect("run from the queue", () =>
      everywhere((world) => Effect.andThen(fill(world), world.herd.run(world.work)))
    )

    it.effect("run with a timeout that comes", () =>
      everywhere(({ herd, work }) =>
        herd.run(Effect.andThen(work, Effect.sleep("1 hour")), { timeout: "1 second" })
      )
    )

    it.effect("run with a deadline that comes in the queue", () =>
      everywhere((world) =>
        Effect.andThen(fill(world), world.herd.run(world.work, { deadline: "500 millis" }))
      )
    )

    it.effect("run with retries", () =>
      everywhere(({ herd, work }) => {
        let attempts = 0
        const flaky = Effect.andThen(
          work,
          Effect.suspend(() => (++attempts < 3 ? Effect.fail("again") : Effect.void))
        )
        return herd.run(flaky, { retry: Schedule.spaced("1 second") })
      })
    )

    it.effect("run on a worker that is replaced", () =>
      everywhere(({ herd, work }) => {
        let attempts = 0
        const breaking = Effect.andThen(
          work,
          Effect.suspend(() => (++attempts < 3 ? Effect.fail(new Unhealthy()) : Effect.void))
        )
        return herd.run(breaking)
      })
    )

    it.effect("run while it waits for room in the queue", () =>
      everywhere((world) => Effect.andThen(fill(world), world.herd.run(world.work)), tight)
    )

    it.effect("submit to an idle worker", () => everywhere(({ herd, work }) => herd.submit(work)))

    it.effect("submit while it waits for room in the queue", () =>
      everywhere((world) => Effect.andThen(fill(world), world.herd.submit(world.work)), tight)
    )

    it.effect("offer", () =>
      everywhere(
        (world) =>
          Effect.gen(function* () {
            const { herd, work } = world
            yield* herd.offer(work)
            yield* fill(world)
            yield* Effect.exit(herd.offer(work))
          }),
        tight
      )
    )

    it.effect("runNow on an idle worker", () => everywhere(({ herd, work }) => herd.runNow(work)))

    it.effect("runNow on a spare", () =>
      everywhere((world) => Effect.andThen(fill(world), world.herd.runNow(world.work)), { spares: 1 })
    )

    it.effect("runNow on a temporary resource", () =>
      everywhere((world) => Effect.andThen(fill(world), world.herd.runNow(world.work)))
    )

    it.effect("runNow that waits first in line", () =>
      everywhere((world) => Effect.andThen(fill(world), world.herd.runNow(world.work)), { maxTemporary: 0 })
    )

    it.effect("runAll that fails fast", () =>
      everywhere(({ herd, work }) => {
        const late = Effect.andThen(Effect.sleep("1 second"), Effect.fail("late"))
        return herd.runAll([work, late, work, Effect.sleep("1 hour"), work])
      })
    )

    it.effect("runAll that settles", () =>
      everywhere(({ herd, work }) =>
        herd.runAll([work, Effect.fail("bad"), work, work, work], { mode: "settle" })
      )
    )

    it.effect("stream", () =>
      everywhere(({ herd, work }) => Stream.runDrain(herd.stream(Stream.range(1, 6), () => work)))
    )

    it.effect("stream in order", () =>
      everywhere(({ herd, work }) =>
        Stream.runDrain(herd.stream(Stream.range(1, 6), () => work, { ordered: true, concurrency: 3 }))
      )
    )

    it.effect("the interrupt of a handle", () =>
      everywhere((world) =>
        Effect.gen(function* () {
          const { herd, work } = world
          const running = yield* herd.submit(Effect.andThen(work, Effect.sleep("1 second")))
          yield* fill(world)
          const queued = yield* herd.submit(work)
          yield* queued.interrupt
          yield* running.interrupt
        })
      )
    )

    it.effect("the wait for a handle, which leaves the task alone", () =>
      Effect.gen(function* () {
        const steps = yield* virtual(
          interruptEverywhere({
            setup: Effect.gen(function* () {
              const world = yield* open({ scaling })
              return {
                world,
                handle: yield* world.herd.submit(Effect.andThen(Effect.sleep("1 second"), world.work))
              }
            }),
            run: ({ handle }) => Effect.andThen(handle.await, handle.join),
            invariant: ({ handle, world }) =>
              Effect.gen(function* () {
                assert.strictEqual(yield* handle.join, "done")
                yield* whole(world)
              })
          })
        )
        assert.isAtLeast(steps, 5)
      })
    )

    it.effect("clear", () =>
      everywhere(
        (world) =>
          Effect.gen(function* () {
            const { herd, work } = world
            yield* fill(world)
            yield* herd.submit(work)
            yield* Effect.forkDetach(herd.submit(work), { startImmediately: true })
            yield* herd.clear
            yield* Effect.yieldNow
          }),
        { queue: { capacity: 1 } }
      )
    )

    it.effect("awaitIdle and awaitEmpty", () =>
      everywhere((world) =>
        Effect.gen(function* () {
          const { herd, work } = world
          yield* fill(world)
          yield* herd.submit(work)
          yield* herd.awaitEmpty
          yield* herd.awaitIdle
        })
      )
    )

    it.effect("resize and setBounds", () =>
      Effect.gen(function* () {
        const steps = yield* virtual(
          interruptEverywhere({
            setup: open({ scaling }),
            run: (world) =>
              Effect.gen(function* () {
                const { herd, work } = world
                yield* fill(world)
                yield* herd.submit(work)
                yield* herd.resize(0)
                yield* Effect.sleep("2 seconds")
                yield* herd.setBounds({ min: 1, max: 1 })
                yield* Effect.sleep("2 seconds")
                yield* herd.setBounds({ min: 0, max: 2 })
                yield* herd.resize(2)
              }),
            invariant: (world) =>
              Effect.gen(function* () {
                yield* world.herd.setBounds({ min: 0, max: 2 })
                yield* world.herd.resize(scaling === "auto" ? "auto" : 2)
                yield* whole(world)
              })
          }),
          { limit: "365 days" }
        )
        assert.isAtLeast(steps, 20)
      })
    )

    it.effect("a worker that is sent away while it starts", () =>
      Effect.gen(function* () {
        const steps = yield* virtual(
          interruptEverywhere({
            setup: open({ scaling, workers: { min: 0, max: 2, initial: 0 }, failsEvery: 3 }),
            run: ({ herd }) =>
              Effect.gen(function* () {
                yield* herd.resize(2)
                yield* Effect.sleep("1 second")
              }).pipe(Effect.onInterrupt(() => Effect.orDie(herd.resize(0)))),
            invariant: (world) =>
              Effect.gen(function* () {
                yield* Effect.sleep("1 minute")
                const { alive } = (yield* world.herd.stats).resources
                assert.include([0, 2], alive, "both workers are here, or none")
                yield* world.herd.resize(2)
                yield* whole(world)
              })
          }),
          { limit: "365 days" }
        )
        assert.isAtLeast(steps, 20)
      })
    )

    for (const how of ["stop", "kill"] as const) {
      it.effect(how, () =>
        Effect.gen(function* () {
          const steps = yield* virtual(
            interruptEverywhere({
              setup: Effect.gen(function* () {
                const world = yield* open({
                  scaling,
                  queue: { capacity: 2 },
                  shutdown: { drain: "1500 millis" }
                })
                const { herd, work } = world
                const callers = yield* Effect.forEach(
                  [Effect.sleep("1 second"), Effect.sleep("1 hour"), work, Effect.sleep("1 hour"), work],
                  (task) => Effect.forkChild(Effect.exit(herd.run(task)), { startImmediately: true })
                )
                return { callers, world }
              }),
              run: ({ world: { herd } }) => (how === "stop" ? herd.stop() : herd.kill),
              invariant: ({ callers, world }) =>
                Effect.gen(function* () {
                  yield* closed(world)
                  yield* settled(callers)
                })
            }),
            { limit: "365 days" }
          )
          assert.isAtLeast(steps, 20)
        })
      )
    }

    it.effect("the close of the scope of a herd that still starts", () =>
      Effect.gen(function* () {
        const steps = yield* virtual(
          interruptEverywhere({
            setup: Effect.sync(() => ({ made: counts(), world: undefined as World | undefined })),
            run: (state) =>
              Effect.scoped(
                Effect.gen(function* () {
                  const world = yield* open({ scaling, spares: 1, failsEvery: 4 }, state.made)
                  state.world = world
                  yield* world.herd.run(world.work)
                })
              ),
            invariant: ({ made, world }) =>
              Effect.gen(function* () {
                yield* Effect.sleep("1 minute")
                assert.strictEqual(
                  made.created,
                  made.destroyed,
                  "nothing is left of a herd that did not come about"
                )
                if (world === undefined) return
                const { state } = yield* world.herd.stats
                assert.strictEqual(state, "closed")
                yield* closed(world)
              })
          }),
          { limit: "365 days" }
        )
        assert.isAtLeast(steps, 20)
      })
    )
  })
