import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Herd, TaskShed } from "../../src/index.ts"
import { Bare, bare, conserved, exitOf, flush, gate, logger, start } from "./support.ts"

describe("p-queue: idle and empty", () => {
  it.effect("awaitEmpty and awaitIdle return at once when nothing is there", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.awaitEmpty
      yield* herd.awaitIdle
      yield* herd.run(Effect.void)
      yield* herd.awaitEmpty
      yield* herd.awaitIdle

      assert.strictEqual((yield* herd.stats).tasks.succeeded, 1)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("awaitEmpty returns when the last task starts, awaitIdle when it has ended", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      for (const name of ["a", "b"])
        yield* herd.submit(Effect.andThen(Effect.sleep("100 millis"), note(`${name} ended`)))
      yield* start(Effect.andThen(herd.awaitEmpty, note("empty")))
      yield* start(Effect.andThen(herd.awaitIdle, note("idle")))
      yield* flush
      const before = [...log]
      yield* TestClock.adjust("100 millis")
      const half = [...log]
      yield* TestClock.adjust("100 millis")

      assert.deepStrictEqual(before, [])
      assert.deepStrictEqual(half, ["a ended", "empty"])
      assert.deepStrictEqual(log, ["a ended", "empty", "b ended", "idle"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  const wakes = [
    ["a worker becomes free", ({ open }: Waiting) => open],
    ["the herd grows", ({ herd }: Waiting) => Effect.orDie(herd.resize(2))],
    ["the queue is cleared", ({ herd }: Waiting) => herd.clear],
    ["the last waiting task is interrupted", ({ waiting }: Waiting) => Fiber.interrupt(waiting)],
    ["the last waiting task misses its deadline", (_herd: Waiting) => TestClock.adjust("1 minute")],
    ["the herd is killed", ({ herd }: Waiting) => herd.kill]
  ] as const
  interface Waiting {
    readonly herd: Herd.Herd<{ readonly sheds: true }>
    readonly open: Effect.Effect<unknown>
    readonly waiting: Fiber.Fiber<unknown, unknown>
  }
  it.effect.each(wakes)("awaitEmpty returns when %s", ([, wake]) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const waiting = yield* start(Effect.exit(herd.run(Effect.void, { deadline: "1 minute" })))
      const empty = yield* start(herd.awaitEmpty)
      yield* flush
      const before = exitOf(empty)
      yield* wake({ herd, open, waiting })
      yield* flush

      assert.deepStrictEqual([before, exitOf(empty)], [undefined, Exit.void])
    }).pipe(Effect.provide(bare({ workers: { max: 2, initial: 1 } })))
  )

  it.effect("awaitIdle waits for tasks that come while it waits", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const first = gate()
      const second = gate()
      yield* herd.submit(first.task)
      const idle = yield* start(herd.awaitIdle)
      yield* herd.submit(second.task)
      yield* first.open
      yield* flush
      const after1 = exitOf(idle)
      yield* second.open
      yield* flush

      assert.deepStrictEqual([after1, exitOf(idle)], [undefined, Exit.void])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("awaitIdle returns although tasks failed, died or timed out", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.andThen(Effect.sleep(10), Effect.fail("no")))
      yield* herd.submit(Effect.andThen(Effect.sleep(10), Effect.die("broken")))
      yield* herd.submit(Effect.never, { timeout: 10 })
      const idle = yield* start(herd.awaitIdle)
      yield* TestClock.adjust(10)

      assert.deepStrictEqual(exitOf(idle), Exit.void)
      assert.strictEqual((yield* herd.stats).tasks.failed, 3)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("awaitIdle of a paused herd with queued tasks waits for the resume", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.pause
      yield* herd.submit(Effect.void)
      const idle = yield* start(herd.awaitIdle)
      yield* flush
      const paused = exitOf(idle)
      yield* herd.resume
      yield* flush

      assert.deepStrictEqual([paused, exitOf(idle)], [undefined, Exit.void])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("every one of many waits returns, and an interrupted one harms no other", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const waits = yield* Effect.forEach([1, 2, 3, 4], () => start(herd.awaitIdle))
      yield* flush
      yield* Fiber.interrupt(waits[1] ?? (yield* start(Effect.never)))
      yield* open
      yield* flush

      assert.deepStrictEqual(
        waits.map((wait) => exitOf(wait)?._tag),
        ["Success", "Failure", "Success", "Success"]
      )
    }).pipe(Effect.provide(bare()))
  )
})

describe("p-queue: clear", () => {
  it.effect("clear settles every waiting caller and leaves the running task alone", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const running = yield* start(herd.run(Effect.as(task, "ran")))
      const waiting = yield* Effect.forEach([1, 2, 3], (n) =>
        start(Effect.flip(herd.run(Effect.void, { id: `w${n}` })))
      )
      const shed = yield* herd.clear
      const errors = yield* Effect.forEach(waiting, Fiber.join)
      const { tasks } = yield* herd.stats
      yield* open

      assert.strictEqual(shed, 3)
      assert.deepStrictEqual(
        errors,
        [1, 2, 3].map((n) => new TaskShed({ herd: "scenarios/Bare", taskId: `w${n}`, reason: "cleared" }))
      )
      assert.deepStrictEqual([tasks.queued, tasks.running, tasks.shed], [0, 1, 3])
      assert.strictEqual(yield* Fiber.join(running), "ran")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("after clear the herd is empty and not idle until the running task has ended", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      yield* herd.submit(Effect.void)
      const empty = yield* start(herd.awaitEmpty)
      const idle = yield* start(herd.awaitIdle)
      yield* herd.clear
      yield* flush
      const cleared = [exitOf(empty), exitOf(idle)]
      yield* open
      yield* flush

      assert.deepStrictEqual(cleared, [Exit.void, undefined])
      assert.deepStrictEqual(exitOf(idle), Exit.void)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("clearing again drops nothing, and the herd takes tasks afterwards", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.pause
      for (let n = 0; n < 100; n++) yield* herd.submit(Effect.void)
      const dropped = [yield* herd.clear, yield* herd.clear]
      yield* herd.resume

      assert.deepStrictEqual(dropped, [100, 0])
      assert.strictEqual(yield* herd.run(Effect.succeed("after")), "after")
      assert.strictEqual(conserved(yield* herd.stats), true)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("clear makes room for submitters that wait for it", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const queued = yield* start(Effect.flip(herd.run(Effect.void)))
      const blocked = yield* start(herd.submit(Effect.succeed("admitted")))
      const before = exitOf(blocked)
      const shed = yield* herd.clear
      yield* open

      assert.deepStrictEqual([before, shed], [undefined, 1])
      assert.strictEqual((yield* Fiber.join(queued))._tag, "TaskShed")
      assert.strictEqual(yield* Effect.flatMap(Fiber.join(blocked), ({ join }) => join), "admitted")
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )

  it.effect("a handle of a cleared task says that it was shed", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      const handle = yield* herd.submit(Effect.void)
      yield* herd.clear

      assert.strictEqual(yield* handle.status, "shed")
      assert.strictEqual((yield* Effect.flip(handle.join))._tag, "TaskShed")
      assert.strictEqual(yield* handle.attempts, 0)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})
