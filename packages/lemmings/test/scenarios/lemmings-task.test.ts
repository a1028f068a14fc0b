import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import {
  HerdEvents,
  type Middleware,
  Resources,
  type TaskInfo,
  TaskQueue,
  TaskTimeout,
  type QueuedTask
} from "../../src/index.ts"
import { Bare, bare, exitOf, flush, gate, logger, owning, start, Tool, toolbox, Tools } from "./support.ts"

describe("lemmings: middleware", () => {
  const around =
    (note: (entry: string) => Effect.Effect<void>, name: string): Middleware =>
    (task) =>
      note(`${name} before`).pipe(Effect.andThen(task), Effect.ensuring(note(`${name} after`)))

  it.effect("LM-40: the first of several is outermost", () => {
    const { log, note } = logger()
    return Effect.gen(function* () {
      yield* Bare.run(note("task"))

      assert.deepStrictEqual(log, ["first before", "second before", "task", "second after", "first after"])
    }).pipe(Effect.provide(bare({ middleware: [around(note, "first"), around(note, "second")] })))
  })

  it.effect("LM-41: logging passes results and errors through", () => {
    const { log, note } = logger()
    const logging: Middleware = (task, { id }) =>
      Effect.onExit(task, (exit) => note(`${id} ${exit._tag === "Success" ? "ok" : "failed"}`))
    return Effect.gen(function* () {
      const result = yield* Bare.run(Effect.succeed(1), { id: "a" })
      const error = yield* Effect.flip(Bare.run(Effect.fail("no"), { id: "b" }))

      assert.deepStrictEqual([result, error], [1, "no"])
      assert.deepStrictEqual(log, ["a ok", "b failed"])
    }).pipe(Effect.provide(bare({ middleware: [logging] })))
  })

  it.effect.each(["a string", new Error("an error"), 42])(
    "LM-42: the defect %s is recovered by the herd alone",
    (defect) =>
      Effect.gen(function* () {
        const herd = yield* Bare
        const thrown = yield* Effect.exit(
          herd.run(
            Effect.sync(() => {
              throw defect
            })
          )
        )

        assert.deepStrictEqual(thrown, Exit.die(defect))
        assert.strictEqual(yield* herd.run(Effect.succeed("next")), "next")
      }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("LM-44: a timeout cancels what the middleware wraps", () => {
    const { log, note } = logger()
    return Effect.gen(function* () {
      const slow = Effect.onInterrupt(Effect.never, () => note("task cancelled"))
      const caller = yield* start(Effect.flip(Bare.run(slow, { timeout: "50 millis" })))
      yield* TestClock.adjust("49 millis")
      const before = [exitOf(caller), ...log]
      yield* TestClock.adjust("1 millis")

      assert.deepStrictEqual(before, [undefined, "outer before"])
      assert.instanceOf(yield* Fiber.join(caller), TaskTimeout)
      assert.deepStrictEqual(log, ["outer before", "task cancelled", "outer after"])
    }).pipe(Effect.provide(bare({ middleware: [around(note, "outer")] })))
  })

  it.effect("LM-45: two retries let the third attempt succeed, and each attempt is wrapped", () => {
    const attempts: Array<number> = []
    const watch: Middleware = (task, { attempt }) => {
      attempts.push(attempt)
      return task
    }
    return Effect.gen(function* () {
      let runs = 0
      const task = Effect.suspend(() => (++runs < 3 ? Effect.fail("no") : Effect.succeed(runs)))

      assert.strictEqual(yield* Bare.run(task, { retry: Schedule.recurs(2) }), 3)
      assert.deepStrictEqual(attempts, [1, 2, 3])
    }).pipe(Effect.provide(bare({ middleware: [watch] })))
  })

  it.effect("LM-46: one retry makes two attempts, and then the last own error comes back", () =>
    Effect.gen(function* () {
      let runs = 0
      const task = Effect.suspend(() => Effect.fail(`failure ${++runs}`))
      const herd = yield* Bare
      const handle = yield* herd.submit(task, { retry: Schedule.recurs(1) })

      assert.strictEqual(yield* Effect.flip(handle.join), "failure 2")
      assert.strictEqual(yield* handle.attempts, 2)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-47: cancelling in the middle of a backoff ends the retries", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let runs = 0
      const task = Effect.suspend(() => Effect.fail(++runs))
      const caller = yield* start(herd.run(task, { retry: Schedule.spaced("1 second") }))
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interrupt(caller)
      yield* TestClock.adjust("1 minute")

      assert.strictEqual(runs, 2)
      assert.include((yield* herd.stats).tasks, { delayed: 0, interrupted: 1, retried: 2 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-48: a task may transform another's result, and keeps its id", () =>
    Effect.gen(function* () {
      const handle = yield* Bare.submit(
        Effect.map(Effect.succeed("result"), (text) => `wrapped ${text}`),
        { id: "task-1" }
      )

      assert.deepStrictEqual([handle.id, yield* handle.join], ["task-1", "wrapped result"])
    }).pipe(Effect.provide(bare()))
  )
})

describe("lemmings: priority queue", () => {
  type Item = QueuedTask & { readonly name: string }
  let sequence = 0
  const item = (name: string, level: number): Item => ({
    name,
    tasks: 1,
    level,
    enqueuedAt: 0,
    sequence: sequence++,
    slot: -1,
    victim: -1,
    admitted: () => {}
  })
  const queue = () => TaskQueue.make<Item>({ capacity: Infinity, overflow: "suspend", ageing: Infinity })

  it("LM-50: an empty queue has no length and gives nothing", () => {
    const line = queue()

    assert.deepStrictEqual([line.size(), line.peek(), line.pop()], [0, undefined, undefined])
  })

  it("LM-51: levels 1, 3 and 2 come out as 3, 2, 1", () => {
    const line = queue()
    for (const level of [1, 3, 2]) line.push(item(`level ${level}`, level))

    assert.deepStrictEqual([line.pop()?.level, line.pop()?.level, line.pop()?.level], [3, 2, 1])
  })

  it("LM-52: peek takes nothing out", () => {
    const line = queue()
    line.push(item("only", 1))

    assert.deepStrictEqual([line.peek()?.name, line.size(), line.pop()?.name], ["only", 1, "only"])
  })

  it("LM-53: equal levels come out in the order they went in", () => {
    const line = queue()
    for (const name of ["a", "b", "c", "d"]) line.push(item(name, 5))

    assert.strictEqual(Array.from({ length: 4 }, () => line.pop()?.name).join(""), "abcd")
  })

  it.effect("LM-54: ten fibers push 100 tasks each, none is lost, and levels never rise on the way out", () =>
    Effect.gen(function* () {
      const line = queue()
      const push = (fiber: number) =>
        Effect.forEach(
          Array.from({ length: 100 }, (_, n) => n),
          (n) =>
            Effect.andThen(
              Effect.sync(() => line.push(item(`${fiber}-${n}`, (n * 7 + fiber) % 13))),
              Effect.yieldNow
            )
        )
      yield* Effect.forEach(
        Array.from({ length: 10 }, (_, n) => n),
        push,
        { concurrency: "unbounded" }
      )
      const out = Array.from({ length: line.size() }, () => line.pop())

      assert.strictEqual(new Set(out.map((task) => task?.name)).size, 1000)
      for (let n = 1; n < out.length; n++)
        assert.isAtMost(out[n]?.level ?? Infinity, out[n - 1]?.level ?? -Infinity)
    })
  )

  it("LM-E6: the tasks of the example come out high, medium, low", () => {
    const line = queue()
    for (const [name, level] of [
      ["low", 0],
      ["high", 10],
      ["medium", 5]
    ] as const)
      line.push(item(name, level))

    assert.deepStrictEqual([line.pop()?.name, line.pop()?.name, line.pop()?.name], ["high", "medium", "low"])
  })
})

describe("lemmings: task", () => {
  it.effect("LM-60: a task returns its result or its error", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.exit(Bare.run(Effect.succeed("result"))), Exit.succeed("result"))
      assert.deepStrictEqual(yield* Effect.exit(Bare.run(Effect.fail("error"))), Exit.fail("error"))
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-62: id, label, key, priority and attempt are shown to whoever watches", () => {
    const seen: Array<TaskInfo> = []
    const hooks = { onTaskStart: (info: TaskInfo) => Effect.sync(() => seen.push(info)) }
    return Effect.gen(function* () {
      yield* Bare.run(Effect.void, { id: "task-1", label: "report", key: "tenant", priority: "high" })
      yield* Bare.run(Effect.void)

      assert.deepStrictEqual(seen, [
        { id: "task-1", label: "report", key: "tenant", priority: 10, attempt: 1, requeues: 0, workerId: 1 },
        { id: "2", label: undefined, key: undefined, priority: 5, attempt: 1, requeues: 0, workerId: 1 }
      ])
    }).pipe(Effect.provide(bare({ hooks, workers: { max: 1 } })))
  })

  it.effect("LM-63: a fast task completes within its timeout, and a slow one names itself in the error", () =>
    Effect.gen(function* () {
      const fast = yield* start(Bare.run(Effect.as(Effect.sleep(10), "fast"), { timeout: "500 millis" }))
      const slow = yield* start(Effect.flip(Bare.run(Effect.never, { id: "task-1", timeout: "500 millis" })))
      yield* TestClock.adjust("500 millis")
      const error = yield* Fiber.join(slow)

      assert.strictEqual(yield* Fiber.join(fast), "fast")
      assert.include(error, { _tag: "TaskTimeout", taskId: "task-1", timeoutMillis: 500 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-63: cancelling the parent of a task with a timeout is an interruption and no timeout", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const parent = yield* start(herd.run(Effect.never, { timeout: "1 minute" }))
      yield* Fiber.interrupt(parent)
      yield* TestClock.adjust("2 minutes")

      assert.include((yield* herd.stats).tasks, { interrupted: 1, timedOut: 0, failed: 0 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-64: the completion callback is called once, with the time the task took", () => {
    const { log, note } = logger()
    const hooks = { onTaskComplete: ({ id }: TaskInfo, millis: number) => note(`${id} after ${millis} ms`) }
    return Effect.gen(function* () {
      const caller = yield* start(Bare.run(Effect.sleep("25 millis"), { id: "task-1" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(caller)

      assert.deepStrictEqual(log, ["task-1 after 25 ms"])
    }).pipe(Effect.provide(bare({ hooks })))
  })

  it.effect("LM-65: the timeout error reads as a sentence", () =>
    Effect.gen(function* () {
      const caller = yield* start(
        Effect.flip(Bare.run(Effect.never, { id: "task-1", timeout: "500 millis" }))
      )
      yield* TestClock.adjust("500 millis")
      const { message } = yield* Fiber.join(caller)

      assert.strictEqual(
        message,
        "Task task-1 exceeded its timeout of 500 ms while running (0 queued, 1 workers)."
      )
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

describe("lemmings: worker", () => {
  it.effect("LM-72: a success names its worker and is counted", () => {
    const workers: Array<number> = []
    const hooks = { onTaskComplete: ({ workerId }: TaskInfo) => Effect.sync(() => workers.push(workerId)) }
    return Effect.gen(function* () {
      const herd = yield* Bare

      assert.strictEqual(yield* herd.run(Effect.succeed("output")), "output")
      assert.deepStrictEqual(workers, [1])
      assert.include((yield* herd.stats).tasks, { succeeded: 1, failed: 0 })
    }).pipe(Effect.provide(bare({ hooks, workers: { max: 1 } })))
  })

  it.effect("LM-73: a failure comes back as it is, unwrapped, and is counted", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const cause = new Error("cause")

      assert.strictEqual(yield* Effect.flip(herd.run(Effect.fail(cause))), cause)
      assert.include((yield* herd.stats).tasks, { succeeded: 0, failed: 1 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-75: two failures and then a success make three attempts", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let runs = 0
      const task = Effect.suspend(() => (++runs <= 2 ? Effect.fail("no") : Effect.succeed("third")))
      const handle = yield* herd.submit(task, { retry: Schedule.recurs(3) })

      assert.deepStrictEqual([yield* handle.join, yield* handle.attempts], ["third", 3])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-76: nothing is processed after a stop", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      yield* herd.run(note("before"))
      yield* herd.stop()
      const error = yield* Effect.flip(herd.run(note("after")))

      assert.strictEqual(error._tag, "HerdClosed")
      assert.deepStrictEqual(log, ["before"])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-77: nothing queued is processed after the herd was killed", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      yield* herd.submit(task)
      yield* herd.submit(note("queued"))
      yield* herd.kill
      yield* open
      yield* flush

      assert.deepStrictEqual(log, [])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

describe("lemmings: factory", () => {
  it.effect("LM-80: what the factory makes is what the task gets", () => {
    const made = { id: 42, destroyed: false, uses: 0 }
    return Effect.gen(function* () {
      assert.strictEqual(yield* Tools.run(Effect.map(Tool, (tool) => tool)), made)
    }).pipe(Effect.provide(owning(toolbox(), { workers: { max: 1 }, onCreate: Effect.succeed(made) })))
  })

  it.effect("LM-81: the factory is told the worker's number, from 1, and 0 for a temporary one", () => {
    const box = toolbox()
    const ids: Array<readonly [number, boolean]> = []
    const onCreate = ({ burst, workerId }: { readonly workerId: number; readonly burst: boolean }) => {
      ids.push([workerId, burst])
      return box.make
    }
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* herd.resize(0)
      yield* flush
      yield* herd.runNow(Effect.void)
      yield* herd.resize(1)
      yield* flush

      assert.deepStrictEqual(ids, [
        [1, false],
        [2, true],
        [0, false],
        [3, false]
      ])
    }).pipe(Effect.provide(owning(box, { workers: { min: 1, max: 2 }, onCreate })))
  })

  const pool = (
    spares: number,
    maxTemporary: number,
    onCreate: Effect.Effect<unknown, string> = Effect.sync(() => ({}))
  ) =>
    Resources.layer({
      herd: "objects",
      lifecycle: { onCreate: () => onCreate },
      createTimeout: 1000,
      destroyTimeout: 1000,
      validateAfter: 500,
      validateTimeout: 1000,
      maxLifetime: Infinity,
      keepAlive: Infinity,
      maxUses: Infinity,
      spares,
      maxTemporary
    }).pipe(Layer.provide(HerdEvents.layer("objects")))
  const info = { workerId: 0, burst: false }

  it.effect("LM-82: a pool fills up to its number, and taking makes it smaller", () =>
    Effect.gen(function* () {
      const objects = yield* Resources
      yield* objects.fillSpares
      const full = objects.idleSpares()
      const taken = yield* objects.takeSpare

      assert.notStrictEqual(taken, undefined)
      assert.deepStrictEqual([full, objects.idleSpares(), objects.tally.created], [3, 2, 3])
    }).pipe(Effect.provide(pool(3, 10)))
  )

  it.effect("LM-82: a given-back object is the next to be taken, and one too many is refused", () =>
    Effect.gen(function* () {
      const objects = yield* Resources
      const first = yield* objects.create(info)
      const second = yield* objects.create(info)

      assert.deepStrictEqual([objects.giveBack(first), objects.giveBack(second)], [true, false])
      assert.strictEqual(yield* objects.takeSpare, first)
      assert.strictEqual(yield* objects.takeSpare, undefined)
    }).pipe(Effect.provide(pool(1, 0)))
  )

  it.effect("LM-82: a maximum of 0 temporary objects reserves none, and one of 2 reserves two", () =>
    Effect.gen(function* () {
      const reserved = (most: number) =>
        Effect.map(Resources, ({ reserve, unreserve }) => {
          const tries = [reserve(), reserve(), reserve()]
          if (most > 0) unreserve()
          return [...tries, reserve()]
        }).pipe(Effect.provide(pool(0, most)))

      assert.deepStrictEqual(yield* reserved(0), [false, false, false, false])
      assert.deepStrictEqual(yield* reserved(2), [true, true, false, true])
    })
  )

  it.effect("LM-82: a factory that fails gives its error, and a cancelled creation gives no object", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(
        Effect.flatMap(Resources, ({ create }) => create(info)).pipe(
          Effect.provide(pool(0, 1, Effect.fail("no object")))
        )
      )
      const cancelled = yield* Effect.gen(function* () {
        const { create, tally } = yield* Resources
        const creating = yield* start(create(info))
        yield* Fiber.interrupt(creating)
        const exit = exitOf(creating)
        return [exit !== undefined && Exit.hasInterrupts(exit), tally.created, tally.createFailures]
      }).pipe(Effect.provide(pool(0, 1, Effect.never)))

      assert.include(failed, { _tag: "ResourceUnavailable", cause: "no object" })
      assert.deepStrictEqual(cancelled, [true, 0, 0])
    })
  )

  it.effect("LM-82: a large pool keeps a hundred objects", () =>
    Effect.gen(function* () {
      const objects = yield* Resources
      const made = yield* Effect.replicateEffect(objects.create(info), 100)
      const kept = made.map((object) => objects.giveBack(object))

      assert.deepStrictEqual([kept.every(Boolean), objects.idleSpares()], [true, 100])
    }).pipe(Effect.provide(pool(1000, 0)))
  )
})
