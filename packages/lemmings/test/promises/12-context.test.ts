import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Logger, Option, References, Schedule, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { recordingTracer } from "../support/recordingTracer.ts"
import { fork, settled, start } from "./support.ts"

class User extends Context.Service<User, string>()("test/User") {}
const Tenant = Context.Reference<string>("test/Tenant", { defaultValue: () => "nobody" })

/** What a task sees of its submitter. */
const seen = Effect.gen(function* () {
  const parent = yield* Effect.option(Effect.currentParentSpan)
  return {
    user: yield* User,
    tenant: yield* Tenant,
    annotations: { ...(yield* References.CurrentLogAnnotations) },
    traceId: Option.getOrUndefined(Option.map(parent, (span) => span.traceId))
  }
})

const collectSpans = (spans: Array<Tracer.NativeSpan>) =>
  Effect.provideService(Tracer.Tracer, recordingTracer(spans))

describe("promise 12: context travels", () => {
  type Herd = Effect.Success<ReturnType<typeof start>>
  const ways: Record<string, (herd: Herd) => Effect.Effect<unknown, unknown, User>> = {
    run: (herd) => herd.run(seen),
    submit: (herd) => Effect.flatMap(herd.submit(seen), (handle) => handle.join),
    offer: (herd) => Effect.flatMap(herd.offer(seen), (handle) => handle.join),
    runNow: (herd) => herd.runNow(seen),
    runAll: (herd) => Effect.map(herd.runAll([Effect.void, seen]), (all) => all[1]),
    stream: (herd) =>
      herd
        .stream(Stream.make(1), () => seen)
        .pipe(
          Stream.mapEffect(({ result }) => result),
          Stream.runHead,
          Effect.map(Option.getOrThrow)
        ),
    "a queued run": (herd) =>
      Effect.gen(function* () {
        yield* herd.pause
        const fiber = yield* fork(herd.run(seen))
        yield* Effect.provideService(herd.resume, Tenant, "whoever resumes")
        return yield* Fiber.join(fiber)
      }),
    "a retry": (herd) =>
      Effect.suspend(() => {
        let attempts = 0
        return herd.run(
          Effect.flatMap(seen, (view) => (++attempts < 3 ? Effect.fail("again") : Effect.succeed(view))),
          { retry: Schedule.recurs(5) }
        )
      })
  }
  for (const [way, submit] of Object.entries(ways)) {
    it.effect(`services, references, log annotations and the parent span reach the task of ${way}`, () =>
      Effect.gen(function* () {
        const herd = yield* start({ workers: { max: 1 } })
        const span = Tracer.externalSpan({
          traceId: "0af7651916cd43dd8448eb211c80319c",
          spanId: "b7ad6b7169203331"
        })

        const view = yield* submit(herd).pipe(
          Effect.annotateLogs("request", "r-1"),
          Effect.provideService(Tenant, "acme"),
          Effect.provideService(User, "ada"),
          Effect.withParentSpan(span)
        )

        assert.deepStrictEqual(view, {
          user: "ada",
          tenant: "acme",
          annotations: { request: "r-1" },
          traceId: span.traceId
        })
      })
    )
  }

  it.effect("the submitter's logger gets what the task logs", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const herd = yield* start()
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(message))])

      yield* herd.run(Effect.log("from the task")).pipe(Effect.provide(logger))

      assert.deepStrictEqual(lines.flat(), ["from the task"])
    })
  )

  it.effect("the queue wait and the task are child spans of the submitter's span", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const herd = yield* start({ workers: { max: 1 } })
      yield* fork(herd.run(Effect.sleep(30)))

      const submitted = yield* fork(
        herd
          .run(Effect.sleep(20), { id: "t-1", label: "work" })
          .pipe(Effect.withSpan("request"), collectSpans(spans))
      )
      yield* TestClock.adjust(50)
      yield* Fiber.join(submitted)

      const parentOf = (span: Tracer.Span) => Option.getOrUndefined(span.parent)?.spanId
      const millis = ({ status: { startTime, ...status } }: Tracer.Span) => [
        Number(startTime) / 1e6,
        "endTime" in status ? Number(status.endTime) / 1e6 : "open"
      ]
      const [request, wait, task] = spans
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["request", "work wait", "work"]
      )
      if (request === undefined || wait === undefined || task === undefined) return assert.fail()
      assert.deepStrictEqual([parentOf(wait), parentOf(task)], [request.spanId, request.spanId])
      assert.deepStrictEqual(
        [millis(wait), millis(task)],
        [
          [0, 30],
          [30, 50]
        ]
      )
      const attributes = { herd: "lemmings/Lemmings", "task.id": "t-1", "task.attempt": 1 }
      assert.deepStrictEqual(Object.fromEntries(wait.attributes), attributes)
      assert.deepStrictEqual(Object.fromEntries(task.attributes), attributes)
    })
  )

  it.effect("each attempt has its own task span, and the spans inside a task are its children", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const herd = yield* start({ workers: { max: 1 } })
      let attempts = 0
      const task = Effect.suspend(() => (++attempts < 2 ? Effect.fail("again") : Effect.void)).pipe(
        Effect.withSpan("inner")
      )

      yield* herd
        .run(task, { retry: Schedule.recurs(1) })
        .pipe(Effect.withSpan("request"), collectSpans(spans))

      const tasks = spans.filter(({ name }) => name === "task")
      const inner = spans.filter(({ name }) => name === "inner")
      assert.deepStrictEqual(
        tasks.map(({ attributes }) => attributes.get("task.attempt")),
        [1, 2]
      )
      assert.deepStrictEqual(
        inner.map(({ parent }) => Option.getOrUndefined(parent)?.spanId),
        tasks.map(({ spanId }) => spanId)
      )
    })
  )

  it.effect("without a parent span, or with tracing off, no span is made", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const herd = yield* start()
      yield* herd.run(Effect.void).pipe(collectSpans(spans))
      yield* herd.runAll([Effect.void]).pipe(collectSpans(spans))
      assert.deepStrictEqual(spans, [])

      const span = Tracer.externalSpan({
        traceId: "0af7651916cd43dd8448eb211c80319c",
        spanId: "b7ad6b7169203331"
      })
      yield* herd
        .run(Effect.void)
        .pipe(Effect.withParentSpan(span), Effect.withTracerEnabled(false), collectSpans(spans))
      assert.deepStrictEqual(spans, [])

      yield* herd.run(Effect.void).pipe(Effect.withParentSpan(span), collectSpans(spans))
      yield* settled
      assert.strictEqual(spans.length, 2)
    })
  )
})
