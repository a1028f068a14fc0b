import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { HerdEvents, Resources } from "lemmings"
import { forEverySeed, interruptEverywhere, virtual } from "lemmings/testing"
import { mulberry } from "../internal/mulberry.ts"
import {
  closed,
  counts,
  open,
  type Options,
  settled,
  type Tool,
  Unhealthy,
  whole,
  type World
} from "../support/world.ts"

/** Keeps both workers for a second. */
const fill = ({ herd }: World) =>
  Effect.andThen(herd.submit(Effect.sleep("1 second")), herd.submit(Effect.sleep("1 second")))

const tight: Options = { queue: { capacity: 0 } }

// Workers that are there, and workers that a policy brings when it finds that they are needed.
for (const scaling of ["fixed", "auto"] as const)
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

describe("Resources", () => {
  const info = { workerId: 1, burst: false }
  const pools = Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const made = { open: 0, onDestroy: 0 }
    const onCreate = () =>
      Effect.gen(function* () {
        yield* Effect.yieldNow
        yield* Effect.acquireRelease(
          Effect.sync(() => made.open++),
          () =>
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => made.open--)
            )
        )
        yield* Effect.yieldNow
      })
    const layer = Resources.layer({
      herd: "test",
      lifecycle: {
        onCreate,
        onDestroy: () =>
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => made.onDestroy++)
          ),
        ready: () => Effect.yieldNow
      },
      createTimeout: 1000,
      destroyTimeout: 1000,
      validateAfter: 500,
      validateTimeout: 1000,
      maxLifetime: Infinity,
      keepAlive: Infinity,
      maxUses: Infinity,
      spares: 2,
      maxTemporary: 1
    }).pipe(Layer.provide(HerdEvents.layer("test")))
    const pool = yield* Effect.provide(Resources, yield* Layer.buildWithScope(layer, scope))
    return { made, pool }
  })
  const holds = ({ made, pool }: Effect.Success<typeof pools>) =>
    Effect.gen(function* () {
      yield* Effect.sleep("1 minute")
      yield* pool.close
      assert.strictEqual(pool.tally.created - pool.tally.destroyed, 0, "every resource was destroyed")
      assert.strictEqual(made.open, 0, "every scope was closed")
      assert.strictEqual(made.onDestroy, pool.tally.created, "onDestroy ran for each")
    })

  it.effect("create and destroy, interrupted at any step, leave no resource behind", () =>
    Effect.gen(function* () {
      const steps = yield* virtual(
        interruptEverywhere({
          setup: pools,
          run: ({ pool }) =>
            Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(pool.create(info), (resource) =>
                Effect.andThen(restore(Effect.yieldNow), Effect.void).pipe(
                  Effect.ensuring(pool.destroy(resource))
                )
              )
            ),
          invariant: holds
        })
      )
      assert.isAtLeast(steps, 20)
    })
  )

  it.effect("fillSpares, interrupted at any step, leaves no resource behind", () =>
    Effect.gen(function* () {
      const steps = yield* virtual(
        interruptEverywhere({ setup: pools, run: ({ pool }) => pool.fillSpares, invariant: holds })
      )
      assert.isAtLeast(steps, 20)
    })
  )
})

describe("a herd under every order of events", () => {
  // WORKLOAD_SEEDS=10000 looks further than CI does.
  const seeds = Number(process.env["WORKLOAD_SEEDS"] ?? 300)

  /** Callers that know nothing of each other, and somebody who changes the herd under them. */
  const workload = (scaling: "fixed" | "auto") => (seed: number) =>
    Effect.scoped(
      Effect.gen(function* () {
        const random = mulberry(seed)
        const below = (n: number) => Math.floor(random() * n)
        const world = yield* open({
          scaling,
          workers: { min: 0, max: 3, initial: 1 + below(3) },
          queue: {
            capacity: ([0, 2, 5, "unbounded"] as const)[below(4)] ?? 5,
            ageing: below(2) === 0 ? "never" : "50 millis"
          },
          spares: below(2),
          maxTemporary: below(3),
          ...(below(2) === 0 ? {} : { failsEvery: 2 + below(4) })
        })
        const { herd, work } = world
        const pausing = Effect.suspend(() => Effect.sleep(below(4) * 10))
        const task = (): Effect.Effect<unknown, unknown, Tool> => {
          const kind = below(8)
          if (kind === 0) return Effect.andThen(work, Effect.fail("bad"))
          if (kind === 1) return Effect.andThen(work, Effect.fail(new Unhealthy()))
          if (kind === 2) return Effect.die("defect")
          if (kind === 3) return Effect.andThen(work, Effect.sleep("1 second"))
          if (kind === 4) return Effect.void
          return Effect.andThen(pausing, work)
        }
        const options = () => ({
          priority: below(3) * 5,
          once: below(4) === 0,
          ...(below(3) === 0 ? { timeout: below(3) * 15 } : {}),
          ...(below(4) === 0 ? { deadline: 20 + below(3) * 15 } : {}),
          ...(below(3) === 0 ? { retry: Schedule.spaced("15 millis").pipe(Schedule.upTo({ times: 2 })) } : {})
        })
        const caller = Effect.gen(function* () {
          for (let i = 0; i < 6; i++) {
            yield* pausing
            const call = below(7)
            const calling: Effect.Effect<unknown, unknown> =
              call === 0
                ? Effect.flatMap(herd.submit(task(), options()), (handle) =>
                    Effect.andThen(pausing, below(2) === 0 ? handle.interrupt : handle.setPriority(below(30)))
                  )
                : call === 1
                  ? herd.offer(task(), options())
                  : call === 2
                    ? herd.runNow(task())
                    : call === 3
                      ? herd.runAll([task(), task(), task()], {
                          ...options(),
                          mode: below(2) === 0 ? "settle" : "failFast"
                        })
                      : call === 4
                        ? Stream.runDrain(herd.stream(Stream.range(1, 4), () => task(), options()))
                        : herd.run(task(), options())
            const fiber = yield* Effect.forkChild(calling)
            if (below(3) === 0) {
              yield* pausing
              yield* Fiber.interrupt(fiber)
            }
            yield* Fiber.await(fiber)
          }
        })
        const meddler = Effect.gen(function* () {
          for (let i = 0; i < 12; i++) {
            yield* pausing
            const what = below(6)
            if (what === 0) yield* herd.clear
            else if (what === 1) yield* Effect.andThen(herd.pause, Effect.andThen(pausing, herd.resume))
            else if (what === 2) yield* herd.setBounds({ min: below(2), max: 1 + below(3) })
            else if (what === 3 && scaling === "auto") yield* herd.resize("auto")
            else yield* Effect.ignore(herd.resize(below(4)))
          }
          yield* herd.setBounds({ min: 0, max: 3 })
          if (scaling === "fixed") yield* herd.resize(3)
          yield* herd.resume
        })
        const callers = yield* Effect.forEach(Array.from({ length: 6 }), () => Effect.forkChild(caller))
        const meddling = yield* Effect.forkChild(meddler)
        if (below(3) > 0) {
          yield* Effect.forEach([...callers, meddling], Fiber.join)
          yield* whole(world, 3)
        } else {
          yield* Effect.sleep(below(100))
          yield* below(2) === 0 ? Effect.orDie(herd.stop({ drain: below(2) * 100 })) : herd.kill
          yield* closed(world)
          yield* Effect.forEach([...callers, meddling], Fiber.await)
          yield* closed(world)
        }
      })
    )

  for (const scaling of ["fixed", "auto"] as const) {
    it.effect(
      `callers that submit, leave and fail under a herd that changes lose nothing, scaling "${scaling}"`,
      () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* forEverySeed(seeds, workload(scaling)), seeds)
        }),
      60_000
    )
  }
})
