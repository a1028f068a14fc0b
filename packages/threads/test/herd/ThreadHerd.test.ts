import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Schedule } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all, Echo, Move, Sleep, Tomorrow, TooWide } from "../support/tasks.ts"

const worker = new URL("../support/all.worker.ts", import.meta.url)

class Threads extends ThreadHerd.Service<Threads>()("test/Threads", { tasks: all, worker }) {}

const one = Threads.layer({ workers: { min: 1, max: 1 }, crashes: { max: "unlimited" } })
const two = Threads.layer({ workers: { min: 2, max: 2 }, crashes: { max: "unlimited" } })

const shared = () => new Int32Array(new SharedArrayBuffer(4))
/** Waits until a thread has written this. */
const wrote = (flag: Int32Array, value: number) =>
  Effect.suspend(() => (Atomics.load(flag, 0) === value ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("2 millis"))
  )

describe("flow control", () => {
  it.live("is that of any herd: limits by key, holds, and why a task waits", () =>
    Effect.gen(function* () {
      const herd = yield* Threads
      const flag = shared()
      const handles = yield* Effect.forEach([1, 2, 3], () =>
        herd.submit(Sleep({ millis: 100, flag }), { key: "a" })
      )
      yield* wrote(flag, 1)
      const keys = yield* herd.keys()
      assert.deepStrictEqual(
        keys.map(({ held, key, running }) => [key, running, held]),
        [["a", 1, 2]]
      )
      const next = handles[1]?.id ?? ""
      assert.deepStrictEqual((yield* herd.explain(next))?.blockedBy, ["concurrency"])
      yield* herd.hold("b", "1 minute")
      const waits = yield* herd.submit(Echo(1), { key: "b" })
      yield* Effect.forEach(handles, ({ join }) => join)
      assert.strictEqual(yield* waits.status, "queued")
      assert.isTrue(yield* herd.release("b"))
      assert.strictEqual(yield* waits.join, 1)
    }).pipe(
      Effect.provide(
        Threads.layer({
          workers: { min: 2, max: 2 },
          queue: { order: "fair" },
          limits: { perKey: { concurrency: 1 } }
        })
      )
    )
  )
})

describe("a task on a thread", () => {
  it.live("gives its result", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Threads.run(Echo({ a: new Map([[1, "one"]]) })), {
        a: new Map([[1, "one"]])
      })
      const many = yield* Threads.runAll(Array.from({ length: 1000 }, (_, i) => Echo(i)))
      assert.deepStrictEqual(
        many,
        Array.from({ length: 1000 }, (_, i) => i)
      )
    }).pipe(Effect.provide(two))
  )

  it.live("encodes and decodes by schema, and fails typed", () =>
    Effect.gen(function* () {
      const day = new Date("2026-01-01T00:00:00.000Z")
      assert.deepStrictEqual(
        yield* Threads.run(Tomorrow({ day, width: 1 })),
        new Date("2026-01-02T00:00:00.000Z")
      )
      const error = yield* Effect.flip(Threads.run(Tomorrow({ day, width: 101 })))
      assert.instanceOf(error, TooWide)
      assert.strictEqual(error._tag === "TooWide" ? error.width : 0, 101)
    }).pipe(Effect.provide(one))
  )

  it.live("refuses a payload that its schema refuses, or that cannot be cloned, and harms no other", () =>
    Effect.gen(function* () {
      const invalid = yield* Effect.flip(Threads.run(Tomorrow({ day: new Date(0), width: -1 })))
      assert.strictEqual(invalid._tag, "InvalidPayload")
      const results = yield* Threads.runAll([Echo(1), Echo(() => 1), Echo(2)], { mode: "settle" })
      assert.deepStrictEqual(results[0], Exit.succeed(1))
      assert.deepStrictEqual(results[2], Exit.succeed(2))
      assert.strictEqual(
        Exit.isFailure(results[1]) ? Cause.squash(results[1].cause)?.constructor.name : "",
        "InvalidPayload"
      )
    }).pipe(Effect.provide(one))
  )

  it.live("brings a defect with the thread's stack", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Threads.run(Act({ what: "throw" })))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(defect, Error)
      assert.strictEqual(defect.name, "RangeError")
      assert.strictEqual(defect.message, "a defect")
      assert.strictEqual(Reflect.get(defect, "code"), 7)
      assert.include(defect.stack, "all.worker.ts")
      assert.strictEqual(yield* Threads.run(Echo(1)), 1)
    }).pipe(Effect.provide(one))
  )

  it.live("whose result cannot be cloned is a defect", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Threads.run(Act({ what: "function" })))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(yield* Threads.run(Echo(1)), 1)
    }).pipe(Effect.provide(one))
  )

  it.live("moves buffers both ways, and shares shared ones", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(1000).fill(7)
      const moved = yield* Threads.run(Move(bytes, { transfer: [bytes.buffer] }))
      assert.strictEqual(bytes.byteLength, 0)
      assert.strictEqual(moved.before, 1000)
      assert.deepStrictEqual(moved.bytes, new Uint8Array(1000).fill(7))
      const flag = shared()
      yield* Threads.run(Act({ what: "spin", millis: 0, flag }))
      assert.strictEqual(Atomics.load(flag, 0), 1)
    }).pipe(Effect.provide(one))
  )
})

describe("interruption", () => {
  it.live("reaches an Effect, and a signal", () =>
    Effect.gen(function* () {
      const sleeping = shared()
      const sleep = yield* Effect.forkChild(Threads.run(Sleep({ millis: 60_000, flag: sleeping })))
      yield* wrote(sleeping, 1)
      yield* Fiber.interrupt(sleep)
      assert.strictEqual(Atomics.load(sleeping, 0), 2)
      const waiting = shared()
      const wait = yield* Effect.forkChild(Threads.run(Act({ what: "wait", flag: waiting })))
      yield* wrote(waiting, 1)
      yield* Fiber.interrupt(wait)
      assert.strictEqual(Atomics.load(waiting, 0), 2)
      const { resources } = yield* (yield* Threads).stats
      assert.strictEqual(resources.created, 1)
    }).pipe(Effect.provide(one))
  )

  it.live("is seen in the middle of a computation", () =>
    Effect.gen(function* () {
      const flag = shared()
      const spin = yield* Effect.forkChild(Threads.run(Act({ what: "spinPolitely", flag })))
      yield* wrote(flag, 1)
      yield* Fiber.interrupt(spin)
      assert.strictEqual(Atomics.load(flag, 0), 2)
      assert.strictEqual((yield* (yield* Threads).stats).resources.created, 1)
    }).pipe(Effect.provide(one))
  )

  it.live("terminates and replaces a thread that does not stop, and holds the lease until then", () =>
    Effect.gen(function* () {
      const herd = yield* Threads
      // It must have begun by then, however busy the machine is.
      yield* Threads.run(Echo("first"))
      const flag = shared()
      const error = yield* Effect.flip(Threads.run(Act({ what: "spin", flag }), { timeout: "500 millis" }))
      assert.strictEqual(error._tag, "TaskTimeout")
      assert.strictEqual(Atomics.load(flag, 0), 1)
      assert.strictEqual(yield* Threads.run(Echo("next")), "next")
      const { resources, tasks, workers } = yield* herd.stats
      assert.deepStrictEqual(
        [resources.created, resources.destroyed, tasks.running, workers.size],
        [2, 1, 0, 1]
      )
    }).pipe(Effect.provide(one))
  )

  it.live("of one that was sent ahead costs nothing, and it never begins", () =>
    Effect.gen(function* () {
      // Short, so that the next one is sent ahead of its turn.
      for (let i = 0; i < 20; i++) yield* Threads.run(Act({ what: "sync" }))
      const first = shared()
      const second = shared()
      const long = yield* Effect.forkChild(
        Threads.run(Act({ what: "spinPolitely", flag: first, millis: 500 }))
      )
      const ahead = yield* Effect.forkChild(Threads.run(Act({ what: "spinPolitely", flag: second })))
      yield* wrote(first, 1)
      yield* Fiber.interrupt(ahead)
      assert.strictEqual(Atomics.load(first, 0), 1)
      yield* Fiber.join(long)
      yield* Threads.run(Echo(1))
      assert.strictEqual(Atomics.load(second, 0), 0)
    }).pipe(Effect.provide(one))
  )
})

describe("a thread that ends", () => {
  it.live("by exit, an uncaught exception or a full heap fails its own task, and is replaced", () =>
    Effect.gen(function* () {
      for (const [what, exitCode, said] of [
        ["exit", 3, "exited with code 3"],
        ["crash", 1, "out of the blue"],
        ["oom", 1, "memory"]
      ] as const) {
        const error = yield* Effect.flip(Threads.run(Act({ what })))
        assert.strictEqual(error._tag, "WorkerLost")
        if (error._tag !== "WorkerLost") continue
        assert.deepStrictEqual([error.exitCode, error.begun, error.task], [exitCode, true, "Act"])
        assert.include(error.message, said)
        assert.strictEqual(yield* Threads.run(Echo(what)), what)
      }
    }).pipe(
      Effect.provide(
        Threads.layer({
          workers: { min: 1, max: 1 },
          crashes: { max: "unlimited" },
          resourceLimits: { maxOldGenerationSizeMb: 64 }
        })
      )
    )
  )

  it.live("gives back what was sent ahead to it", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 20; i++) yield* Threads.run(Act({ what: "sync" }))
      const results = yield* Threads.runAll(
        Array.from({ length: 50 }, (_, i) =>
          i === 10 ? Act({ what: "exit" }) : Act({ what: "sync", value: i })
        ),
        { mode: "settle" }
      )
      const failed = results.flatMap((exit, i) => (Exit.isFailure(exit) ? [i] : []))
      assert.deepStrictEqual(failed, [10])
    }).pipe(Effect.provide(one))
  )

  it.live("too often opens the circuit, which closes when a thread works again", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* Effect.flip(Threads.run(Act({ what: "exit" }))))._tag, "WorkerLost")
      }
      const refused = yield* Effect.flip(Threads.run(Echo(1)))
      assert.strictEqual(refused._tag, "ThreadsUnavailable")
      yield* Effect.sleep("350 millis")
      assert.strictEqual(yield* Threads.run(Echo(2)), 2)
    }).pipe(
      Effect.provide(
        Threads.layer({ workers: { min: 1, max: 1 }, crashes: { max: 3, coolDown: "300 millis" } })
      )
    )
  )
})

describe("a herd of threads", () => {
  it.live("killed while they spin is gone in half a second", () =>
    Effect.gen(function* () {
      const flag = shared()
      const spin = yield* Effect.forkChild(Threads.run(Act({ what: "spin", flag })))
      yield* wrote(flag, 1)
      const herd = yield* Threads
      const [took, report] = yield* Effect.timed(herd.kill)
      assert.isBelow(Duration.toMillis(took), 500)
      assert.strictEqual(report.leaked, 0)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(spin)))
      assert.deepStrictEqual(yield* Threads.threads, [])
    }).pipe(Effect.provide(two))
  )

  it.live("refuses bad settings, and changes nothing", () =>
    Effect.gen(function* () {
      for (const [options, field] of [
        [{ concurrency: 0 }, "concurrency"],
        [{ grace: "soon" }, "grace"],
        [{ maxHeap: -1 }, "maxHeap"],
        [{ crashes: { max: 0 } }, "crashes.max"]
      ] as const) {
        const error = yield* Effect.flip(
          Effect.provide(Threads.run(Echo(1)), Threads.layer(options as ThreadHerd.Options<never, "suspend">))
        )
        assert.strictEqual(error._tag === "InvalidConfig" ? error.field : error._tag, field)
      }
      class Nowhere extends ThreadHerd.Service<Nowhere>()("test/Nowhere", {
        tasks: [Echo],
        worker: new URL("./support/nowhere.worker.ts", import.meta.url)
      }) {}
      const error = yield* Effect.flip(Effect.provide(Nowhere.run(Echo(1)), Nowhere.layer()))
      assert.strictEqual(error._tag === "InvalidConfig" ? error.field : error._tag, "worker")
    })
  )

  it.live("runs light workers, CommonJS ones, and processes", () =>
    Effect.gen(function* () {
      class Light extends ThreadHerd.Service<Light>()("test/Light", {
        tasks: [Echo],
        worker: new URL("../support/light.worker.ts", import.meta.url)
      }) {}
      class Common extends ThreadHerd.Service<Common>()("test/Common", {
        tasks: [Echo],
        worker: new URL("../support/common.worker.cjs", import.meta.url)
      }) {}
      assert.strictEqual(yield* Effect.provide(Light.run(Echo(1)), Light.layer()), 1)
      assert.deepStrictEqual(yield* Effect.provide(Common.run(Echo(1)), Common.layer()), { cjs: 1 })
      const processes = Threads.layer({ isolation: "process", workers: { max: 1 } })
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* Threads.run(Echo(new Set([1]))), new Set([1]))
        const error = yield* Effect.flip(Threads.run(Act({ what: "exit" })))
        assert.strictEqual(error._tag === "WorkerLost" ? error.exitCode : error._tag, 3)
        const timeout = yield* Effect.flip(Threads.run(Act({ what: "spin" }), { timeout: "30 millis" }))
        assert.strictEqual(timeout._tag, "TaskTimeout")
        assert.strictEqual(yield* Threads.run(Echo(2)), 2)
      }).pipe(Effect.provide(processes))
    })
  )

  it.live("tells which task its worker does not serve", () =>
    Effect.gen(function* () {
      class Wrong extends ThreadHerd.Service<Wrong>()("test/Wrong", {
        tasks: [Echo, Act],
        worker: new URL("../support/light.worker.ts", import.meta.url)
      }) {}
      const error = yield* Effect.flip(
        Effect.provide(
          Wrong.run(Echo(1), { timeout: "1 second" }),
          Wrong.layer({ crashes: { max: 1, coolDown: "10 seconds" } })
        )
      )
      assert.include(error.message, "serves no Act")
    })
  )

  it.live("replaces threads that are used up", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 6; i++) assert.strictEqual(yield* Threads.run(Echo(i)), i)
      assert.isAtLeast((yield* (yield* Threads).stats).resources.created, 3)
    }).pipe(Effect.provide(Threads.layer({ workers: { max: 1 }, maxUses: 2 })))
  )
})
