import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Herd, type Middleware } from "lemmings"
import * as HerdError from "lemmings/HerdError"
import * as RemoteTask from "lemmings/RemoteTask"
import { interruptEverywhere, virtual } from "lemmings/testing"
import { recordingTracer } from "../support/recordingTracer.ts"

/** Where the tasks of these tests happen: each ends when it is told to, and stops in a second. */
class Elsewhere {
  readonly running: Array<(exit: Exit.Exit<unknown, unknown>) => void> = []
  readonly contexts: Array<Context.Context<never>> = []
  stopped = 0
  readonly stop = Effect.andThen(
    Effect.sleep("1 second"),
    Effect.sync(() => {
      this.stopped++
    })
  )
}
class Place extends Context.Service<Place, Elsewhere>()("test/Place") {}
class Remote extends Herd.Service<Remote>()("test/Remote", { resource: Place }) {}

const task = (start: (place: Elsewhere, end: Parameters<RemoteTask.Start>[2]) => Effect.Effect<void>) => {
  const effect: Effect.Effect<string, string, Place> = Effect.as(Place, "by the effect")
  const begin: RemoteTask.Start = (place, context, end) => {
    ;(place as Elsewhere).contexts.push(context)
    return start(place as Elsewhere, end)
  }
  return Object.assign(effect, { [RemoteTask.start]: begin })
}
const waiting = task((place, end) => {
  place.running.push(end)
  return place.stop
})

const open = Effect.fnUntraced(function* (options: { readonly middleware?: ReadonlyArray<Middleware> } = {}) {
  const place = new Elsewhere()
  const live = Remote.layer({ workers: { max: 1 }, onCreate: () => Effect.succeed(place), ...options })
  const herd = Context.get(yield* Layer.build(live), Remote)
  return { herd, place }
})

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("a task that happens elsewhere", () => {
  it.effect("ends as it says, later or at once, and its worker is free", () =>
    Effect.gen(function* () {
      const { herd, place } = yield* open()
      const later = yield* fork(herd.run(waiting))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* herd.stats).tasks.running, 1)
      place.running[0]?.(Exit.succeed("later"))
      // Nobody listens any more.
      place.running[0]?.(Exit.fail("twice"))
      assert.strictEqual(yield* Fiber.join(later), "later")

      const ended = (exit: Exit.Exit<unknown, unknown>) =>
        task((_, end) => {
          end(exit)
          return Effect.die("it has ended")
        })
      assert.strictEqual(yield* herd.run(ended(Exit.succeed("at once"))), "at once")
      assert.strictEqual(yield* Effect.flip(herd.run(ended(Exit.fail("no")))), "no")
      const thrown = task(() => {
        throw new Error("not started")
      })
      assert.match(Cause.pretty(yield* Effect.flip(Effect.sandbox(herd.run(thrown)))), /not started/)

      const { tasks, workers } = yield* herd.stats
      assert.deepStrictEqual([tasks.succeeded, tasks.failed, tasks.running], [2, 2, 0])
      assert.strictEqual(workers.idle, 1)
    })
  )

  it.effect("is stopped when its caller leaves or its time is over, and holds its worker until it has", () =>
    Effect.gen(function* () {
      const { herd, place } = yield* open()
      const left = yield* fork(herd.run(waiting))
      yield* TestClock.adjust(0)
      const leaving = yield* fork(Fiber.interrupt(left))
      const next = yield* fork(Effect.flip(herd.run(waiting, { timeout: "1 minute" })))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual([place.running.length, place.stopped], [1, 0])
      assert.isUndefined(leaving.pollUnsafe())
      // Too late: it was told to stop.
      place.running[0]?.(Exit.succeed("late"))
      yield* TestClock.adjust(1)
      yield* Fiber.join(leaving)
      assert.deepStrictEqual([place.running.length, place.stopped], [2, 1])

      yield* TestClock.adjust("1 minute")
      assert.isUndefined(next.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.instanceOf(yield* Fiber.join(next), HerdError.TaskTimeout)
      assert.deepStrictEqual((yield* herd.stats).tasks.interrupted, 1)
    })
  )

  it.effect("whose stop dies has died", () =>
    Effect.gen(function* () {
      const { herd } = yield* open()
      const handle = yield* herd.submit(task(() => Effect.die("stuck")))
      yield* TestClock.adjust(0)
      yield* handle.interrupt
      const exit = yield* handle.await
      assert.isTrue(exit._tag === "Failure" && Cause.squash(exit.cause) === "stuck")
    })
  )

  it.effect("gets the context of its submitter", () =>
    Effect.gen(function* () {
      class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}
      const { herd, place } = yield* open()
      const ending = task((_, end) => {
        end(Exit.void)
        return Effect.void
      })
      yield* Effect.provideService(herd.run(ending), Tenant, "acme")
      assert.strictEqual(Context.getUnsafe(place.contexts[0] as Context.Context<Tenant>, Tenant), "acme")
    })
  )

  it.effect("is run as the effect that it is where middleware or a tracer wants to be around it", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const noting: Middleware = (attempt, { id }) =>
        Effect.tap(attempt, (value) => Effect.sync(() => seen.push(`${id}: ${String(value)}`)))
      const wrapped = yield* open({ middleware: [noting] })
      assert.strictEqual(yield* wrapped.herd.run(waiting, { id: "a" }), "by the effect")
      assert.deepStrictEqual(seen, ["a: by the effect"])

      const { herd } = yield* open()
      const tracer = recordingTracer([])
      const traced = Effect.withSpan(herd.run(waiting), "request").pipe(Effect.withTracer(tracer))
      assert.strictEqual(yield* traced, "by the effect")
    })
  )

  it.effect("leaves its worker free and its herd able to close, wherever it is interrupted", () =>
    Effect.gen(function* () {
      const steps = yield* virtual(
        interruptEverywhere({
          setup: open(),
          run: ({ herd, place }) =>
            Effect.gen(function* () {
              const handle = yield* herd.submit(waiting)
              yield* Effect.sleep(1)
              place.running.at(-1)?.(Exit.succeed("done"))
              yield* handle.join
              yield* herd.run(waiting, { timeout: "1 second" })
            }),
          invariant: ({ herd, place }) =>
            Effect.gen(function* () {
              yield* Effect.sleep("2 seconds")
              for (const end of place.running) end(Exit.succeed("over"))
              yield* Effect.sleep(1)
              const { tasks, workers } = yield* herd.stats
              assert.deepStrictEqual([tasks.running, workers.idle], [0, 1])
            })
        }),
        { limit: "1 day" }
      )
      assert.isAtLeast(steps, 5)
    })
  )
})
