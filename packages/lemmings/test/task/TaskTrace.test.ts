import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Option, References, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { isTraced, traced } from "../../src/task/TaskTrace.ts"
import { recordingTracer } from "../support/recordingTracer.ts"

const parent = Tracer.externalSpan({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  sampled: false
})

const tracing = (spans: Array<Tracer.NativeSpan>) => Context.make(Tracer.Tracer, recordingTracer(spans))

describe("TaskTrace", () => {
  it("is on only with a parent span and an enabled tracer", () => {
    const withParent = Context.make(Tracer.ParentSpan, parent) as Context.Context<never>
    assert.isFalse(isTraced(Context.empty()))
    assert.isTrue(isTraced(withParent))
    assert.isFalse(isTraced(Context.add(withParent, References.TracerEnabled, false)))
  })

  it.effect("the wait span covers the wait, ends when the task starts, and is sampled like its parent", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1000)
      const clock = yield* Clock.Clock
      const spans: Array<Tracer.NativeSpan> = []
      const context = Context.add(tracing(spans), Tracer.ParentSpan, parent) as Context.Context<never>
      const attempt = { clock, herd: "test", id: "7", label: undefined, attempt: 2, waitMillis: 250 }

      const task = traced(Effect.sleep(0), context, attempt)
      const [wait] = spans
      assert.strictEqual(spans.length, 1, "the task's own span begins with the task")
      yield* Effect.provideContext(task, context)

      const [, own] = spans
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["task wait", "task"]
      )
      assert.deepInclude(wait?.status, { _tag: "Ended", startTime: 750_000_000n, endTime: 1_000_000_000n })
      assert.isFalse(wait?.sampled)
      for (const span of [wait, own]) {
        assert.strictEqual(
          span === undefined ? undefined : Option.getOrThrow(span.parent).spanId,
          parent.spanId
        )
        assert.deepStrictEqual(Object.fromEntries(span?.attributes ?? []), {
          herd: "test",
          "task.id": "7",
          "task.attempt": 2
        })
      }
    })
  )

  it("without a parent span the task is the very same effect", () => {
    const task = Effect.void
    const attempt = {
      clock: undefined as never,
      herd: "test",
      id: "7",
      label: "x",
      attempt: 1,
      waitMillis: 0
    }
    assert.strictEqual(traced(task, Context.empty(), attempt), task)
  })
})
