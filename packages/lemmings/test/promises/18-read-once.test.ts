import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Schedule, Stream } from "effect"
import {
  Herd,
  InvalidConfig,
  Lemmings,
  type Middleware,
  ResourcePool,
  type TaskOptions
} from "../../src/index.ts"
import { conserved, fork, start } from "./support.ts"

type Running = Effect.Success<ReturnType<typeof start>>
/** As long as the types let it be changed. */
type Loose = { -readonly [K in keyof TaskOptions]: TaskOptions[K] }

class Part extends Context.Service<Part, { readonly n: number }>()("test/Part") {}
class Parts extends Herd.Service<Parts>()("test/ReadOnce", { resource: Part }) {}

const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), "a defect")
  return Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
}

/** A busy worker, so that whatever comes now has to wait. */
const occupied = Effect.gen(function* () {
  const herd = yield* start({ workers: { max: 1 } })
  yield* herd.pause
  return herd
})

describe("promise 18: what a caller hands over is read once, at the call", () => {
  const changes: Record<string, (tasks: Array<Effect.Effect<number>>) => void> = {
    "is emptied": (tasks) => (tasks.length = 0),
    "gets other tasks": (tasks) => tasks.fill(Effect.succeed(-1)),
    grows: (tasks) => tasks.push(Effect.succeed(-1)),
    "becomes sparse": (tasks) => Reflect.deleteProperty(tasks, 1)
  }
  for (const [what, change] of Object.entries(changes)) {
    it.effect(`runAll of an array that ${what} afterwards runs what was in it`, () =>
      Effect.gen(function* () {
        const herd = yield* occupied
        const before = [1, 2, 3, 4].map((n) => Effect.succeed(n))
        const began = [...before]
        const notBegun = [...before]
        const running = yield* fork(herd.runAll(began))
        const later = herd.runAll(notBegun)
        change(began)
        change(notBegun)
        yield* herd.resume
        assert.deepStrictEqual(yield* Fiber.join(running), [1, 2, 3, 4])
        assert.deepStrictEqual(yield* later, [1, 2, 3, 4])
        assert.strictEqual((yield* herd.stats).tasks.succeeded, 8)
      })
    )
  }

  it.effect("the class of a herd reads an array at the call, too", () =>
    Effect.gen(function* () {
      const tasks = [Effect.succeed(1), Effect.succeed(2)]
      const all = Lemmings.runAll(tasks)
      tasks.length = 0
      assert.deepStrictEqual(yield* all.pipe(Effect.provide(Lemmings.layer())), [1, 2])
    })
  )

  it.effect("a generator is drained at the call, and what it gave can be run again", () =>
    Effect.gen(function* () {
      let pulled = 0
      function* tasks() {
        for (let n = 1; n <= 3; n++) {
          pulled++
          yield Effect.succeed(n)
        }
      }
      const herd = yield* start()
      const all = herd.runAll(tasks())
      assert.strictEqual(pulled, 3)
      assert.deepStrictEqual(yield* all, [1, 2, 3])
      assert.deepStrictEqual(yield* all, [1, 2, 3])
      assert.strictEqual(pulled, 3)
    })
  )

  it.effect("an iterable that throws is a defect of the effect, and no task was accepted", () =>
    Effect.gen(function* () {
      // oxlint-disable-next-line require-yield
      function* tasks(): Generator<Effect.Effect<number>> {
        yield Effect.succeed(1)
        throw new Error("no more")
      }
      const herd = yield* start()
      const all = herd.runAll(tasks())
      assert.strictEqual((defectOf(yield* Effect.exit(all)) as Error).message, "no more")
      assert.strictEqual((yield* herd.stats).tasks.submitted, 0)
    })
  )

  it.effect("a hole is the defect of that task, which holds no worker", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 2, max: 2 } })
      const tasks = [Effect.succeed(1), Effect.succeed(2), Effect.succeed(3)]
      Reflect.deleteProperty(tasks, 1)
      const failed = defectOf(yield* Effect.exit(herd.runAll(tasks)))
      assert.instanceOf(failed, InvalidConfig)
      assert.strictEqual(failed.field, "tasks[1]")

      const exits = yield* herd.runAll(tasks, { mode: "settle" })
      assert.deepStrictEqual(
        exits.map((exit) => (exit._tag === "Success" ? exit.value : Cause.squash(exit.cause))),
        [1, failed, 3]
      )
      const stats = yield* herd.stats
      conserved(stats)
      assert.deepStrictEqual([stats.workers.busy, stats.tasks.running], [0, 0])
    })
  )

  it.effect("a hole among tasks that wait is a defect, too", () =>
    Effect.gen(function* () {
      const herd = yield* occupied
      const tasks = Array.from({ length: 5 }, (_, n) => Effect.succeed(n))
      Reflect.deleteProperty(tasks, 3)
      const all = yield* fork(herd.runAll(tasks, { mode: "settle" }))
      yield* herd.resume
      const exits = yield* Fiber.join(all)
      assert.deepStrictEqual(
        exits.map(({ _tag }) => _tag),
        ["Success", "Success", "Success", "Failure", "Success"]
      )
      assert.strictEqual((yield* herd.stats).workers.busy, 0)
    })
  )

  const notTasks: ReadonlyArray<unknown> = [undefined, null, 5, "task", {}, Promise.resolve(1)]
  for (const value of notTasks) {
    const ways: Record<string, (herd: Running, task: Effect.Effect<number>) => Effect.Effect<unknown>> = {
      run: (herd, task) => Effect.exit(herd.run(task)),
      submit: (herd, task) => Effect.flatMap(Effect.orDie(herd.submit(task)), (handle) => handle.await),
      offer: (herd, task) => Effect.flatMap(Effect.orDie(herd.offer(task)), (handle) => handle.await),
      runNow: (herd, task) => Effect.exit(herd.runNow(task)),
      runAll: (herd, task) => Effect.exit(herd.runAll([task])),
      stream: (herd, task) =>
        Effect.map(Stream.runCollect(herd.stream(Stream.make(1), () => task)), ([output]) => output?.result)
    }
    for (const [way, call] of Object.entries(ways)) {
      it.effect(`${way} of ${Object.prototype.toString.call(value)} is a defect and costs no worker`, () =>
        Effect.gen(function* () {
          const herd = yield* start({ workers: { max: 1 } })
          defectOf((yield* call(herd, value as never)) as Exit.Exit<unknown, unknown>)
          const stats = yield* herd.stats
          conserved(stats)
          assert.deepStrictEqual([stats.workers.busy, stats.workers.idle], [0, 1])
          assert.strictEqual(yield* herd.run(Effect.succeed("well")), "well")
        })
      )
    }
  }

  it.effect("runAll of something that is no iterable and no record is a defect", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      for (const value of [undefined, null, 5]) {
        const error = defectOf(yield* Effect.exit(herd.runAll(value as unknown as [])))
        assert.instanceOf(error, InvalidConfig)
        assert.strictEqual(error.field, "tasks")
      }
    })
  )

  it.effect("runAll of a record gives the results its keys", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      const tasks = { one: Effect.succeed(1), two: Effect.succeed("b") }
      const all = herd.runAll(tasks)
      tasks.two = Effect.succeed("changed")
      assert.deepStrictEqual(yield* all, { one: 1, two: "b" })
      const settled = yield* herd.runAll(
        { good: Effect.succeed(1), bad: Effect.fail("no") },
        { mode: "settle" }
      )
      assert.deepStrictEqual(settled, { good: Exit.succeed(1), bad: Exit.fail("no") })
      const odd = JSON.parse(`{"__proto__": 1}`) as Record<string, unknown>
      const results = yield* herd.runAll(
        Object.fromEntries(Object.keys(odd).map((key) => [key, Effect.succeed("own")]))
      )
      assert.deepStrictEqual(Object.entries(results), [["__proto__", "own"]])
    })
  )

  it.effect("one options object that is reused for many tasks gives each what it said then", () =>
    Effect.gen(function* () {
      const herd = yield* occupied
      const options: Loose = {}
      const handles = []
      const ran: Array<string> = []
      for (const [index, id] of ["low", "high", "middle"].entries()) {
        Object.assign(options, { id, priority: [1, 3, 2][index], label: id, key: id })
        handles.push(
          yield* herd.submit(
            Effect.sync(() => ran.push(id)),
            options
          )
        )
      }
      Object.assign(options, { id: "none", priority: 9, timeout: 1, deadline: 1, once: true, retry: false })
      assert.deepStrictEqual(
        handles.map(({ id }) => id),
        ["low", "high", "middle"]
      )
      yield* herd.resume
      yield* herd.awaitIdle
      assert.deepStrictEqual(ran, ["high", "middle", "low"])
    })
  )

  it.effect("an effect that was made with options keeps them, however late it runs", () =>
    Effect.gen(function* () {
      let attempts = 0
      const task = Effect.suspend(() => (++attempts === 1 ? Effect.fail("again") : Effect.succeed("done")))
      const options: { retry: Schedule.Schedule<unknown> | false; timeout?: number } = {
        retry: Schedule.recurs(1)
      }
      const run = Lemmings.run(task, options)
      options.retry = false
      options.timeout = -1
      assert.strictEqual(yield* run.pipe(Effect.provide(Lemmings.layer())), "done")
    })
  )

  it.effect("a stream keeps its options for all elements", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      const options: Loose = { label: "first" }
      const seen: Array<string | undefined> = []
      yield* herd.listen((event) => {
        if (event._tag === "TaskAccepted") seen.push(event.label)
      })
      const outputs = herd.stream(Stream.make(1, 2, 3), (n) => Effect.succeed(n), options)
      options.label = "second"
      yield* Stream.runForEach(outputs, () => Effect.sync(() => (options.label = "third")))
      assert.deepStrictEqual(seen, ["first", "first", "first"])
    })
  )

  it.effect("every option is read exactly once", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      const values: Record<string, unknown> = {
        priority: 3,
        timeout: "5 seconds",
        deadline: "10 seconds",
        acquireTimeout: "5 seconds",
        retry: Schedule.recurs(1),
        while: () => true,
        once: false,
        key: "k",
        id: "i",
        label: "l",
        weight: 1,
        criticality: "normal"
      }
      const reads: Record<string, number> = {}
      const counting = new Proxy(values, {
        get: (target, name) => {
          reads[String(name)] = (reads[String(name)] ?? 0) + 1
          return target[String(name)]
        }
      })
      let failures = 0
      yield* herd.run(
        Effect.suspend(() => (failures++ === 0 ? Effect.fail("once") : Effect.void)),
        counting
      )
      assert.deepStrictEqual(reads, Object.fromEntries(Object.keys(values).map((name) => [name, 1])))
    })
  )

  it.effect("a borrower's options are read at the call", () =>
    Effect.gen(function* () {
      class Pool extends ResourcePool.Service<Pool, { readonly n: number }>()("test/ReadOncePool") {}
      const live = Pool.layer({ onCreate: Effect.succeed({ n: 1 }), size: 1, shutdown: { drain: 0 } })
      const options: { label?: string; acquireTimeout?: number } = { label: "mine" }
      const labels: Array<string | undefined> = []
      yield* Effect.gen(function* () {
        const pool = yield* Pool
        yield* pool.events.pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => event._tag === "TaskAccepted" && labels.push(event.label))
          ),
          Effect.forkScoped({ startImmediately: true })
        )
        const calls = [
          Pool.use(() => Effect.void, options),
          pool.use(() => Effect.void, options),
          Effect.scoped(Pool.acquire(options)),
          Effect.scoped(pool.acquire(options))
        ]
        options.label = "other"
        options.acquireTimeout = -1
        for (const call of calls) yield* call
        yield* Effect.yieldNow
      }).pipe(Effect.provide(live))
      assert.deepStrictEqual(labels, ["mine", "mine", "mine", "mine"])
    })
  )

  it.effect("a layer keeps the options of its call, with their groups", () =>
    Effect.gen(function* () {
      const middleware: Array<Middleware> = []
      const options = {
        scaling: "fixed" as const,
        workers: { min: 1, max: 2 },
        queue: { capacity: 5 },
        shutdown: { drain: 0 },
        middleware
      }
      const layer = Lemmings.layer(options)
      options.workers.max = -1
      options.queue.capacity = -1
      options.shutdown.drain = -1
      middleware.push((_task) => Effect.die("not asked for"))
      const herd = Context.get(yield* Layer.build(layer), Lemmings)
      const { queue, workers } = yield* herd.stats
      assert.deepStrictEqual([workers.max, queue.capacity], [2, 5])
      assert.strictEqual(yield* herd.run(Effect.succeed(1)), 1)
    })
  )

  it.effect("bounds are read at the call", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      const bounds = { min: 2, max: 3 }
      const change = herd.setBounds(bounds)
      bounds.max = -1
      yield* change
      const { max, min } = (yield* herd.stats).workers
      assert.deepStrictEqual([min, max], [2, 3])
    })
  )
})

describe("promise 13 and 18: all options are checked before anything is taken", () => {
  const bad: Record<string, object> = {
    priority: { priority: 1.5 },
    timeout: { timeout: -1 },
    deadline: { deadline: NaN },
    acquireTimeout: { acquireTimeout: -1 },
    retry: { retry: "3 times" },
    while: { while: true },
    once: { once: "yes" },
    key: { key: 5 },
    id: { id: Symbol("id") },
    label: { label: {} }
  }
  const ways: Record<
    string,
    (herd: Effect.Success<typeof owning>, options: object) => Effect.Effect<unknown, unknown>
  > = {
    run: (herd, options) => herd.run(Effect.void, options),
    submit: (herd, options) => herd.submit(Effect.void, options),
    offer: (herd, options) => herd.offer(Effect.void, options),
    runNow: (herd, options) => herd.runNow(Effect.void, options),
    runAll: (herd, options) => herd.runAll([Effect.void, Effect.void], options),
    stream: (herd, options) => Stream.runDrain(herd.stream(Stream.make(1), () => Effect.void, options))
  }
  const owning = Effect.map(
    Layer.build(
      Parts.layer({
        onCreate: Effect.succeed({ n: 1 }),
        scaling: "fixed",
        workers: { max: 1 },
        spares: 1,
        shutdown: { drain: 0 }
      })
    ),
    Context.get(Parts)
  )
  for (const [way, call] of Object.entries(ways)) {
    it.effect(`${way} with any bad option dies with InvalidConfig and takes nothing`, () =>
      Effect.gen(function* () {
        const herd = yield* owning
        const before = yield* herd.stats
        for (const [field, options] of Object.entries(bad)) {
          const error = defectOf(yield* Effect.exit(call(herd, options)))
          assert.instanceOf(error, InvalidConfig)
          assert.strictEqual(error.field, field)
          assert.deepStrictEqual(yield* herd.stats, before)
        }
        assert.strictEqual(yield* herd.run(Effect.succeed("well")), "well")
      })
    )
  }

  it.effect("a mode and an order that do not exist are refused", () =>
    Effect.gen(function* () {
      const herd = yield* owning
      const mode = defectOf(yield* Effect.exit(herd.runAll([Effect.void], { mode: "race" as "settle" })))
      assert.instanceOf(mode, InvalidConfig)
      assert.strictEqual(mode.field, "mode")
      const stream = herd.stream(Stream.make(1), () => Effect.void, { ordered: "yes" as never })
      const ordered = defectOf(yield* Effect.exit(Stream.runDrain(stream)))
      assert.instanceOf(ordered, InvalidConfig)
      assert.strictEqual(ordered.field, "ordered")
      assert.strictEqual((yield* herd.stats).tasks.submitted, 0)
    })
  )

  for (const way of ["use", "acquire"] as const) {
    it.effect(`a pool's ${way} with a bad option dies with InvalidConfig and lends nothing`, () =>
      Effect.gen(function* () {
        const pool = yield* ResourcePool.make("bad", { onCreate: Effect.succeed({}), size: 1 })
        const before = yield* pool.stats
        for (const field of ["priority", "acquireTimeout", "key", "label"] as const) {
          const options = bad[field] as ResourcePool.BorrowOptions
          const call =
            way === "use" ? pool.use(() => Effect.void, options) : Effect.scoped(pool.acquire(options))
          const error = defectOf(yield* Effect.exit(call))
          assert.instanceOf(error, InvalidConfig)
          assert.strictEqual(error.field, field)
        }
        assert.deepStrictEqual(yield* pool.stats, before)
        assert.strictEqual(yield* pool.use(() => Effect.succeed("well")), "well")
      })
    )
  }

  it.effect("an option whose getter throws is a defect and takes nothing", () =>
    Effect.gen(function* () {
      const herd = yield* owning
      const options = {
        get timeout(): number {
          throw new Error("gone")
        }
      }
      for (const call of Object.values(ways)) {
        assert.strictEqual((defectOf(yield* Effect.exit(call(herd, options))) as Error).message, "gone")
      }
      assert.strictEqual((yield* herd.stats).tasks.submitted, 0)
    })
  )
})
