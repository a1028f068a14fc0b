import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Tracer } from "effect"
import { Bare, bare, exitOf, flush, gate, logger, start, Strict, strict } from "./support.ts"

class Tenant extends Context.Service<Tenant, string>()("scenarios/Tenant") {}

describe("tower: permits", () => {
  it.effect("a failed task frees its worker for the next", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const error = yield* Effect.flip(herd.run(Effect.fail("boom")))

      assert.strictEqual(error, "boom")
      assert.strictEqual(yield* herd.run(Effect.succeed("next")), "next")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("a caller that gives up while it waits frees its place for the one behind it", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const holder = yield* start(herd.run(task))
      const gone = yield* start(herd.run(Effect.void))
      const behind = yield* start(herd.run(Effect.succeed("behind")))
      yield* Fiber.interrupt(gone)
      const before = exitOf(behind)
      yield* open
      yield* Fiber.join(holder)

      assert.strictEqual(before, undefined)
      assert.strictEqual(yield* Fiber.join(behind), "behind")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("a caller that gives up while its task runs frees the worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const holder = yield* start(herd.run(Effect.never))
      const waiting = yield* start(herd.run(Effect.succeed("waited")))
      yield* Fiber.interrupt(holder)

      assert.strictEqual(yield* Fiber.join(waiting), "waited")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("waiters get the worker one by one in the order they came", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger<number>()
      const gates = [1, 2, 3].map((n) => ({ n, ...gate() }))
      const callers = yield* Effect.forEach(gates, ({ n, task }) =>
        start(herd.run(Effect.andThen(note(n), task)))
      )
      const seen = [[...log]]
      for (const { open } of gates) {
        yield* open
        yield* flush
        seen.push([...log])
      }
      yield* Effect.forEach(callers, Fiber.join)

      assert.deepStrictEqual(seen, [[1], [1, 2], [1, 2, 3], [1, 2, 3]])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("1,000 tasks of every outcome leak no worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const outcomes = [
        Effect.void,
        Effect.fail("no"),
        Effect.die("broken"),
        Effect.interrupt,
        Effect.yieldNow
      ]
      yield* herd.runAll(
        Array.from({ length: 1000 }, (_, n) => outcomes[n % outcomes.length] ?? Effect.void),
        { mode: "settle" }
      )
      const { tasks, workers } = yield* herd.stats

      assert.include(workers, { idle: 4, busy: 0, size: 4 })
      assert.include(tasks, { succeeded: 400, failed: 400, interrupted: 200 })
    }).pipe(Effect.provide(bare({ workers: { max: 4 } })))
  )
})

describe("tower: buffer", () => {
  it.effect("cancelled requests are cleared before the next is taken", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      yield* herd.submit(task)
      const cancelled = yield* Effect.forEach(["a", "b"], (name) => start(herd.run(note(name))))
      const kept = yield* start(herd.run(note("c")))
      yield* Fiber.interruptAll(cancelled)
      const { depth } = (yield* herd.stats).queue
      yield* open
      yield* Fiber.join(kept)

      assert.strictEqual(depth, 1)
      assert.deepStrictEqual(log, ["c"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("closing wakes those who wait for room and those who wait for a worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      const waiting = yield* start(Effect.flip(herd.run(Effect.void)))
      const blocked = yield* Effect.forEach([1, 2, 3], () =>
        start(Effect.flip(Effect.asVoid(herd.submit(Effect.void))))
      )
      yield* herd.kill
      const errors = yield* Effect.forEach([waiting, ...blocked], (caller) => Fiber.join(caller))

      for (const error of errors) assert.strictEqual(error._tag, "HerdClosed")
      assert.strictEqual((yield* herd.stats).tasks.rejected, 3)
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )

  it.effect("the waits after a close are not stuck", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      yield* herd.submit(Effect.void)
      const waits = yield* start(Effect.all([herd.awaitIdle, herd.awaitEmpty], { concurrency: 2 }))
      yield* flush
      yield* herd.kill
      yield* flush

      assert.strictEqual(exitOf(waits)?._tag, "Success")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("a queued task runs with its submitter's services and inside its span", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const parentName = Effect.map(Effect.currentSpan, (span) => {
        const { parent } = span
        return parent._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : "none"
      })
      const callers = yield* Effect.forEach(["red", "blue"], (name) =>
        start(
          herd
            .run(Effect.all([Tenant, Effect.orElseSucceed(parentName, () => "no span")]))
            .pipe(Effect.withSpan(`request ${name}`), Effect.provideService(Tenant, name))
        )
      )
      yield* open

      assert.deepStrictEqual(yield* Effect.forEach(callers, Fiber.join), [
        ["red", "request red"],
        ["blue", "request blue"]
      ])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("the time in the queue is a span of its own", () => {
    const spans: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        spans.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    return Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.run(Effect.void, { label: "report" }).pipe(Effect.withSpan("request"))

      assert.deepStrictEqual(spans, ["request", "report wait", "report"])
    }).pipe(Effect.provide(bare()), Effect.withTracer(tracer))
  })
})

describe("tower: load shed", () => {
  it.effect("what the herd can take passes through", () =>
    Effect.gen(function* () {
      const herd = yield* Strict

      assert.strictEqual(yield* herd.run(Effect.succeed("through")), "through")
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 0 } })))
  )

  it.effect("what it cannot take is refused at once, and the caller may try again", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const { open, task } = gate()
      const first = yield* start(herd.run(task))
      const refused = yield* Effect.exit(herd.run(Effect.void))
      yield* open
      yield* Fiber.join(first)
      const again = yield* Effect.exit(herd.run(Effect.void))

      assert.strictEqual(Exit.isFailure(refused), true)
      assert.deepStrictEqual(again, Exit.void)
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 0 } })))
  )
})
