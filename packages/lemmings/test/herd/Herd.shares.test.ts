import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber } from "effect"
import { Herd } from "lemmings"
import { notBegun } from "lemmings/HerdError"

interface Desk {
  readonly id: number
  seats: number
  readonly burnt: Deferred.Deferred<void>
}
class Resource extends Context.Service<Resource, Desk>()("test/Desk") {}
class Desks extends Herd.Service<Desks>()("test/Desks", { resource: Resource }) {}

/** A herd of one worker whose desk seats as many as it says. */
const withDesks = <A, E>(
  seats: number,
  use: (herd: Desks["Service"], made: ReadonlyArray<Desk>) => Effect.Effect<A, E>,
  options: { readonly maxUses?: number } = {}
) => {
  const made: Array<Desk> = []
  return Effect.flatMap(Desks, (herd) => use(herd, made)).pipe(
    Effect.provide(
      Desks.layer({
        workers: { min: 1, max: 1 },
        ...options,
        onCreate: Effect.sync(() => {
          const desk: Desk = { id: made.length, seats, burnt: Deferred.makeUnsafe() }
          made.push(desk)
          return desk
        }),
        hasRoom: (desk) => desk.seats > 0,
        awaitLost: (desk) => Deferred.await(desk.burnt)
      })
    )
  )
}

/** Takes a seat until `end`. */
const sit = (end: Deferred.Deferred<void>) =>
  Effect.flatMap(Resource, (desk) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        desk.seats--
        return desk.id
      }),
      (id) => Effect.as(Deferred.await(end), id),
      () => Effect.sync(() => desk.seats++)
    )
  )

describe("a worker whose resource has room", () => {
  it.effect("holds several tasks, and is released when all have ended", () =>
    withDesks(3, (herd) =>
      Effect.gen(function* () {
        const ends = [1, 2, 3, 4].map(() => Deferred.makeUnsafe<void>())
        const fibers = yield* Effect.forEach(ends, (end) => Effect.forkChild(herd.run(sit(end))))
        yield* Effect.yieldNow
        const during = yield* herd.stats
        assert.deepStrictEqual(
          [during.tasks.running, during.tasks.queued, during.workers.busy, during.workers.idle],
          [3, 1, 1, 0]
        )
        for (const end of ends) yield* Deferred.succeed(end, undefined)
        assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [0, 0, 0, 0])
        const after = yield* herd.stats
        assert.deepStrictEqual([after.tasks.running, after.workers.busy, after.workers.idle], [0, 0, 1])
      })
    )
  )

  it.effect("counts every task as a use", () =>
    withDesks(
      3,
      (herd, made) =>
        Effect.gen(function* () {
          const end = Deferred.makeUnsafe<void>()
          const first = yield* Effect.forEach([1, 2], () => Effect.forkChild(herd.run(sit(end))))
          yield* Effect.yieldNow
          yield* Deferred.succeed(end, undefined)
          yield* Effect.forEach(first, Fiber.join)
          yield* herd.run(sit(end))
          assert.strictEqual(made.length, 2)
        }),
      { maxUses: 2 }
    )
  )

  it.effect("that closes interrupts each of its tasks", () =>
    withDesks(3, (herd) =>
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach([1, 2, 3], () =>
          Effect.forkChild(Effect.exit(herd.run(sit(Deferred.makeUnsafe()))))
        )
        yield* Effect.yieldNow
        const report = yield* herd.kill
        assert.deepStrictEqual([report.interrupted, report.abandoned, report.leaked], [3, 0, 0])
        for (const fiber of fibers) assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      })
    )
  )
})

describe("a resource that is lost", () => {
  it.effect("is replaced at once while its worker is idle", () =>
    withDesks(1, (herd, made) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* herd.run(Effect.map(Resource, ({ id }) => id)), 0)
        yield* Deferred.succeed(made[0]!.burnt, undefined)
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        assert.strictEqual(made.length, 2)
        assert.strictEqual(yield* herd.run(Effect.map(Resource, ({ id }) => id)), 1)
      })
    )
  )

  it.effect("is replaced after its task otherwise", () =>
    withDesks(1, (herd, made) =>
      Effect.gen(function* () {
        const end = Deferred.makeUnsafe<void>()
        const fiber = yield* Effect.forkChild(herd.run(sit(end)))
        yield* Effect.yieldNow
        yield* Deferred.succeed(made[0]!.burnt, undefined)
        yield* Effect.yieldNow
        assert.strictEqual(made.length, 1)
        yield* Deferred.succeed(end, undefined)
        assert.strictEqual(yield* Fiber.join(fiber), 0)
        assert.strictEqual(yield* herd.run(Effect.map(Resource, ({ id }) => id)), 1)
      })
    )
  )
})

describe("a task that did not begin", () => {
  /** Fails the first time as one that did not begin. */
  const reluctant = (of: (self: Effect.Effect<string, object>) => unknown) => {
    let asked = 0
    const self: Effect.Effect<string, object> = Effect.suspend(() =>
      asked++ === 0 ? Effect.fail({ [notBegun]: of(self) }) : Effect.succeed("done")
    )
    return { self, asked: () => asked }
  }

  it.effect("keeps its place, and no attempt is counted, even when it runs once", () =>
    withDesks(1, (herd) =>
      Effect.gen(function* () {
        const { asked, self } = reluctant((effect) => effect)
        const handle = yield* herd.submit(self, { once: true })
        assert.strictEqual(yield* handle.join, "done")
        assert.deepStrictEqual([asked(), yield* handle.attempts], [2, 1])
        const { failed, requeued, submitted, succeeded } = (yield* herd.stats).tasks
        assert.deepStrictEqual([submitted, succeeded, failed, requeued], [1, 1, 0, 0])
      })
    )
  )

  it.effect("is one that failed, when it is a part of another", () =>
    withDesks(1, (herd) =>
      Effect.gen(function* () {
        const { asked, self } = reluctant((effect) => effect)
        const exit = yield* Effect.exit(herd.run(Effect.asVoid(self)))
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(asked(), 1)
      })
    )
  )
})
