import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, Schedule, Schema } from "effect"
import { Herd, HerdClosed, QueueFull, TaskShed, TaskTimeout } from "lemmings"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { hostile } from "../support/hostile.ts"

const quick = { pollInterval: "20 millis" } as const

/** Runs one job, and says how it ended and how often it was begun. */
const once = (
  options: {
    readonly error?: Schema.Top
    readonly retryable?: (error: never) => boolean
    readonly retry?: Schedule.Schedule<unknown>
  },
  handler: (attempt: number) => Effect.Effect<void, unknown>
) =>
  Effect.gen(function* () {
    const Once = Job.make("Once", { attempts: 3, retry: Schedule.spaced("1 millis"), ...options } as object)
    let begun = 0
    yield* Layer.build(
      Once.toLayer((_, { attempt }) => Effect.suspend(() => (begun++, handler(attempt))) as never, quick)
    )
    const id = yield* Jobs.enqueue(Once())
    const end = yield* Effect.exit(Jobs.await(Once, id)).pipe(Effect.timeout("30 seconds"))
    const { attempts, failure, state } = yield* Jobs.inspect(Once, id)
    return { begun, end, attempts, failure, state }
  }).pipe(Effect.provide(Layer.provideMerge(Jobs.layerMemory(), Logger.layer([]))))

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Int }) {}

describe("a failure that cannot be judged", () => {
  it.live("is worth another attempt where `retryable` throws, and keeps its error", () =>
    Effect.gen(function* () {
      const refused = new Refused({ code: 1 })
      for (const thrown of Object.values(hostile)) {
        const retryable = () => {
          throw thrown()
        }
        const { end, ...job } = yield* once({ error: Refused, retryable }, () => Effect.fail(refused))
        assert.deepInclude(job, { begun: 3, attempts: 3, state: "failed" })
        assert.deepStrictEqual(end, Exit.fail(refused) as never)
      }
    })
  )

  it.live("is final where the schedule dies", () =>
    Effect.gen(function* () {
      const base = Schedule.forever
      const schedules = [
        Schedule.modifyDelay(base, () => Effect.die(Object.create(null))),
        Schedule.modifyDelay(base, () => Effect.interrupt)
      ]
      for (const retry of schedules) {
        const { end: _, ...job } = yield* once({ retry }, () => Effect.die("no"))
        assert.deepInclude(job, { begun: 1, attempts: 1, state: "failed" })
      }
    })
  )
})

describe("an error of a herd", () => {
  const errors = Schema.Union([QueueFull, HerdClosed, TaskShed, TaskTimeout])
  const of = { herd: "other", taskId: "7" }
  const foreign = [
    new QueueFull({ herd: "other", capacity: 0 }),
    new HerdClosed({ herd: "other", state: "closed" }),
    new TaskShed({ ...of, reason: "cleared" }),
    new TaskTimeout({ ...of, phase: "running", queued: 0, workers: 1, timeoutMillis: 1 })
  ]

  it.live("is the handler's own, when the handler has failed with it", () =>
    Effect.gen(function* () {
      for (const error of foreign) {
        const { end, ...job } = yield* once({ error: errors }, () => Effect.fail(error))
        assert.deepInclude(job, { begun: 3, attempts: 3, state: "failed" }, error._tag)
        assert.strictEqual(job.failure?.reason, "failed", error._tag)
        assert.strictEqual(
          Exit.isFailure(end) && Reflect.get(Object(Cause.squash(end.cause)), "_tag"),
          error._tag
        )
      }
    })
  )

  it.live("is the handler's own also where it comes from the herd that runs the job", () =>
    Effect.gen(function* () {
      class Small extends Herd.Service<Small>()("test/Small", { overflow: "reject" }) {}
      const Nested = Job.make("Nested", {
        error: Schema.Union([QueueFull, HerdClosed]),
        attempts: 2,
        retry: Schedule.spaced("1 millis")
      })
      let begun = 0
      const handler = () => Effect.suspend(() => (begun++, Effect.asVoid(Small.run(Effect.void))))
      const live = Nested.toLayer(handler, { herd: Small, ...quick }).pipe(
        Layer.provide(Small.layer({ workers: { min: 1, max: 1 }, queue: { capacity: 0 } })),
        Layer.provideMerge(Jobs.layerMemory())
      )
      const error = yield* Effect.flip(Jobs.execute(Nested())).pipe(Effect.provide(live))
      assert.deepStrictEqual([error._tag, begun], ["QueueFull", 2])
    })
  )
})
