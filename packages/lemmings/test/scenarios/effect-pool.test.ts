import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Latch, Layer, Schedule, Scheduler, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Herd } from "../../src/index.ts"
import { exitOf, flush, gate, owning, start, Tool, toolbox, Tools, useTool } from "./support.ts"

const unhealthy = { checkHealth: () => false, maxRequeues: 0 }

describe("Effect Pool: cleanup", () => {
  it.effect("closing the herd's scope destroys every resource", () =>
    Effect.gen(function* () {
      const box = toolbox()
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(owning(box, { workers: { max: 10 } }), scope)
      yield* flush
      const before = [box.tools.length, box.alive()]
      yield* Scope.close(scope, Exit.void)

      assert.deepStrictEqual([...before, box.tools.length, box.alive()], [10, 10, 10, 0])
    })
  )

  it.effect("a defect of onDestroy or of a finalizer keeps no other resource from being destroyed", () =>
    Effect.gen(function* () {
      const box = toolbox()
      const closed: Array<number> = []
      const layer = owning(box, {
        workers: { max: 4 },
        shutdown: { destroy: "1 second" },
        onCreate: Effect.tap(box.make, ({ id }) =>
          Effect.addFinalizer(() =>
            Effect.andThen(
              Effect.sync(() => closed.push(id)),
              id === 2 ? Effect.die("finalizer") : Effect.void
            )
          )
        ),
        onDestroy: (tool) =>
          Effect.andThen(box.destroy(tool), tool.id === 1 ? Effect.die("onDestroy") : Effect.void)
      })
      const scope = yield* Scope.make()
      const herd = Context.get(yield* Layer.buildWithScope(layer, scope), Tools)
      yield* flush
      yield* Scope.close(scope, Exit.void)
      const { resources } = yield* herd.stats

      assert.strictEqual(box.alive(), 0)
      assert.deepStrictEqual(
        closed.toSorted((a, b) => a - b),
        [1, 2, 3, 4]
      )
      assert.include(resources, { created: 4, destroyed: 4, alive: 0, destroyFailures: 2, leaked: 0 })
    })
  )

  it.effect("the finalizer of a creation that fails runs", () =>
    Effect.gen(function* () {
      let finalized = 0
      const layer = owning(toolbox(), {
        workers: { max: 1 },
        onCreate: Effect.addFinalizer(() => Effect.sync(() => finalized++)).pipe(
          Effect.andThen(Effect.fail("no tool"))
        ),
        createRetry: Schedule.spaced("1 second")
      })
      yield* Effect.gen(function* () {
        yield* flush
        const { resources } = yield* (yield* Tools).stats

        assert.strictEqual(finalized, 1)
        assert.include(resources, { created: 0, createFailures: 1, alive: 0, lastCreateError: "no tool" })
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("Effect Pool: failing creation", () => {
  it.effect("runNow without an idle worker reports why no resource could be made", () =>
    Effect.gen(function* () {
      const herd = yield* Tools
      const error = yield* Effect.flip(herd.runNow(useTool))

      assert.include(error, { _tag: "ResourceUnavailable", cause: "no tool" })
    }).pipe(Effect.provide(owning(toolbox(), { workers: { max: 1 }, onCreate: Effect.fail("no tool") })))
  )

  it.effect("a task that waits because creation fails times out and says so", () =>
    Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const waiting = yield* start(Effect.flip(herd.run(useTool, { timeout: "3 seconds" })))
      yield* TestClock.adjust("3 seconds")

      assert.include(yield* Fiber.join(waiting), {
        _tag: "TaskTimeout",
        phase: "waiting",
        workers: 0,
        lastCreateError: "no tool"
      })
    }).pipe(
      Effect.provide(
        owning(toolbox(), {
          workers: { max: 1 },
          onCreate: Effect.fail("no tool"),
          createRetry: Schedule.spaced("1 second")
        })
      )
    )
  )

  it.effect("failed creations use up no worker: once creation works, all workers are there", () => {
    const box = toolbox()
    let calls = 0
    const onCreate = Effect.suspend(() => (++calls <= 7 ? Effect.fail("not yet") : box.make))
    return Effect.gen(function* () {
      const herd = yield* Tools
      const waiting = yield* start(herd.run(useTool))
      yield* TestClock.adjust("10 seconds")
      const { resources, workers } = yield* herd.stats

      assert.strictEqual(yield* Fiber.join(waiting), 1)
      assert.include(workers, { idle: 3, starting: 0, size: 3 })
      assert.include(resources, { created: 3, createFailures: 7 })
    }).pipe(
      Effect.provide(owning(box, { workers: { max: 3 }, onCreate, createRetry: Schedule.spaced("1 second") }))
    )
  })

  it.effect("a creation that takes longer than createTimeout is given up and tried again", () => {
    const box = toolbox()
    let calls = 0
    const onCreate = Effect.suspend(() => (++calls === 1 ? Effect.never : box.make))
    return Effect.gen(function* () {
      const herd = yield* Tools
      const waiting = yield* start(herd.run(useTool))
      yield* TestClock.adjust("2 seconds")
      const early = exitOf(waiting)
      yield* TestClock.adjust("2 seconds")

      assert.deepStrictEqual([early, exitOf(waiting)], [undefined, Exit.succeed(1)])
    }).pipe(
      Effect.provide(
        owning(box, {
          workers: { max: 1 },
          onCreate,
          createTimeout: "3 seconds",
          createRetry: Schedule.spaced("1 second")
        })
      )
    )
  })
})

describe("Effect Pool: size", () => {
  it.effect("never more resources than workers.max, and no more tasks at once", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      const { open, seen, task } = gate()
      const all = yield* start(herd.runAll(Array.from({ length: 50 }, () => Effect.andThen(useTool, task))))
      yield* flush
      const during = [box.tools.length, seen.running]
      yield* open
      yield* Fiber.join(all)

      assert.deepStrictEqual([...during, box.tools.length, seen.peak], [3, 3, 3, 3])
    }).pipe(Effect.provide(owning(box, { workers: { max: 3 } })))
  })

  it.effect("an idle resource is used again before others are", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const used = yield* Effect.replicateEffect(herd.run(useTool), 5)

      assert.strictEqual(new Set(used).size, 1)
      assert.strictEqual(box.tools.length, 4)
    }).pipe(Effect.provide(owning(box, { workers: { max: 4 } })))
  })

  it.effect("size 0 destroys every resource, and growing again makes new ones", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* herd.resize(0)
      yield* flush
      const none = box.alive()
      const waiting = yield* start(herd.run(useTool))
      yield* flush
      const before = exitOf(waiting)
      yield* herd.resize(2)

      assert.deepStrictEqual([none, before], [0, undefined])
      assert.strictEqual(box.tools.length - (yield* Fiber.join(waiting)) <= 1, true)
      assert.strictEqual(box.alive(), 2)
    }).pipe(Effect.provide(owning(box, { workers: { max: 5 } })))
  })

  it.effect("when every worker turns unhealthy at once the next task still gets a new resource", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* herd.runAll(
        Array.from({ length: 4 }, () => Effect.andThen(Effect.yieldNow, Effect.fail("bad"))),
        {
          mode: "settle"
        }
      )
      const next = yield* herd.run(useTool)
      yield* flush

      assert.strictEqual(next > 4, true)
      assert.deepStrictEqual([box.tools.length, box.alive()], [8, 4])
    }).pipe(Effect.provide(owning(box, { workers: { max: 4 }, ...unhealthy })))
  })

  it.effect("an unhealthy resource is destroyed before its replacement is made", () => {
    const order: Array<string> = []
    const box = toolbox()
    const layer = owning(box, {
      workers: { max: 1 },
      ...unhealthy,
      onCreate: Effect.tap(box.make, ({ id }) => Effect.sync(() => order.push(`create ${id}`))),
      onDestroy: ({ id }) => Effect.sync(() => order.push(`destroy ${id}`))
    })
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* Effect.exit(herd.run(Effect.fail("bad")))
      yield* flush

      assert.deepStrictEqual(order, ["create 1", "destroy 1", "create 2"])
    }).pipe(Effect.provide(layer))
  })
})

describe("Effect Pool: shutdown", () => {
  it.effect("kill settles callers that wait for a worker", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* herd.submit(Effect.never)
      const waiting = yield* Effect.forEach([1, 2, 3], () => start(Effect.flip(herd.run(useTool))))
      const report = yield* herd.kill
      const errors = yield* Effect.forEach(waiting, Fiber.join)

      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["HerdClosed", "HerdClosed", "HerdClosed"]
      )
      assert.deepStrictEqual(report, { completed: 0, interrupted: 1, abandoned: 3, leaked: 0 })
      assert.strictEqual(box.alive(), 0)
    }).pipe(Effect.provide(owning(box, { workers: { max: 1 } })))
  })

  it.effect("closing while a resource is being made destroys it", () => {
    const box = toolbox()
    const made = Latch.makeUnsafe()
    const onCreate = Effect.andThen(Effect.uninterruptible(made.await), box.make)
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = owning(box, {
        workers: { max: 2 },
        onCreate,
        shutdown: { interrupt: "1 second", destroy: "1 second" }
      })
      yield* Layer.buildWithScope(layer, scope)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* flush
      yield* made.open
      yield* flush

      assert.deepStrictEqual(exitOf(closing), Exit.void)
      assert.strictEqual(box.alive(), 0)
    })
  })

  it.effect("a resource whose destruction hangs is reported as leaked when its time is over", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const stopping = yield* start(herd.stop({ destroy: "5 seconds" }))
      yield* TestClock.adjust("5 seconds")
      const report = yield* Fiber.join(stopping)

      assert.strictEqual(report.leaked, 1)
      assert.strictEqual((yield* herd.stats).resources.leaked, 1)
    }).pipe(
      Effect.provide(
        owning(box, {
          workers: { max: 1 },
          onDestroy: () => Effect.uninterruptible(Effect.never),
          shutdown: { destroy: "5 seconds" }
        })
      )
    )
  })
})

describe("Effect Pool: interruption", () => {
  it.effect("a caller that waits for the first resource can be interrupted at once", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      const caller = yield* start(herd.run(useTool))
      yield* Fiber.interrupt(caller)

      const exit = exitOf(caller)
      assert.strictEqual(exit !== undefined && Exit.hasInterrupts(exit), true)
      assert.strictEqual((yield* herd.stats).workers.starting, 1)
    }).pipe(
      Effect.provide(
        owning(box, { workers: { max: 1 }, onCreate: Effect.andThen(Effect.sleep("1 minute"), box.make) })
      )
    )
  })

  it.effect("an interrupted waiter takes no worker away from the next one", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const { open, task } = gate()
      yield* start(herd.run(task))
      const gone = yield* start(herd.run(useTool))
      const next = yield* start(herd.run(useTool))
      yield* Fiber.interrupt(gone)
      yield* open

      assert.strictEqual(yield* Fiber.join(next), 1)
      assert.strictEqual(box.tools[0]?.uses, 1)
    }).pipe(Effect.provide(owning(box, { workers: { max: 1 } })))
  })

  it.effect("a worker comes back after its task failed, died or was interrupted", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* Effect.exit(herd.run(Effect.fail("no")))
      yield* Effect.exit(herd.run(Effect.die("broken")))
      const caller = yield* start(herd.run(Effect.never))
      yield* Fiber.interrupt(caller)

      assert.include((yield* herd.stats).workers, { idle: 1, busy: 0 })
      assert.strictEqual(yield* herd.run(useTool), 1)
    }).pipe(Effect.provide(owning(box, { workers: { max: 1 } })))
  })

  /** Interrupts its fiber at the n-th step that the fiber takes. */
  const interruptAt = (n: number): Scheduler.Scheduler => {
    const inner = new Scheduler.MixedScheduler()
    let steps = 0
    return {
      executionMode: inner.executionMode,
      makeDispatcher: () => inner.makeDispatcher(),
      shouldYield: (fiber) => {
        if (++steps === n) fiber.interruptUnsafe()
        return inner.shouldYield(fiber)
      }
    }
  }

  const everywhere = (use: (herd: Herd.Herd<{ readonly sheds: true }>) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      let interrupted = 0
      for (let n = 1; n <= 120; n++) {
        const box = toolbox()
        const stats = yield* Effect.gen(function* () {
          const herd = yield* Tools
          yield* flush
          const caller = yield* start(Effect.provideService(use(herd), Scheduler.Scheduler, interruptAt(n)))
          yield* TestClock.adjust("1 second")
          const exit = exitOf(caller)
          assert.notStrictEqual(exit, undefined, `step ${n}: the caller hangs`)
          if (exit?._tag === "Failure" && Cause.hasInterrupts(exit.cause)) interrupted++
          yield* herd.awaitIdle
          yield* flush
          return yield* herd.stats
        }).pipe(
          Effect.provide(
            owning(box, {
              workers: { max: 2 },
              maxTemporary: 1,
              // A creation that is interrupted just after its last step gives no value to destroy. A finalizer does.
              onCreate: Effect.acquireRelease(box.make, box.destroy),
              onDestroy: () => Effect.void
            })
          )
        )
        assert.include(stats.workers, { idle: 2, busy: 0, starting: 0 }, `step ${n}: a worker is lost`)
        assert.include(stats.tasks, { queued: 0, running: 0, admitting: 0 }, `step ${n}`)
        assert.include(stats.resources, { alive: 2, temporary: 0 }, `step ${n}: a resource is lost`)
        assert.strictEqual(box.alive(), 0, `step ${n}: a resource outlives the herd`)
      }
      return interrupted
    })

  const work = Effect.andThen(Effect.sleep(10), Effect.ensuring(Effect.yieldNow, Effect.sleep(5)))

  it.effect("run interrupted at every step loses no worker", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* everywhere((herd) => herd.run(work)), 5)
    })
  )

  it.effect("submit and join interrupted at every step lose no worker", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* everywhere((herd) => Effect.flatMap(herd.submit(work), ({ join }) => join)), 5)
    })
  )

  it.effect(
    "runNow on a temporary resource interrupted at every step loses neither worker nor resource",
    () =>
      Effect.gen(function* () {
        const use = (herd: Herd.Herd<{ readonly sheds: true }>) =>
          Effect.all([herd.run(work), herd.run(work), herd.runNow(work)], { concurrency: 3 })
        assert.isAbove(yield* everywhere(use), 5)
      })
  )

  it.effect("runAll interrupted at every step loses no worker", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* everywhere((herd) => herd.runAll([work, work, work])), 5)
    })
  )

  it.effect("a worker's own resource is given to each of its tasks", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const { open, task } = gate()
      const both = yield* start(
        herd.runAll([Effect.andThen(task, useTool), Effect.andThen(task, useTool), Effect.map(Tool, () => 0)])
      )
      yield* open
      const [first, second, third] = yield* Fiber.join(both)

      assert.deepStrictEqual(new Set([first, second, third]), new Set([1, 2, 0]))
    }).pipe(Effect.provide(owning(box, { workers: { max: 2 } })))
  })
})
