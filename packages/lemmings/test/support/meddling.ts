/**
 * A user whose every callback looks at the herd, acts on it, and sometimes throws: what promise 19 is about.
 */
import { assert } from "@effect/vitest"
import { type Cause, Context, Effect, Exit, Layer, Logger, Schedule, type Scope } from "effect"
import { Herd, type HerdEvent, ScalingPolicy, type TaskHandle } from "../../src/index.ts"
import { assertConserved } from "../../src/testing/index.ts"
import { mulberry } from "../internal/mulberry.ts"

class Thing extends Context.Service<Thing, { readonly n: number }>()("test/Meddled/Thing") {}
class Owning extends Herd.Service<Owning>()("test/Meddled", {
  resource: Thing,
  sheds: true,
  overflow: "suspend"
}) {}
class Rejecting extends Herd.Service<Rejecting>()("test/MeddledRejecting", {
  resource: Thing,
  sheds: true,
  overflow: "reject"
}) {}
class Dropping extends Herd.Service<Dropping>()("test/MeddledDropping", {
  resource: Thing,
  overflow: "dropLowest"
}) {}

type Herd1 = Effect.Success<typeof Owning>

/** What a callback throws. Whoever sees it knows that it is none of ours. */
class Mischief extends Error {}

/** Every kind of callback that there is. All of them have to be seen in some seed. */
export const callbacks = [
  "event listener",
  "onTaskStart",
  "onTaskComplete",
  "onTaskError",
  "onWorkerStart",
  "onWorkerStop",
  "middleware",
  "checkHealth",
  "while",
  "retry schedule",
  "scaling policy",
  "onCreate",
  "onDestroy",
  "ready",
  "validate",
  "onInterrupt",
  "recycleWhen",
  "awaitLost",
  "utilization",
  "task",
  "finalizer",
  "observer",
  "own observer",
  "iterable",
  "logger"
] as const

type Callback = (typeof callbacks)[number]

interface Result {
  readonly called: Set<string>
  readonly broken: Array<string>
}

/**
 * Whether it is the herd that calls. What an observer throws at a dispatcher or a timer of Effect ends the process, or
 * loses the fibers that come after it.
 */
const isHerdStack = (): boolean => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 100
  const stack = (new Error("where").stack ?? "").split("\n")
  Error.stackTraceLimit = stackTraceLimit
  const at = (part: string) => stack.findIndex((line) => line.includes(part))
  const herd = at("FiberPool")
  const other = stack.findIndex((line) => /runTasks|VirtualTime|TestClock/.test(line))
  return herd !== -1 && (other === -1 || herd < other)
}

/** How much a user does in one life of a herd, and how deep in its own callbacks. */
const mostActs = 120
const deepest = 4

/** One life of a herd, drawn from the seed. Dies where something is lost, told twice, or does not add up. */
export const meddle = (seed: number): Effect.Effect<Result, never, Scope.Scope> =>
  Effect.gen(function* () {
    const random = mulberry(seed)
    const below = (n: number) => Math.floor(random() * n)
    const chance = (of: number) => random() < of
    const called = new Set<string>()
    const broken: Array<string> = []
    const handles: Array<TaskHandle<unknown, unknown>> = []
    // Callers that have begun to wait, and how often each was told.
    const told = new Map<number, number>()
    let herd: Herd1 | undefined
    let acts = 0
    let depth = 0
    let callers = 0
    let meddling = true
    let stopping = false
    const throws = chance(0.3) ? 0 : 0.15 * random()
    const acting = 0.2 + 0.5 * random()

    const look = (where: string) => {
      if (herd === undefined) return
      try {
        assertConserved(Effect.runSync(herd.stats))
      } catch (error) {
        if (broken.length < 3) broken.push(`${where}: ${String(error)}`)
      }
    }
    /** Runs it as a caller of its own, which has to be told once. */
    const call = (effect: Effect.Effect<unknown, unknown>): void => {
      const caller = callers++
      told.set(caller, 0)
      const fiber = Effect.runFork(Effect.provideContext(effect, context))
      fiber.addObserver(() => {
        told.set(caller, (told.get(caller) ?? 0) + 1)
        meddleIn("observer")
      })
      if (chance(0.1)) fiber.interruptUnsafe()
    }
    let context: Context.Context<never> = Context.empty()

    const body = (): Effect.Effect<number, string> =>
      Effect.gen(function* () {
        if (chance(0.1)) {
          yield* Effect.withFiber((fiber) => {
            fiber.addObserver(() => meddleIn("own observer"))
            return Effect.void
          })
        }
        meddleIn("task")
        if (chance(0.6)) yield* Effect.sleep(below(6))
        meddleIn("task")
        if (chance(0.25)) return yield* Effect.fail("failed")
        return 1
      }).pipe(Effect.ensuring(Effect.suspend(() => Effect.exit(Effect.sync(() => meddleIn("finalizer"))))))
    const options = () => ({
      priority: below(4),
      ...(chance(0.2) ? { timeout: 1 + below(4) } : {}),
      ...(chance(0.2) ? { deadline: 1 + below(8) } : {}),
      ...(chance(0.2) ? { acquireTimeout: below(5) } : {}),
      ...(chance(0.5) ? { retry, while: () => meddleIn("while") } : {}),
      ...(chance(0.1) ? { once: true } : {})
    })
    const retry = Schedule.recurs(2).pipe(
      Schedule.tap(() => Effect.sync(() => meddleIn("retry schedule"))),
      Schedule.addDelay(() => Effect.succeed(below(3)))
    )
    function* several() {
      for (let n = below(6); n >= 0; n--) {
        meddleIn("iterable")
        yield body()
      }
    }

    const one = <A>(items: ReadonlyArray<A>): A | undefined => items[below(items.length)]
    const deeds: ReadonlyArray<(herd: Herd1) => void> = [
      (herd) => call(herd.run(body(), options())),
      (herd) =>
        call(
          Effect.flatMap(herd.submit(body(), options()), (handle) => (handles.push(handle), handle.await))
        ),
      (herd) => call(Effect.map(herd.offer(body(), options()), (handle) => handles.push(handle))),
      (herd) => call(herd.runNow(body())),
      (herd) =>
        call(chance(0.5) ? herd.runAll(several(), { mode: "settle" }) : herd.runAll(several(), options())),
      (herd) => call(herd.runAll([body(), body(), body()], chance(0.5) ? { mode: "settle" } : {})),
      () => call(one(handles)?.interrupt ?? Effect.void),
      () => call(one(handles)?.interrupt ?? Effect.void),
      () => call(one(handles)?.await ?? Effect.void),
      () => call(one(handles)?.setPriority(below(9)) ?? Effect.void),
      (herd) => call(herd.resize(below(5))),
      (herd) => call(herd.resize("auto")),
      (herd) => call(herd.setBounds({ min: below(2), max: 1 + below(5) })),
      (herd) => call(herd.pause),
      (herd) => call(herd.resume),
      (herd) => call(herd.resume),
      (herd) => call(herd.clear),
      (herd) => call(herd.evictAll()),
      (herd) => call(herd.awaitEmpty),
      (herd) => call(herd.interruptTask(String(below(60)))),
      (herd) => {
        if (!stopping && chance(0.1)) {
          stopping = true
          call(chance(0.5) ? herd.kill : herd.stop({ drain: below(20), interrupt: below(10) }))
        }
      }
    ]
    const act = () => {
      if (herd === undefined || acts >= mostActs || depth >= deepest) return
      acts++
      depth++
      try {
        one(deeds)?.(herd)
      } catch (error) {
        // What our own observers throw comes back here, where nothing of the herd's may be.
        if (!(error instanceof Mischief)) broken.push(`an act threw ${String(error)}`)
      } finally {
        depth--
      }
    }
    /** What every callback does. */
    const meddleIn = (where: Callback): boolean => {
      called.add(where)
      if (!meddling) return true
      look(where)
      if (chance(acting)) act()
      if (chance(throws) && (!where.endsWith("observer") || isHerdStack())) throw new Mischief(where)
      return chance(0.8)
    }
    const effectful = (where: Callback) =>
      Effect.suspend(() => {
        meddleIn(where)
        return chance(0.3) ? Effect.sleep(below(3)) : Effect.void
      })

    const policy = ScalingPolicy.make({
      name: "meddling",
      targetWait: chance(0.5) ? 0 : 5,
      initial: undefined,
      decide: (sample) => {
        meddleIn("scaling policy")
        return [
          { target: chance(0.1) ? NaN : sample.workers.busy + sample.queued, reason: "wanted" },
          undefined
        ]
      }
    })
    const min = below(2)
    const settings = {
      onCreate: Effect.suspend(() => {
        meddleIn("onCreate")
        return chance(0.15) ? Effect.fail("no") : Effect.delay(Effect.succeed({ n: 1 }), chance(0.5) ? 0 : 1)
      }),
      onDestroy: () => effectful("onDestroy"),
      ...(chance(0.4) ? { ready: () => effectful("ready") } : {}),
      onInterrupt: () => effectful("onInterrupt"),
      validate: () => Effect.as(effectful("validate"), chance(0.9)),
      validateAfter: below(3),
      recycleWhen: () => !meddleIn("recycleWhen"),
      ...(chance(0.3)
        ? { awaitLost: () => Effect.andThen(effectful("awaitLost"), Effect.sleep(below(30))) }
        : {}),
      utilization: () => (meddleIn("utilization") ? 0.5 : undefined),
      checkHealth: () => meddleIn("checkHealth"),
      middleware: chance(0.5)
        ? [
            <A, E, R>(task: Effect.Effect<A, E, R>) => {
              meddleIn("middleware")
              return task
            }
          ]
        : [],
      hooks: {
        onTaskStart: () => effectful("onTaskStart"),
        onTaskComplete: () => effectful("onTaskComplete"),
        onTaskError: () => effectful("onTaskError"),
        onWorkerStart: () => effectful("onWorkerStart"),
        onWorkerStop: () => effectful("onWorkerStop")
      },
      workers: { min, max: min + 1 + below(4) },
      scaling: chance(0.6) ? policy : chance(0.5) ? ("fixed" as const) : ("instant" as const),
      scalingInterval: 5,
      maxUses: chance(0.3) ? 2 : ("unlimited" as const),
      idleTimeToLive: chance(0.5) ? 10 : ("never" as const),
      spares: below(2),
      maxTemporary: below(3),
      maxRequeues: 1,
      leakAfter: chance(0.3) ? 4 : ("never" as const),
      onLeak: chance(0.5) ? ("interrupt" as const) : ("report" as const),
      shutdown: { drain: 200, interrupt: 50, destroy: 100 }
    }
    const capacity = chance(0.3) ? ("unbounded" as const) : 1 + below(4)
    const live = [
      Layer.effectDiscard(Effect.void),
      Owning.layer({ ...settings, queue: { capacity } }),
      Rejecting.layer({ ...settings, queue: { capacity } }),
      Dropping.layer({ ...settings, queue: { capacity } })
    ]
    const which = 1 + below(3)
    const warnings = Logger.layer([Logger.make(() => void meddleIn("logger"))])
    context = Context.merge(yield* Effect.context(), yield* Layer.build(warnings))
    const built = yield* Layer.build(
      Layer.provide(live[which] as (typeof live)[1] & Layer.Layer<Owning>, warnings)
    )
    herd = Context.get(built, [Owning, Owning, Rejecting, Dropping][which] as unknown as typeof Owning)
    const listening = (event: HerdEvent) => void (event.herd !== "" && meddleIn("event listener"))
    // Those that throw are not called again.
    for (let n = 0; n < 4; n++) yield* herd.listen(listening)

    for (let step = 0; step < 30; step++) {
      act()
      act()
      look("between two steps")
      yield* Effect.sleep(below(4))
    }
    // What has been paused or sent away comes back, so that nobody waits for it.
    yield* Effect.exit(herd.resume)
    yield* Effect.exit(herd.setBounds({ min: 1, max: 4 }))
    yield* Effect.sleep("1 second")
    yield* Effect.exit(herd.stop({ drain: "1 minute", interrupt: "1 minute" }))
    const stats = yield* herd.stats
    assertConserved(stats)
    const { tasks, workers } = stats
    assert.deepStrictEqual(
      [
        stats.state,
        tasks.queued,
        tasks.delayed,
        tasks.running,
        tasks.admitting,
        workers.size,
        workers.stopping
      ],
      ["closed", 0, 0, 0, 0, 0, 0],
      "nothing is left"
    )
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    const untold = [...told].filter(([, times]) => times !== 1)
    assert.deepStrictEqual(untold, [], "every caller is told once")
    for (const handle of handles) {
      const first = yield* handle.await
      assert.strictEqual(yield* handle.await, first, "a task ends once")
      const status = yield* handle.status
      assert.include(["succeeded", "failed", "interrupted", "shed"], status)
      if (Exit.isFailure(first)) assert.isFalse(first.cause.reasons.some(isOurs), String(first))
    }
    return { called, broken }
  })

/** A defect that is neither the user's nor one of a herd's errors. */
const isOurs = (reason: Cause.Reason<unknown>): boolean =>
  reason._tag === "Die" &&
  !(reason.defect instanceof Mischief) &&
  !String((reason.defect as { _tag?: unknown })._tag).startsWith("TaskShed")
