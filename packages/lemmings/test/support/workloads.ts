/** Workloads of chance: whatever callers do to a herd, and a herd to its callers, nothing is lost. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { forEverySeed } from "lemmings/testing"
import { mulberry } from "../internal/mulberry.ts"
import { closed, open, type Tool, Unhealthy, whole } from "./world.ts"

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

/** Tries as many orders of events as there are seeds. */
export const workloads = (seeds: number) =>
  describe("a herd under every order of events", () => {
    for (const scaling of ["fixed", "auto"] as const) {
      it.effect(
        `callers that submit, leave and fail under a herd that changes lose nothing, scaling "${scaling}"`,
        () =>
          Effect.gen(function* () {
            assert.strictEqual(yield* forEverySeed(seeds, workload(scaling)), seeds)
          })
      )
    }
  })
