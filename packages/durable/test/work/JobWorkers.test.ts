import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Schedule,
  Schema,
  Scope
} from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "lemmings"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { JobStoreError } from "../../src/port/JobError.ts"
import { JobStore } from "../../src/port/JobStore.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Int }) {}

const memory = Jobs.layerMemory()

/** Handlers that live as long as the scope that is returned. */
const serve = <E, R>(layer: Layer.Layer<never, E, R>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(layer, scope)
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    return { close: Scope.close(scope, Exit.void) }
  })

/** Virtual time goes on, in steps that let fibers look around. */
const pass = (duration: Duration.Input, step: Duration.Input = "100 millis") =>
  Effect.gen(function* () {
    const steps = Math.ceil(Duration.toMillis(duration) / Duration.toMillis(step))
    for (let n = 0; n < steps; n++) yield* TestClock.adjust(step)
  })

describe("attempts", () => {
  it.effect("come as the schedule says, by the count of attempts alone", () =>
    Effect.gen(function* () {
      const begun: Array<[number, number]> = []
      const Flaky = Job.make("Flaky", {
        error: Refused,
        attempts: 4,
        retry: Schedule.exponential("1 second"),
        retention: { ended: "1 hour" }
      })
      yield* serve(
        Flaky.toLayer((_, { attempt }) =>
          Effect.andThen(
            Effect.clockWith((clock) =>
              Effect.sync(() => begun.push([attempt, clock.currentTimeMillisUnsafe()]))
            ),
            Effect.fail(new Refused({ code: attempt }))
          )
        )
      )
      const waiting = yield* Effect.forkChild(Effect.flip(Jobs.execute(Flaky())))
      yield* pass("9 seconds", "50 millis")
      assert.deepStrictEqual(
        begun.map(([attempt]) => attempt),
        [1, 2, 3, 4]
      )
      const waits = begun.slice(1).map(([, at], n) => Math.floor((at - begun[n]![1]) / 1000))
      assert.deepStrictEqual(waits, [1, 2, 4])
      const error = yield* Fiber.join(waiting)
      assert.deepStrictEqual(error, new Refused({ code: 4 }))
      const [letter] = yield* Jobs.deadLetters.list(Flaky)
      assert.deepStrictEqual([letter?.attempts, letter?.failure.error], [4, { _tag: "Refused", code: 4 }])
    }).pipe(Effect.provide(memory))
  )

  it.effect(
    "end with a schedule that is over, with one that never was, and with an error that is not retryable",
    () =>
      Effect.gen(function* () {
        const attempts: { [queue: string]: number } = {}
        const count = (_: void, { attempt, queue }: { readonly attempt: number; readonly queue: string }) => {
          attempts[queue] = attempt
          return Effect.fail(new Refused({ code: 1 }))
        }
        const spaced = Schedule.spaced("10 millis")
        const Twice = Job.make("Twice", { error: Refused, retry: Schedule.upTo(spaced, { times: 2 }) })
        const Never = Job.make("Never", { error: Refused, attempts: 1 })
        const Final = Job.make("Final", {
          error: Refused,
          retry: spaced,
          retryable: ({ code }) => code !== 1
        })
        for (const job of [Twice, Never, Final]) yield* serve(job.toLayer(count))
        yield* Jobs.enqueue([Twice(), Never(), Final()])
        yield* pass("5 seconds")
        assert.deepStrictEqual(attempts, { Twice: 3, Never: 1, Final: 1 })
      }).pipe(Effect.provide(memory))
  )

  it.effect("that take too long or die are tried again, and say so at last", () =>
    Effect.gen(function* () {
      const Slow = Job.make("Slow", { timeout: "1 second", attempts: 2, retry: Schedule.spaced("1 millis") })
      const Broken = Job.make("Broken", { attempts: 2, retry: Schedule.spaced("1 millis") })
      yield* serve(Slow.toLayer(() => Effect.never))
      yield* serve(Broken.toLayer(() => Effect.die(new Error("boom\u0000"))))
      const slow = yield* Effect.forkChild(Effect.flip(Jobs.execute(Slow())))
      const broken = yield* Effect.forkChild(Effect.flip(Jobs.execute(Broken())))
      yield* pass("10 seconds")
      const said = [yield* Fiber.join(slow), yield* Fiber.join(broken)]
      assert.deepStrictEqual(
        said.map((error) => (error._tag === "JobFailed" ? [error.reason, error.attempts] : [])),
        [
          ["timeout", 2],
          ["defect", 2]
        ]
      )
    }).pipe(Effect.provide(memory))
  )
})

describe("a payload that the schema of today refuses", () => {
  it.effect("goes to the dead letters with the reason, and is replayed when the schema takes it", () =>
    Effect.gen(function* () {
      const Old = Job.make("Evolving", { payload: { to: Schema.String } })
      const New = Job.make("Evolving", { payload: { to: Schema.String, subject: Schema.String } })
      const Newest = Job.make("Evolving", {
        payload: { to: Schema.String, subject: Schema.optionalKey(Schema.String) },
        success: Schema.String
      })
      const id = yield* Jobs.enqueue(Old({ to: "a" }))
      const old = yield* serve(New.toLayer(() => Effect.void))
      yield* pass("2 seconds")
      const [letter] = yield* Jobs.deadLetters.list(Old)
      assert.deepStrictEqual([letter?.jobId, letter?.failure.reason], [id, "undecodable"])
      assert.include(letter?.failure.message, "subject")
      assert.isTrue((yield* Jobs.deadLetters.inspect(New, letter!.id)).payload._tag === "Failure")
      yield* old.close
      const got: Array<string> = []
      yield* serve(
        Newest.toLayer(({ to }) => {
          got.push(to)
          return Effect.succeed(to)
        })
      )
      assert.strictEqual(yield* Jobs.deadLetters.replay(Newest, "all"), 1)
      yield* pass("2 seconds")
      assert.deepStrictEqual(got, ["a"])
    }).pipe(Effect.provide(memory))
  )
})

describe("shutdown", () => {
  const Long = Job.make("Long", { payload: Schema.Int, success: Schema.Int, attempts: 2 })

  it.effect("lets what runs end and be written, and gives back the rest at once with its attempts", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const first = yield* serve(
        Long.toLayer(
          (n, { attempt }) => {
            attempts.push(attempt)
            return n === 0 ? Effect.as(Effect.sleep("3 seconds"), n) : Effect.never
          },
          { concurrency: 2, drain: "5 seconds" }
        )
      )
      const ids = yield* Jobs.enqueue([0, 1, 2].map((n) => Long(n)))
      yield* pass("1 second")
      assert.deepStrictEqual(attempts, [1, 1])
      const closing = yield* Effect.forkChild(first.close)
      yield* pass("4 seconds")
      const done = yield* Jobs.inspect(Long, ids[0]!)
      assert.strictEqual(done.state, "completed")
      assert.strictEqual((yield* Jobs.inspect(Long, ids[1]!)).state, "running")
      yield* pass("2 seconds")
      yield* Fiber.join(closing)
      const back = yield* Jobs.inspect(Long, ids[1]!)
      assert.deepStrictEqual([back.state, back.attempts], ["waiting", 0])
      yield* serve(Long.toLayer((n) => Effect.succeed(n)))
      const results = yield* Effect.forkChild(Effect.forEach(ids, (id) => Jobs.await(Long, id)))
      yield* pass("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(results), [0, 1, 2])
    }).pipe(Effect.provide(memory))
  )

  it.effect("of the herd first gives back too", () =>
    Effect.gen(function* () {
      class Stopping extends Herd.Service<Stopping>()("test/Stopping") {}
      const context = yield* Layer.build(Stopping.layer({ workers: { min: 2, max: 2 } }))
      const herd = Context.get(context, Stopping)
      yield* serve(
        Layer.provide(
          Long.toLayer(() => Effect.never, { herd: Stopping, drain: 0 }),
          Layer.succeedContext(context)
        )
      )
      const ids = yield* Jobs.enqueue([1, 2, 3].map((n) => Long(n)))
      yield* pass("1 second")
      const stopping = yield* Effect.forkChild(herd.stop({ drain: "1 second" }))
      yield* pass("3 seconds")
      yield* Fiber.join(stopping)
      const states = yield* Effect.forEach(ids, (id) => Jobs.inspect(Long, id))
      assert.deepStrictEqual(
        states.map(({ attempts, state }) => [state, attempts]),
        ids.map(() => ["waiting", 0])
      )
    }).pipe(Effect.provide(memory))
  )
})

describe("pulling", () => {
  const Work = Job.make("Work", { payload: Schema.Int })

  it.effect("gives the handler the herd's resource, and takes the most urgent first", () =>
    Effect.gen(function* () {
      class Tool extends Context.Service<Tool, { readonly name: string }>()("test/Tool") {}
      class Tools extends Herd.Service<Tools>()("test/Tools", { resource: Tool }) {}
      const order: Array<string> = []
      const live = Tools.layer({ onCreate: Effect.succeed({ name: "saw" }), workers: { min: 1, max: 1 } })
      yield* Effect.forEach(["low", "high", "normal", "critical"] as const, (priority, n) =>
        Jobs.enqueue(Work(n), { priority })
      )
      const handler = (n: number) =>
        Effect.gen(function* () {
          const { name } = yield* Tool
          order.push(`${n} ${name}`)
          yield* Effect.sleep("1 second")
        })
      yield* serve(Layer.provide(Work.toLayer(handler, { herd: Tools }), live))
      yield* pass("6 seconds")
      assert.deepStrictEqual(order, ["3 saw", "1 saw", "2 saw", "0 saw"])
    }).pipe(Effect.provide(memory))
  )

  it.effect("shares a queue in proportion to the workers, and hoards nothing", () =>
    Effect.gen(function* () {
      const counts = { small: 0, large: 0 }
      const running = { small: 0, large: 0 }
      const by = (who: keyof typeof counts) => () =>
        Effect.acquireUseRelease(
          Effect.sync(() => running[who]++),
          () =>
            Effect.andThen(
              Effect.sync(() => counts[who]++),
              Effect.sleep("1 second")
            ),
          () => Effect.sync(() => running[who]--)
        )
      yield* Jobs.enqueue(Array.from({ length: 320 }, (_, n) => Work(n)))
      yield* serve(Work.toLayer(by("small"), { concurrency: 4 }))
      yield* serve(Work.toLayer(by("large"), { concurrency: 12 }))
      yield* pass("10 seconds", "50 millis")
      assert.deepStrictEqual(running, { small: 4, large: 12 })
      const { running: claimed } = yield* Jobs.stats(Work)
      assert.strictEqual(claimed, 16)
      assert.approximately(counts.large / counts.small, 3, 0.2)
      yield* pass("20 seconds", "50 millis")
      assert.strictEqual(counts.small + counts.large, 320)
    }).pipe(Effect.provide(memory))
  )

  it.effect("makes an elastic herd grow", () =>
    Effect.gen(function* () {
      class Elastic extends Herd.Service<Elastic>()("test/Elastic") {}
      let running = 0
      let most = 0
      yield* Jobs.enqueue(Array.from({ length: 400 }, (_, n) => Work(n)))
      const handler = () =>
        Effect.acquireUseRelease(
          Effect.sync(() => (most = Math.max(most, ++running))),
          () => Effect.sleep("1 second"),
          () => Effect.sync(() => running--)
        )
      const live = Elastic.layer({ workers: { min: 1, max: 16 } })
      yield* serve(Layer.provide(Work.toLayer(handler, { herd: Elastic }), live))
      yield* pass("60 seconds", "50 millis")
      assert.strictEqual(most, 16)
      assert.strictEqual((yield* Jobs.stats(Work)).waiting, 0)
    }).pipe(Effect.provide(memory))
  )

  it.effect("gives back what found no worker, without counting the attempt", () =>
    Effect.gen(function* () {
      class Busy extends Herd.Service<Busy>()("test/Busy") {}
      const context = yield* Layer.build(Busy.layer({ workers: { min: 1, max: 2 }, scaling: "fixed" }))
      const herd = Context.get(context, Busy)
      // While a claim is on its way others take the workers.
      const slow = Layer.effect(
        JobStore,
        Effect.map(JobStore, (store) => ({
          ...store,
          claim: (queue, max) => Effect.delay(store.claim(queue, max), "10 millis")
        }))
      )
      yield* serve(
        Work.toLayer(() => Effect.void, { herd: Busy }).pipe(
          Layer.provide(Layer.succeedContext(context)),
          Layer.provide(slow)
        )
      )
      yield* pass("100 millis")
      const release = yield* Deferred.make<void>()
      for (let n = 0; n < 6; n++) yield* Effect.forkChild(herd.run(Deferred.await(release)))
      const id = yield* Jobs.enqueue(Work(1))
      yield* pass("10500 millis")
      // It stands in line there, and goes to whoever has a worker free as soon as its second is over.
      const attempts: Array<number> = []
      const elsewhere = yield* serve(
        Work.toLayer((_, { attempt }) => Effect.sync(() => attempts.push(attempt)))
      )
      yield* pass("1200 millis")
      yield* elsewhere.close
      const mine = yield* Jobs.enqueue(Work(2))
      yield* Deferred.succeed(release, undefined)
      yield* pass("2 seconds")
      assert.deepStrictEqual(attempts, [1])
      for (const one of [id, mine]) assert.strictEqual((yield* Jobs.inspect(Work, one)).state, "completed")
    }).pipe(Effect.provide(memory))
  )

  it.effect("keeps to the limit of a group, and uses what it leaves", () =>
    Effect.gen(function* () {
      const Grouped = Job.make("Grouped", { payload: Schema.Int, group: (n) => `${n % 2}` })
      let running = 0
      let most = 0
      let done = 0
      yield* Jobs.enqueue(Array.from({ length: 20 }, (_, n) => Grouped(n)))
      const handler = () =>
        Effect.acquireUseRelease(
          Effect.sync(() => (most = Math.max(most, ++running))),
          () => Effect.sleep("100 millis"),
          () => Effect.sync(() => [running--, done++])
        )
      yield* serve(Grouped.toLayer(handler, { perGroup: 2 }))
      yield* pass("1 second", "10 millis")
      assert.deepStrictEqual([most, done], [4, 20])
    }).pipe(Effect.provide(memory))
  )

  it.effect("begins no more than the rate says", () =>
    Effect.gen(function* () {
      let begun = 0
      yield* Jobs.enqueue(Array.from({ length: 100 }, (_, n) => Work(n)))
      yield* serve(Work.toLayer(() => Effect.sync(() => begun++), { rate: { limit: 5, per: "1 second" } }))
      yield* pass("10 seconds", "50 millis")
      assert.isAtMost(begun, 5 + 50)
      assert.isAtLeast(begun, 45)
    }).pipe(Effect.provide(memory))
  )

  it.effect("interrupts a job that is cancelled, and takes none of a paused queue", () =>
    Effect.gen(function* () {
      let interrupted = 0
      yield* serve(
        Work.toLayer(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)))
      )
      const id = yield* Jobs.enqueue(Work(1))
      yield* pass("1 second")
      const waiting = yield* Effect.forkChild(Effect.flip(Jobs.await(Work, id)))
      yield* pass("100 millis")
      assert.strictEqual(yield* Jobs.cancel(Work, id), 1)
      yield* pass("100 millis")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "JobCancelled")
      assert.strictEqual(interrupted, 1)
      yield* Jobs.pause(Work)
      const held = yield* Jobs.enqueue(Work(2))
      yield* pass("5 seconds")
      assert.strictEqual((yield* Jobs.inspect(Work, held)).state, "waiting")
      yield* Jobs.resume(Work)
      yield* pass("100 millis")
      assert.strictEqual((yield* Jobs.inspect(Work, held)).state, "running")
      yield* Jobs.cancel(Work, held)
      yield* pass("100 millis")
    }).pipe(Effect.provide(memory))
  )

  it.effect("puts the handler's span below the enqueuer's", () =>
    Effect.gen(function* () {
      const parents: Array<string | undefined> = []
      yield* serve(
        Work.toLayer(() =>
          Effect.map(Effect.currentSpan, (span) => {
            parents.push(span.name, span.traceId, Option.getOrUndefined(span.parent)?.spanId)
          }).pipe(Effect.orDie)
        )
      )
      const outer = yield* Effect.withSpan(
        Effect.tap(Effect.currentSpan, () => Jobs.enqueue(Work(1))),
        "enqueuer"
      )
      yield* pass("1 second")
      assert.deepStrictEqual(parents, ["Work", outer.traceId, outer.spanId])
    }).pipe(Effect.provide(memory))
  )

  it.effect("keeps the lease of a long job, and takes over one whose holder is gone", () =>
    Effect.gen(function* () {
      const store = yield* JobStore
      let begun = 0
      const id = yield* Jobs.enqueue(Work(1))
      const orphan = yield* Jobs.enqueue(Work(2))
      // A process that claims and is gone.
      const [gone] = yield* store.claim("Work", 1)
      assert.strictEqual(gone?.id, id)
      yield* serve(
        Work.toLayer(() =>
          Effect.andThen(
            Effect.sync(() => begun++),
            Effect.sleep("1 minute")
          )
        )
      )
      yield* pass("21 seconds")
      assert.strictEqual(begun, 2)
      yield* pass("70 seconds")
      assert.strictEqual(begun, 2)
      const ends = yield* Effect.forEach([id, orphan], (one) => Jobs.inspect(Work, one))
      assert.deepStrictEqual(
        ends.map(({ attempts, state }) => [state, attempts]),
        [
          ["completed", 2],
          ["completed", 1]
        ]
      )
    }).pipe(Effect.provide(memory))
  )
})

describe("jobs that were kept for long enough", () => {
  const Work = Job.make("Work", { payload: Schema.Int })

  /** A store that has been asked to prune, and answers as it is told to. */
  const counted = (asked: Array<number>, answer: () => Effect.Effect<number, JobStoreError>) =>
    Layer.effect(
      JobStore,
      Effect.map(JobStore, (store) => ({
        ...store,
        tellsAll: false,
        prune: () =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            asked.push(now)
            return answer()
          })
      }))
    ).pipe(Layer.provide(memory))

  it.effect("are removed three times in a lease, whatever became of the time before", () =>
    Effect.gen(function* () {
      const refusal = new JobStoreError({ operation: "prune", reason: "refused", cause: "no right" })
      const absence = new JobStoreError({ operation: "prune", reason: "unavailable", cause: "gone" })
      const asked: Array<number> = []
      const said: Array<unknown> = []
      const answers = [Effect.fail(absence), Effect.fail(refusal), Effect.fail(refusal), Effect.succeed(3)]
      const store = counted(asked, () => answers[(asked.length - 1) % 4]!)
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") said.push(message)
      })
      const live = Work.toLayer(() => Effect.void).pipe(
        Layer.provide(Layer.fresh(Jobs.layer)),
        Layer.provide(store)
      )
      yield* serve(Layer.provide(live, Logger.layer([logger])))
      yield* pass("30 seconds")
      assert.deepStrictEqual(asked, [0, 5000, 10_000, 15_000, 20_000, 25_000, 30_000])
      // Each refusal once, until it went well.
      const line = `The pruning of jobs does not succeed: ${refusal.message}`
      assert.deepStrictEqual(said.map(String), [line, line])
    })
  )
})

describe("enqueue", () => {
  const Keyed = Job.make("Keyed", {
    payload: { a: Schema.Int, b: Schema.Int },
    idempotencyKey: ({ a }) => `${a}`
  })

  it.effect("makes one job of one key", () =>
    Effect.gen(function* () {
      const first = yield* Jobs.enqueue(Keyed({ a: 1, b: 1 }))
      const again = yield* Jobs.enqueue([Keyed({ a: 1, b: 2 }), Keyed({ a: 2, b: 1 }), Keyed({ a: 2, b: 2 })])
      assert.strictEqual(again[0], first)
      assert.strictEqual(again[1], again[2])
      assert.strictEqual((yield* Jobs.stats(Keyed)).waiting, 2)
      assert.notStrictEqual(yield* Jobs.enqueue(Keyed({ a: 1, b: 1 }), { key: "other" }), first)
    }).pipe(Effect.provide(memory))
  )

  it.effect("refuses what does not fit, and stores nothing of the call", () =>
    Effect.gen(function* () {
      const bad = Keyed({ a: 1.5, b: 1 })
      const error = yield* Effect.flip(Jobs.enqueue([Keyed({ a: 1, b: 1 }), bad]))
      assert.deepStrictEqual([error._tag, error.reason, error.jobs], ["EnqueueFailed", "invalid", 2])
      const late = yield* Effect.flip(Jobs.enqueue(Keyed({ a: 1, b: 1 }), { delay: "-1 second" as never }))
      assert.strictEqual(late.reason, "invalid")
      assert.strictEqual((yield* Jobs.stats(Keyed)).waiting, 0)
      assert.throws(() => Job.make("no spaces"), /name must be/)
      assert.throws(() => Job.make("x", { attempts: 0 }), /attempts must be/)
    }).pipe(Effect.provide(memory))
  )

  it.effect("again and again, by cron in a zone", () =>
    Effect.gen(function* () {
      const got: Array<number> = []
      const Daily = Job.make("Daily", { payload: Schema.Int })
      yield* serve(
        Daily.toLayer(
          () =>
            Effect.clockWith((clock) =>
              Effect.sync(() => got.push(clock.currentTimeMillisUnsafe() / 3_600_000))
            ),
          // Three days of looking every second take seconds of real time.
          { pollInterval: "1 day" }
        )
      )
      yield* Jobs.schedule(Daily(1), "30 3 * * *", { zone: "Europe/Berlin" })
      assert.strictEqual((yield* Jobs.schedules(Daily))[0]?.zone, "Europe/Berlin")
      yield* pass("48 hours", "30 minutes")
      // 1970-01-01 in Berlin is UTC+1.
      assert.deepStrictEqual(got, [2.5, 26.5])
      yield* Jobs.unschedule(Daily)
      yield* pass("24 hours", "30 minutes")
      assert.lengthOf(got, 2)
      const wrong = yield* Effect.flip(Jobs.schedule(Daily(1), "99 * * * *"))
      assert.strictEqual(wrong._tag, "InvalidConfig")
    }).pipe(Effect.provide(Jobs.layerMemory({ lease: "3 hours" })))
  )
})
