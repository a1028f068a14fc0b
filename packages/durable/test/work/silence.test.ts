import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import * as Housekeeping from "../../src/port/Housekeeping.ts"
import { JobStoreError } from "../../src/port/JobError.ts"
import { JobStore, type Store } from "../../src/port/JobStore.ts"
import { logs } from "../support/logs.ts"

const Work = Job.make("Work", { payload: Schema.Int, success: Schema.Int })
const doubling = Work.toLayer((n) => Effect.succeed(n * 2))

const refused = (cause: string) =>
  Effect.fail(new JobStoreError({ operation: "x", reason: "refused", cause }))

type Operation = (...all: Array<never>) => Effect.Effect<never, JobStoreError>

/** A store in memory with some other operations. */
const over = (change: (store: Store) => Partial<Store>) =>
  Layer.effect(
    JobStore,
    Effect.map(JobStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(Jobs.layerMemory()))

/** Doubles 21 over the store, which must come to it within a minute, and says what was logged. */
const run = (change: (store: Store) => Partial<Store>) =>
  Effect.gen(function* () {
    const { about, layer } = logs()
    const live = doubling.pipe(Layer.provideMerge(Layer.fresh(Jobs.layer)), Layer.provideMerge(over(change)))
    yield* Effect.gen(function* () {
      const context = yield* Layer.build(Layer.fresh(live))
      const result = yield* Effect.forkChild(
        Effect.provide(Effect.retry(Jobs.execute(Work(21)), Schedule.spaced("1 second")), context)
      )
      for (let n = 0; n < 60; n++) yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(result), 42)
    }).pipe(Effect.provide(layer), Effect.scoped)
    return about
  })

describe("what the store refuses is tried on, and said once for each reason", () => {
  const times = (reasons: ReadonlyArray<string>) => {
    let asked = 0
    return { next: () => reasons[asked++] }
  }
  const reasons = ["permission denied", "permission denied", "no such table"]

  for (const operation of ["declare", "claim", "settle", "heartbeat", "sweep", "prune"] as const) {
    it.effect(operation, () =>
      Effect.gen(function* () {
        const answers = times(reasons)
        const about = yield* run((store) => ({
          [operation]: (...args: Array<never>) =>
            Effect.suspend(() => {
              const cause = answers.next()
              const real = store[operation] as unknown as Operation
              return cause === undefined ? real(...args) : refused(cause)
            })
        }))
        // A settlement is one of a job: each has a line of its own.
        const lines = about("permission denied").length + about("no such table").length
        assert.isTrue(operation === "settle" ? lines >= 1 : lines === 2, JSON.stringify(about("")))
        for (const { level } of about("permission denied")) assert.include(["Warn", "Error"], level)
      })
    )

    it.effect(`${operation}, also where it dies`, () =>
      Effect.gen(function* () {
        const answers = times(["once"])
        const about = yield* run((store) => ({
          [operation]: (...args: Array<never>) =>
            Effect.suspend(() => {
              const real = store[operation] as unknown as Operation
              return answers.next() === undefined ? real(...args) : Effect.die(new Error("a bug"))
            })
        }))
        if (operation !== "settle") assert.isAtLeast(about("a bug").length, 1)
      })
    )
  }
})

describe("what goes on and on", () => {
  it.effect("is started again however it ends, later and later, and says why once", () =>
    Effect.gen(function* () {
      const { about, layer } = logs()
      const ends = [Effect.void, Effect.fail("no"), Effect.die(Object.create(null)), Effect.interrupt]
      let starts = 0
      const work = Effect.suspend((): Effect.Effect<unknown, string> => {
        const end = ends[Math.floor(starts / 2)] ?? Effect.never
        starts++
        return end
      })
      const fiber = yield* Effect.forkChild(Effect.provide(Housekeeping.watched("The work", work), layer))
      yield* TestClock.adjust("49 millis")
      assert.strictEqual(starts, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(starts, 2)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(starts, 9)
      assert.lengthOf(about("The work has stopped, and is started again"), 4)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("says it anew after it went well for a minute", () =>
    Effect.gen(function* () {
      const { about, layer } = logs()
      const work = Effect.andThen(Effect.sleep("1 minute"), Effect.fail("no"))
      yield* Effect.forkChild(Effect.provide(Housekeeping.watched("The work", work), layer))
      yield* TestClock.adjust("61 seconds")
      yield* TestClock.adjust("61 seconds")
      assert.lengthOf(about("The work"), 2)
    })
  )
})

class Bounced extends Schema.TaggedError<Bounced>()("Bounced", { to: Schema.String }) {}

describe("a job that failed for good", () => {
  const Mail = Job.make("Mail", {
    payload: { to: Schema.String },
    error: Bounced,
    attempts: 2,
    retry: Schedule.spaced(1)
  })

  it.live("is a log line, an event, a counter and a call of `onDead`, each once, after it is stored", () =>
    Effect.gen(function* () {
      const { about, layer } = logs()
      const called: Array<unknown> = []
      yield* Effect.gen(function* () {
        const heard: Array<Jobs.JobEvent> = []
        yield* Effect.forkScoped(
          Stream.runForEach(Jobs.events, (event) => Effect.sync(() => heard.push(event)))
        )
        yield* Effect.sleep(5)
        const context = yield* Effect.context<Jobs.Jobs>()
        yield* Layer.build(
          Mail.toLayer(({ to }) => Effect.fail(new Bounced({ to })), {
            onDead: ({ attempts, failure, id, queue }) =>
              Effect.provide(
                Effect.andThen(Jobs.inspect(Mail, id), ({ state }) =>
                  Effect.sync(() => called.push([queue, state, attempts, failure.reason]))
                ),
                context
              )
          })
        )
        const id = yield* Jobs.enqueue(Mail({ to: "a\n@" }))
        yield* Effect.exit(Jobs.await(Mail, id))
        yield* Effect.sleep(20)
        assert.deepStrictEqual(called, [["Mail", "failed", 2, "failed"]])
        assert.deepStrictEqual(
          heard.map(({ failure, ...event }) => ({ ...event, error: failure.error })),
          [
            {
              _tag: "JobDied",
              queue: "Mail",
              id,
              attempts: 2,
              deadLetter: true,
              error: { _tag: "Bounced", to: "a\n@" }
            }
          ]
        )
        const [line, ...others] = about(id)
        assert.deepStrictEqual([line?.level, others.length], ["Warn", 0])
        assert.match(
          line!.text,
          /^Job \S+ of "Mail" is a dead letter after 2 attempt\(s\) \(failed\): "[^\n]*"$/
        )
      }).pipe(Effect.provide(Layer.provideMerge(Jobs.layerMemory(), layer)), Effect.scoped)
    })
  )

  it.live("is told also where nobody ran its last attempt, and where `onDead` dies", () =>
    Effect.gen(function* () {
      const { about, layer } = logs()
      yield* Effect.gen(function* () {
        const store = yield* JobStore
        const Lost = Job.make("Lost", { attempts: 1, deadLetter: false })
        const id = yield* Jobs.enqueue(Lost())
        yield* store.claim("Lost", 1)
        yield* Layer.build(Lost.toLayer(() => Effect.void, { onDead: () => Effect.die(Object.create(null)) }))
        yield* Effect.exit(Jobs.await(Lost, id))
        yield* Effect.sleep(20)
        assert.lengthOf(about(`Job ${id} of "Lost" has failed for good after 1 attempt(s) (lost)`), 1)
        assert.lengthOf(about(`"onDead" of "Lost" failed`), 1)
      }).pipe(
        Effect.provide(Layer.provideMerge(Jobs.layerMemory({ lease: "1 second" }), layer)),
        Effect.scoped
      )
    })
  )
})
