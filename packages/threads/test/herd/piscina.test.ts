// The scenarios of piscina's suite, by behaviour, and what nobody should notice: fairness, order, leftovers.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Schedule } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all, Echo, Move, Tomorrow, TooWide } from "../support/tasks.ts"
import served from "../support/all.worker.ts"

const worker = new URL("../support/all.worker.ts", import.meta.url)

class Threads extends ThreadHerd.Service<Threads>()("test/Scenarios", { tasks: all, worker }) {}
class Rejecting extends ThreadHerd.Service<Rejecting>()("test/Rejecting", {
  tasks: all,
  worker,
  overflow: "reject"
}) {}

const one = Threads.layer({ workers: { min: 1, max: 1 } })
const shared = () => new Int32Array(new SharedArrayBuffer(4))
const wrote = (flag: Int32Array, value: number) =>
  Effect.suspend(() => (Atomics.load(flag, 0) === value ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("2 millis"))
  )
/** Keeps the only thread until it is interrupted. */
const occupied = Effect.gen(function* () {
  const flag = shared()
  const fiber = yield* Effect.forkChild(Threads.run(Act({ what: "wait", flag })))
  yield* wrote(flag, 1)
  return fiber
})

describe("abort", () => {
  it.live("a task that waits for a thread never runs, and the thread goes on", () =>
    Effect.gen(function* () {
      const herd = yield* Threads
      const busy = yield* occupied
      const flag = shared()
      const queued = yield* Effect.forkChild(Threads.run(Act({ what: "wait", flag })))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(queued)
      assert.strictEqual((yield* herd.stats).tasks.queued, 0)
      yield* Fiber.interrupt(busy)
      assert.strictEqual(yield* Threads.run(Echo(1)), 1)
      assert.strictEqual(Atomics.load(flag, 0), 0)
      assert.strictEqual((yield* herd.stats).resources.created, 1)
    }).pipe(Effect.provide(one))
  )

  it.live("reaches only the task that is aborted, of several on one thread", () =>
    Effect.gen(function* () {
      const flags = [shared(), shared(), shared()]
      const fibers = yield* Effect.forEach(flags, (flag) =>
        Effect.forkChild(Threads.run(Act({ what: "wait", flag })))
      )
      yield* Effect.forEach(flags, (flag) => wrote(flag, 1))
      yield* Fiber.interrupt(fibers[1]!)
      assert.deepStrictEqual(
        flags.map((flag) => Atomics.load(flag, 0)),
        [1, 2, 1]
      )
      yield* Effect.forEach([fibers[0]!, fibers[2]!], Fiber.interrupt)
    }).pipe(Effect.provide(Threads.layer({ workers: { min: 1, max: 1 }, concurrency: 3 })))
  )

  it.live("of a task in a queue that was given its deadline ends it with DeadlineExceeded", () =>
    Effect.gen(function* () {
      const busy = yield* occupied
      const error = yield* Effect.flip(Threads.run(Echo(1), { deadline: "20 millis" }))
      assert.strictEqual(error._tag, "DeadlineExceeded")
      yield* Fiber.interrupt(busy)
    }).pipe(Effect.provide(one))
  )
})

describe("close", () => {
  it.live("waits for what was accepted, and refuses what comes later", () =>
    Effect.gen(function* () {
      const herd = yield* Threads
      const accepted = yield* Effect.forkChild(
        Threads.runAll(Array.from({ length: 20 }, (_, i) => Act({ what: "spin", millis: 2, value: i })))
      )
      yield* Effect.sleep("10 millis")
      const report = yield* herd.stop()
      assert.deepStrictEqual(
        yield* Fiber.join(accepted),
        Array.from({ length: 20 }, (_, i) => i)
      )
      assert.deepStrictEqual([report.interrupted, report.abandoned, report.leaked], [0, 0, 0])
      assert.strictEqual((yield* Effect.flip(Threads.run(Echo(1))))._tag, "HerdClosed")
    }).pipe(Effect.provide(one))
  )

  it.live("with a limit interrupts what goes on, and settles every caller", () =>
    Effect.gen(function* () {
      const herd = yield* Threads
      const callers = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(Effect.exit(Threads.run(Act({ what: "spin" }))))
      )
      yield* Effect.sleep("200 millis")
      yield* herd.stop({ drain: "10 millis", interrupt: "2 seconds" })
      for (const caller of callers) assert.isTrue(Exit.isFailure(yield* Fiber.join(caller)))
    }).pipe(Effect.provide(one))
  )

  it.live("leaves no thread, handle or timer: the process ends by itself", () =>
    Effect.gen(function* () {
      const script = fileURLToPath(new URL("../support/leftovers.ts", import.meta.url))
      const { stdout: printed } = yield* Effect.promise(() =>
        promisify(execFile)(process.execPath, [script], { timeout: 20_000 })
      )
      const { abandoned, active, leaked } = JSON.parse(printed)
      assert.deepStrictEqual([abandoned, leaked], [0, 0])
      assert.notInclude(active, "Worker")
      assert.notInclude(active, "Timeout")
    })
  )
})

describe("the queue", () => {
  it.live("that is full refuses at once", () =>
    Effect.gen(function* () {
      const flag = shared()
      const busy = yield* Effect.forkChild(Rejecting.run(Act({ what: "wait", flag })))
      yield* wrote(flag, 1)
      const waiting = yield* Effect.forkChild(Rejecting.run(Echo(1)))
      yield* Effect.yieldNow
      assert.strictEqual((yield* Effect.flip(Rejecting.run(Echo(2))))._tag, "QueueFull")
      yield* Fiber.interrupt(busy)
      assert.strictEqual(yield* Fiber.join(waiting), 1)
    }).pipe(Effect.provide(Rejecting.layer({ workers: { min: 1, max: 1 }, queue: { capacity: 1 } })))
  )

  it.live("keeps priority", () =>
    Effect.gen(function* () {
      const busy = yield* occupied
      const order: Array<string> = []
      const submit = (priority: "low" | "high" | "critical") =>
        Effect.forkChild(
          Effect.tap(Threads.run(Act({ what: "sync" }), { priority }), () =>
            Effect.sync(() => order.push(priority))
          )
        )
      const fibers = yield* Effect.forEach(["low", "high", "critical"] as const, submit)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(busy)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(order, ["critical", "high", "low"])
    }).pipe(Effect.provide(one))
  )
})

describe("threads", () => {
  it.live(
    "come by need up to the most, and idle ones end down to the least",
    () =>
      Effect.gen(function* () {
        const herd = yield* Threads
        yield* Threads.runAll(Array.from({ length: 60 }, () => Act({ what: "spin", millis: 20 })))
        assert.strictEqual((yield* herd.stats).workers.peak, 3)
        yield* Effect.flatMap(Threads.threads, ({ length }) =>
          length === 1 ? Effect.void : Effect.fail("not yet")
        ).pipe(
          Effect.retry(Schedule.spaced("50 millis")),
          // Far less than what the herd takes to look after idle workers by itself.
          Effect.timeout("10 seconds")
        )
        assert.strictEqual((yield* herd.stats).workers.size, 1)
      }).pipe(Effect.provide(Threads.layer({ workers: { min: 1, max: 3 }, idleTimeToLive: "300 millis" }))),
    60_000
  )

  it.live("whose heap is too large are replaced between tasks", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* Threads.run(Echo(i)), i)
      assert.isAtLeast((yield* (yield* Threads).stats).resources.created, 3)
    }).pipe(Effect.provide(Threads.layer({ workers: { min: 1, max: 1 }, maxHeap: 1 })))
  )

  it.live("leave the caller its context", () =>
    Effect.gen(function* () {
      class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}
      const task = Effect.flatMap(Echo(1), (n) => Effect.map(Tenant, (tenant) => `${tenant} ${String(n)}`))
      assert.strictEqual(yield* Effect.provideService(Threads.run(task), Tenant, "a"), "a 1")
    }).pipe(Effect.provide(one))
  )

  it.live("that lose a task of several steps say so, and do not run its first step again", () =>
    Effect.gen(function* () {
      let charged = 0
      const task = Effect.gen(function* () {
        charged++
        yield* Echo(1)
        return yield* Act({ what: "exit" })
      })
      assert.strictEqual((yield* Effect.flip(Threads.run(task)))._tag, "WorkerLost")
      assert.strictEqual(charged, 1)
    }).pipe(Effect.provide(one))
  )
})

describe("layerInline", () => {
  const inline = Threads.layerInline(served, { workers: { min: 1, max: 1 } })

  it.effect("runs the same handlers here, with codecs, clones and typed failures", () =>
    Effect.gen(function* () {
      const day = new Date("2026-01-01T00:00:00.000Z")
      assert.deepStrictEqual(
        yield* Threads.run(Tomorrow({ day, width: 1 })),
        new Date("2026-01-02T00:00:00.000Z")
      )
      assert.instanceOf(yield* Effect.flip(Threads.run(Tomorrow({ day, width: 101 }))), TooWide)
      const given = { a: 1 }
      const echoed = yield* Threads.run(Echo(given))
      assert.deepStrictEqual(echoed, given)
      assert.notStrictEqual(echoed, given)
      assert.strictEqual((yield* Effect.flip(Threads.run(Echo(() => 1))))._tag, "InvalidPayload")
      const bytes = new Uint8Array(10)
      assert.strictEqual((yield* Threads.run(Move(bytes, { transfer: [bytes.buffer] }))).before, 10)
      assert.strictEqual(bytes.byteLength, 0)
      const exit = yield* Effect.exit(Threads.run(Act({ what: "throw" })))
      assert.isTrue(Exit.hasDies(exit))
    }).pipe(Effect.provide(inline))
  )

  it.effect("interrupts them", () =>
    Effect.gen(function* () {
      const flag = shared()
      const fiber = yield* Effect.forkChild(Threads.run(Act({ what: "wait", flag })))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(Atomics.load(flag, 0), 2)
    }).pipe(Effect.provide(inline))
  )
})
