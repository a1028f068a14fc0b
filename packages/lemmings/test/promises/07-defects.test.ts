import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Schedule, type Scope, Stream } from "effect"
import { Herd, type HerdEvent, Lemmings, type Middleware } from "../../src/index.ts"
import { collectWarnings, conserved, fork, listen, settled } from "./support.ts"

class Tool extends Context.Service<Tool, { readonly id: number }>()("test/Tool") {}
class Tools extends Herd.Service<Tools>()("test/Tools", { resource: Tool }) {}

type Options = Herd.CommonOptions<"suspend"> & Partial<Herd.ResourceOptions<Tool["Service"], Scope.Scope>>

/** Builds a herd, runs `use` on it, and returns its events and its warnings. */
const observe = <A, E>(
  options: Options,
  use: (herd: Context.Service.Shape<typeof Tools>) => Effect.Effect<A, E, Tool>
) => {
  const warnings: Array<string> = []
  return Effect.gen(function* () {
    let id = 0
    const onCreate = Effect.sync(() => ({ id: ++id }))
    const herd = Context.get(
      yield* Layer.build(Tools.layer({ onCreate, scaling: "fixed", workers: { max: 1 }, ...options })),
      Tools
    )
    const events = yield* listen(herd)
    const exit = yield* Effect.exit(use(herd))
    yield* settled
    assert.strictEqual(yield* herd.run(Effect.succeed("well")), "well", "the herd goes on")
    yield* settled
    conserved(yield* herd.stats)
    return { events, exit, warnings, stats: yield* herd.stats }
  }).pipe(Effect.provide(collectWarnings(warnings)), Effect.provideService(Tool, { id: 0 }))
}

const failures = (events: ReadonlyArray<HerdEvent>) =>
  events.flatMap((event) => (event._tag === "PartFailed" ? [event.where] : []))

const boom = new Error("boom")
const throwing = (): never => {
  throw boom
}

describe("promise 7: a defect never harms the herd", () => {
  it.effect("a task's defect reaches its caller, the same value, and its worker goes on", () =>
    Effect.gen(function* () {
      const { events, exit, stats } = yield* observe({}, (herd) =>
        herd.run(Effect.sync(throwing), { id: "bad" })
      )

      assert.deepStrictEqual(exit, Exit.die(boom))
      assert.strictEqual(stats.tasks.failed, 1)
      assert.strictEqual(stats.resources.created, 1)
      const finished = events.find((event) => event._tag === "TaskFinished" && event.taskId === "bad")
      assert.deepInclude(finished, { outcome: "failed" })
    })
  )

  it.effect("a task's defect replaces the worker when checkHealth says so, and is not run again", () =>
    Effect.gen(function* () {
      let runs = 0
      const { exit, stats } = yield* observe({ checkHealth: (cause) => !Cause.hasDies(cause) }, (herd) =>
        herd.run(
          Effect.sync(() => {
            runs++
            throwing()
          })
        )
      )

      assert.deepStrictEqual(exit, Exit.die(boom))
      assert.strictEqual(runs, 1)
      assert.deepStrictEqual([stats.resources.created, stats.resources.destroyed], [2, 1])
    })
  )

  const hooks = ["onTaskStart", "onTaskComplete", "onTaskError", "onWorkerStart", "onWorkerStop"] as const
  const ways = {
    "that throws": throwing,
    "that dies": () => Effect.die(boom),
    "that fails": () => Effect.fail("no")
  }
  for (const hook of hooks) {
    for (const [way, bad] of Object.entries(ways)) {
      it.effect(`${hook} ${way} is reported and reaches no task`, () =>
        Effect.gen(function* () {
          const { events, exit, warnings } = yield* observe({ hooks: { [hook]: bad } }, (herd) =>
            Effect.gen(function* () {
              const ok = yield* herd.run(Effect.succeed(1))
              const error = yield* Effect.flip(herd.run(Effect.fail("own")))
              yield* herd.resize(0)
              yield* herd.resize(1)
              return [ok, error]
            })
          )

          assert.deepStrictEqual(exit, Exit.succeed([1, "own"]))
          assert.include(failures(events), hook)
          assert.include(warnings, `herd test/Tools: ${hook} failed`)
        })
      )
    }
  }

  it.effect("a checkHealth that throws is reported, and the worker counts as healthy", () =>
    Effect.gen(function* () {
      const { events, exit, stats, warnings } = yield* observe({ checkHealth: throwing }, (herd) =>
        herd.run(Effect.fail("own"))
      )

      assert.deepStrictEqual(exit, Exit.fail("own"))
      assert.deepStrictEqual(failures(events), ["checkHealth"])
      assert.deepStrictEqual(warnings, ["herd test/Tools: checkHealth failed"])
      assert.strictEqual(stats.resources.created, 1)
    })
  )

  it.effect("a while predicate that throws is reported, and the task's own error comes back", () =>
    Effect.gen(function* () {
      const { events, exit, warnings } = yield* observe({}, (herd) =>
        herd.run(Effect.fail("own"), { retry: Schedule.recurs(3), while: throwing })
      )

      assert.deepStrictEqual(exit, Exit.fail("own"))
      assert.deepStrictEqual(failures(events), ["while"])
      assert.deepStrictEqual(warnings, ["herd test/Tools: while failed"])
    })
  )

  const schedules = {
    "that dies": Schedule.forever.pipe(Schedule.tap(() => Effect.die(boom))),
    "that throws": Schedule.forever.pipe(Schedule.while(throwing))
  }
  for (const [way, retry] of Object.entries(schedules)) {
    it.effect(`a retry schedule ${way} is reported, and the task's own error comes back`, () =>
      Effect.gen(function* () {
        const { events, exit, warnings } = yield* observe({}, (herd) =>
          herd.run(Effect.fail("own"), { retry })
        )

        assert.deepStrictEqual(exit, Exit.fail("own"))
        assert.deepStrictEqual(failures(events), ["the retry schedule"])
        assert.deepStrictEqual(warnings, ["herd test/Tools: the retry schedule failed"])
      })
    )
  }

  it.effect("a middleware that throws is its task's defect, and the next task is not harmed", () =>
    Effect.gen(function* () {
      const bad: Middleware = (task, { label }) => (label === "bad" ? throwing() : task)
      const { exit, stats } = yield* observe({ middleware: [bad] }, (herd) =>
        herd.run(Effect.void, { label: "bad" })
      )

      assert.deepStrictEqual(exit, Exit.die(boom))
      assert.strictEqual(stats.tasks.failed, 1)
    })
  )

  const destroyers = {
    "that throws": throwing,
    "that dies": () => Effect.die(boom),
    "that fails": () => Effect.fail(boom)
  }
  for (const [way, onDestroy] of Object.entries(destroyers)) {
    it.effect(`an onDestroy ${way} is reported, and the scope's finalizers run all the same`, () =>
      Effect.gen(function* () {
        let finalized = 0
        const onCreate = Effect.as(
          Effect.addFinalizer(() => Effect.sync(() => finalized++)),
          { id: 1 }
        )
        const { events, stats, warnings } = yield* observe({ onCreate, onDestroy }, (herd) =>
          Effect.andThen(herd.resize(0), herd.resize(1))
        )

        assert.strictEqual(finalized, 1)
        assert.deepInclude(
          events.find(({ _tag }) => _tag === "ResourceDestroyFailed"),
          { leaked: false, error: boom, workerId: 1 }
        )
        assert.deepStrictEqual(warnings, ["herd test/Tools: onDestroy failed"])
        assert.deepStrictEqual([stats.resources.destroyFailures, stats.resources.destroyed], [1, 1])
      })
    )
  }

  it.effect("a subscriber that dies or never reads does not harm the herd or other subscribers", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* observe({}, (herd) =>
        Effect.gen(function* () {
          const dying = yield* fork(Stream.runForEach(herd.events, () => Effect.die(boom)))
          yield* fork(Stream.runForEach(herd.events, () => Effect.never))
          yield* herd.runAll(Array.from({ length: 3000 }, () => Effect.void))
          yield* settled
          return dying.pollUnsafe()
        })
      )

      assert.deepStrictEqual(exit, Exit.succeed(Exit.die(boom)))
      assert.strictEqual(events.at(-1)?._tag, "TaskFinished")
    })
  )

  it.effect("an onCreate that throws is a failed creation, tried again", () =>
    Effect.gen(function* () {
      let calls = 0
      const { stats } = yield* observe(
        {
          onCreate: () => (++calls === 1 ? throwing() : Effect.succeed({ id: calls })),
          createRetry: Schedule.recurs(1)
        },
        () => Effect.void
      )

      assert.deepStrictEqual([stats.resources.createFailures, stats.resources.created], [1, 1])
    })
  )

  it.effect("an onInterrupt that dies is reported and frees the worker", () =>
    Effect.gen(function* () {
      const { events } = yield* observe({ onInterrupt: throwing }, (herd) =>
        Effect.gen(function* () {
          const handle = yield* herd.submit(Effect.never)
          yield* handle.interrupt
        })
      )

      assert.deepStrictEqual(failures(events), ["onInterrupt"])
    })
  )

  it.effect("an iterable that throws is runAll's defect, and ends the tasks that it gave", () =>
    Effect.gen(function* () {
      let [begun, ended] = [0, 0]
      const task = Effect.acquireUseRelease(
        Effect.sync(() => begun++),
        () => Effect.never,
        () => Effect.sync(() => ended++)
      )
      const tasks = function* () {
        yield task
        yield task
        throwing()
      }
      const { exit, stats } = yield* observe({}, (herd) => herd.runAll(tasks()))

      assert.deepStrictEqual(exit, Exit.die(boom))
      assert.strictEqual(ended, begun)
      assert.deepStrictEqual([stats.tasks.running, stats.tasks.queued], [0, 0])
    })
  )

  it.effect("a stream's function that throws is the defect of that element only", () =>
    Effect.gen(function* () {
      const { exit } = yield* observe({}, (herd) =>
        herd
          .stream(Stream.make(1, 2, 3), (n) => (n === 2 ? throwing() : Effect.succeed(n)), { ordered: true })
          .pipe(
            Stream.map(({ result }) => result),
            Stream.runCollect
          )
      )

      assert.deepStrictEqual(exit, Exit.succeed([Exit.succeed(1), Exit.die(boom), Exit.succeed(3)]))
    })
  )

  it.effect("the ready-made herd survives a thousand defects", () =>
    Effect.gen(function* () {
      const herd = Context.get(
        yield* Layer.build(Lemmings.layer({ scaling: "fixed", workers: { max: 2 } })),
        Lemmings
      )

      const exits = yield* herd.runAll(
        Array.from({ length: 1000 }, () => Effect.sync(throwing)),
        { mode: "settle" }
      )

      assert.isTrue(exits.every((exit) => Exit.isFailure(exit) && Cause.squash(exit.cause) === boom))
      assert.strictEqual((yield* herd.stats).workers.idle, 2)
    })
  )
})
