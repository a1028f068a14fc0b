import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { Herd, type HerdEvent, ScalingPolicy } from "../../src/index.ts"
import { assertConserved } from "../../src/testing/index.ts"
import { fork, settled, start } from "./support.ts"

class Shedding extends Herd.Service<Shedding>()("test/SettledFirst", { sheds: true }) {}
class Thing extends Context.Service<Thing, { readonly n: number }>()("test/SettledFirst/Thing") {}
class Things extends Herd.Service<Things>()("test/SettledFirst/Things", { resource: Thing }) {}

const closing = { drain: 0, interrupt: 0, destroy: 0 }
const shedding = Effect.map(
  Layer.build(Shedding.layer({ scaling: "fixed", workers: { min: 1, max: 1 }, shutdown: closing })),
  Context.get(Shedding)
)

describe("promise 19: settled first, told afterwards", () => {
  it.effect("a listener that interrupts the next while all are shed sees each shed once", () =>
    Effect.gen(function* () {
      const herd = yield* shedding
      yield* herd.pause
      const handles = yield* Effect.replicateEffect(herd.submit(Effect.void), 5)
      const told: Array<string> = []
      yield* herd.listen((event) => {
        if (event._tag !== "TaskShed") return
        told.push(event.taskId)
        for (const handle of handles) Effect.runFork(handle.interrupt)
      })
      assert.strictEqual(yield* herd.clear, 5)
      const { tasks } = yield* herd.stats
      assert.deepStrictEqual([tasks.submitted, tasks.shed, tasks.interrupted], [5, 5, 0])
      assert.deepStrictEqual(
        told,
        handles.map(({ id }) => id)
      )
      for (const handle of handles) assert.strictEqual(yield* handle.status, "shed")
    })
  )

  it.effect("a listener that interrupts a runAll whose tasks are shed changes nothing", () =>
    Effect.gen(function* () {
      const herd = yield* shedding
      yield* herd.pause
      const all = yield* fork(Effect.exit(herd.runAll(Array.from({ length: 4 }, () => Effect.void))))
      yield* herd.listen((event) => {
        if (event._tag === "TaskShed") all.interruptUnsafe()
      })
      yield* herd.clear
      const stats = yield* herd.stats
      assertConserved(stats)
      assert.deepStrictEqual([stats.tasks.shed, stats.tasks.interrupted], [4, 0])
      yield* Fiber.await(all)
    })
  )

  it.effect("a listener that makes news needs no stack, and every listener hears all in the same order", () =>
    Effect.gen(function* () {
      const herd = yield* shedding
      const heard: ReadonlyArray<Array<string>> = [[], []]
      let left = 10_000
      yield* herd.listen((event) => {
        heard[0]?.push(event._tag)
        if (event._tag === "TaskFinished" && left-- > 0) Effect.runFork(herd.submit(Effect.void))
      })
      yield* herd.listen((event) => void heard[1]?.push(event._tag))
      yield* herd.submit(Effect.void)
      yield* Effect.repeat(Effect.yieldNow, { until: () => left < 0 })
      yield* settled
      assert.strictEqual((yield* herd.stats).tasks.succeeded, 10_001)
      assert.strictEqual(heard[0]?.length, 30_003)
      assert.deepStrictEqual(heard[0], heard[1])
    })
  )

  it.effect("the counts add up wherever code of the user runs", () =>
    Effect.gen(function* () {
      const broken = new Map<string, string>()
      const seen = new Set<string>()
      let herd: Effect.Success<typeof Things> | undefined
      const look = (where: string) => {
        seen.add(where)
        if (herd === undefined) return
        try {
          assertConserved(Effect.runSync(herd.stats))
        } catch (error) {
          broken.set(where, (error as Error).message)
        }
      }
      const looked = (where: string) => () => Effect.sync(() => look(where))
      const live = Things.layer({
        onCreate: Effect.sync(() => {
          look("onCreate")
          return { n: 1 }
        }),
        onDestroy: looked("onDestroy"),
        ready: looked("ready"),
        onInterrupt: looked("onInterrupt"),
        validate: () => Effect.sync(() => (look("validate"), true)),
        validateAfter: 0,
        recycleWhen: () => (look("recycleWhen"), true),
        utilization: () => (look("utilization"), 0.5),
        checkHealth: () => (look("checkHealth"), false),
        maxRequeues: 1,
        middleware: [(task) => (look("middleware"), task)],
        hooks: {
          onTaskStart: looked("onTaskStart"),
          onTaskComplete: looked("onTaskComplete"),
          onTaskError: looked("onTaskError"),
          onWorkerStart: looked("onWorkerStart"),
          onWorkerStop: looked("onWorkerStop")
        },
        scaling: ScalingPolicy.make({
          name: "looking",
          targetWait: 0,
          initial: undefined,
          decide: ({ queued, workers }) => {
            look("policy")
            return [{ target: workers.busy + queued, reason: "wanted" }, undefined]
          }
        }),
        workers: { min: 1, max: 4 },
        shutdown: closing
      })
      herd = Context.get(yield* Layer.build(live), Things)
      yield* herd.listen((event) => look(event._tag))
      const retry = Schedule.recurs(2).pipe(Schedule.tap(() => Effect.sync(() => look("retry schedule"))))
      const failing = Effect.suspend(() => (look("task"), Effect.fail("no")))
      yield* Effect.exit(herd.run(failing, { retry, while: () => (look("while"), true) }))
      const twenty = Array.from({ length: 20 }, () => Effect.yieldNow)
      yield* herd.runAll(twenty)
      yield* herd.pause
      yield* fork(Effect.exit(herd.runAll(twenty)))
      yield* herd.submit(Effect.void)
      yield* herd.clear
      yield* herd.resume
      const endless = yield* herd.submit(Effect.never)
      yield* settled
      yield* endless.interrupt
      yield* herd.submit(Effect.never)
      yield* herd.resize(3)
      yield* herd.resize(1)
      yield* herd.evictAll()
      yield* herd.kill
      assert.deepStrictEqual([...broken], [])
      const wanted =
        "onCreate onDestroy ready onInterrupt recycleWhen utilization checkHealth middleware policy task while onWorkerStop " +
        "TaskAccepted TaskStarted TaskFinished TaskRequeued TaskRetried TaskShed"
      for (const where of wanted.split(" ").concat("retry schedule")) {
        assert.isTrue(seen.has(where), where)
      }
    })
  )

  it.effect("an observer that throws costs nobody else a wake-up", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 1, max: 1 } })
      yield* herd.pause
      let ran = 0
      const first = yield* herd.submit(Effect.sync(() => void ran++))
      const bad = Effect.runFork(first.await)
      bad.addObserver(() => {
        throw new Error("observer")
      })
      const good = yield* fork(first.join)
      const idle = Effect.runFork(herd.awaitIdle)
      idle.addObserver(() => {
        throw new Error("observer of the herd")
      })
      const alsoIdle = yield* fork(herd.awaitIdle)
      for (let n = 0; n < 10; n++) yield* herd.submit(Effect.sync(() => void ran++))
      yield* herd.resume
      yield* settled
      assert.strictEqual(ran, 11)
      yield* Fiber.join(good)
      yield* Fiber.join(alsoIdle)
    })
  )

  const suicides: Record<string, Effect.Effect<void>> = {
    "ends at once": Effect.void,
    waits: Effect.yieldNow
  }
  for (const [how, end] of Object.entries(suicides)) {
    it.effect(`a task that ${how} and gave its own fiber an observer that throws gives its worker back`, () =>
      Effect.gen(function* () {
        const herd = yield* start({ workers: { min: 1, max: 1 } })
        const task = Effect.withFiber((fiber) => {
          fiber.addObserver(() => {
            // Throwing at a dispatcher of Effect would end the process; here the worker has to come back by then.
            if (how === "ends at once") throw new Error("own observer")
            assert.strictEqual(Effect.runSync(herd.stats).workers.busy, 0)
          })
          return end
        })
        yield* Effect.exit(herd.run(task))
        const { tasks, workers } = yield* herd.stats
        assert.deepStrictEqual([tasks.running, workers.busy, workers.idle], [0, 0, 1])
        assert.strictEqual(yield* herd.run(Effect.succeed(1)), 1)
      })
    )
  }

  it.effect("a listener that closes the herd while a task is accepted settles that task", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 1, max: 1 } })
      yield* herd.listen((event: HerdEvent) => {
        if (event._tag === "TaskAccepted") Effect.runFork(herd.kill)
      })
      const exit = yield* Effect.exit(herd.run(Effect.never))
      assert.isTrue(Exit.isFailure(exit))
      const stats = yield* herd.stats
      assertConserved(stats)
      assert.strictEqual(stats.tasks.running, 0)
    })
  )

  it.effect("a policy that resizes the herd in its answer has the last word of the caller", () =>
    Effect.gen(function* () {
      let herd: Effect.Success<ReturnType<typeof start>> | undefined
      const scaling = ScalingPolicy.make({
        name: "meddling",
        targetWait: 0,
        initial: undefined,
        decide: () => {
          if (herd !== undefined) Effect.runSync(Effect.orDie(herd.resize(3)))
          return [{ target: 8, reason: "more" }, undefined]
        }
      })
      herd = yield* start({ scaling, workers: { min: 1, max: 8 } })
      yield* herd.submit(Effect.never)
      yield* herd.submit(Effect.never)
      assert.strictEqual(yield* herd.target, 3)
    })
  )

  it.effect("an offer that moves up at once is accepted, not refused and lost", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 1, max: 1 }, queue: { capacity: 1, overflow: "suspend" } })
      yield* herd.pause
      const waiting = yield* herd.submit(Effect.void)
      yield* herd.listen((event) => {
        if (event._tag === "TaskAccepted") Effect.runFork(waiting.interrupt)
      })
      yield* Effect.exit(herd.offer(Effect.void))
      yield* Effect.exit(herd.offer(Effect.void))
      assertConserved(yield* herd.stats)
      yield* herd.resume
      yield* herd.awaitIdle
      assertConserved(yield* herd.stats)
    })
  )
})
