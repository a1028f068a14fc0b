import { assert, describe, it } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import served from "../support/all.worker.ts"
import { all, Seen } from "../support/tasks.ts"

const worker = new URL("../support/all.worker.ts", import.meta.url)
class Threads extends ThreadHerd.Service<Threads>()("test/Origin", { tasks: all, worker }) {}

const parent = Tracer.externalSpan({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331"
})

describe("what a handler knows of its caller", () => {
  const places = {
    "a thread": Threads.layer(),
    "a process": Threads.layer({ isolation: "process", workers: { max: 1 } }),
    "this process": Threads.layerInline(served)
  }
  for (const [where, layer] of Object.entries(places)) {
    it.live(`the span and the log annotations reach an Effect in ${where}`, () =>
      Effect.gen(function* () {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const seen = yield* Threads.run(Seen(), { label: "seen" }).pipe(
          Effect.annotateLogs({ request: "r-1", user: { toString: () => "ada", f: () => 1 } }),
          Effect.withParentSpan(parent),
          Effect.provideService(Tracer.Tracer, tracer)
        )
        const attempt = spans.find(({ name }) => name === "seen")

        assert.strictEqual(seen.traceId, parent.traceId)
        assert.strictEqual(seen.spanId, attempt?.spanId)
        assert.deepStrictEqual(seen.annotations, { request: "r-1", user: "ada" })
        assert.deepStrictEqual(seen.origin, {
          span: { traceId: parent.traceId, spanId: seen.spanId, sampled: true },
          annotations: { request: "r-1", user: "ada" }
        })
      }).pipe(Effect.provide(layer))
    )
  }

  it.live("is nothing where there is nothing to know", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Threads.run(Seen()), {
        traceId: undefined,
        spanId: undefined,
        annotations: {},
        origin: undefined
      })
    }).pipe(Effect.provide(Threads.layer()))
  )
})
