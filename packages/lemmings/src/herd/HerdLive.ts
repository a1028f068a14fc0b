/** Puts the parts of one herd together behind its methods. */
import { Cause, Clock, Context, type Duration, Effect, type Stream } from "effect"
import * as Waits from "../internal/Waits.ts"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { FiberPool, type PoolListener } from "../dispatch/FiberPool.ts"
import * as Durations from "../model/Durations.ts"
import type * as HerdConfig from "../model/HerdConfig.ts"
import { ResourceUnavailable } from "../model/HerdError.ts"
import { HerdEvents } from "../model/HerdEvent.ts"
import { decodeAll, type OverloadOptions, type RetryBudgetOptions } from "../model/Limits.ts"
import { SystemMetrics } from "../model/SystemMetrics.ts"
import { HerdRegistry, type ManagedHerd, type StopOptions } from "../registry/HerdRegistry.ts"
import * as Inspect from "../observe/Inspect.ts"
import * as Prediction from "../flow/Prediction.ts"
import * as Pressure from "../flow/Pressure.ts"
import * as RetryBudget from "../flow/RetryBudget.ts"
import * as FlowControl from "./FlowControl.ts"
import { borrow, type Loan } from "./Loan.ts"
import type { Many, Tasks } from "./Many.ts"
import * as Report from "../observe/Report.ts"
import { Supervisor } from "../scaling/Supervisor.ts"
import { Resources } from "../workers/Resources.ts"
import * as Shutdown from "./Shutdown.ts"
import * as Submit from "./Submit.ts"
import * as Sizing from "./Sizing.ts"
import type { Hooks, Middleware, TaskOptions } from "../model/Task.ts"
import { TaskQueue } from "../dispatch/TaskQueue.ts"
import { drop } from "../task/Dropping.ts"
import { rememberPlaces } from "../task/TaskPlace.ts"
import * as TaskRuntime from "../task/TaskRuntime.ts"
import { type Runtime, type Waiting, waiting } from "../task/TaskRuntime.ts"
import { decode, TaskTerms } from "../task/TaskTerms.ts"
import * as Timers from "../internal/Timers.ts"

/** Options of a layer that are not settings. */
export const knownOptions: ReadonlyArray<string> = [
  "onCreate",
  "onDestroy",
  "ready",
  "onInterrupt",
  "validate",
  "recycleWhen",
  "awaitLost",
  "hasRoom",
  "utilization",
  "createRetry",
  "checkHealth",
  "retry",
  "middleware",
  "hooks",
  "limits",
  "overload",
  "retryBudget"
]

export interface Behaviour {
  readonly checkHealth?: Runtime["checkHealth"]
  readonly retry?: Runtime["retry"]
  readonly middleware?: ReadonlyArray<Middleware> | undefined
  readonly hooks?: Hooks | undefined
  readonly overload?: OverloadOptions | undefined
  readonly retryBudget?: RetryBudgetOptions | undefined
}

type Task = Effect.Effect<unknown, unknown>
type Options = TaskOptions | TaskTerms

/** A herd without the types of its tasks, which `Herd.Service` adds. */
export type Untyped = Effect.Success<ReturnType<typeof make>>

/** The effects of hooks run in the layer's context. */
const withContext = (hooks: Hooks, context: Context.Context<never>): Hooks => {
  const given =
    <Args extends ReadonlyArray<unknown>>(
      hook: ((...args: Args) => Effect.Effect<unknown, unknown>) | undefined
    ) =>
    (...args: Args) =>
      hook === undefined
        ? Effect.void
        : Effect.provideContext(
            Effect.suspend(() => hook(...args)),
            context
          )
  return {
    onTaskStart: hooks.onTaskStart && given(hooks.onTaskStart),
    onTaskComplete: hooks.onTaskComplete && given(hooks.onTaskComplete),
    onTaskError: hooks.onTaskError && given(hooks.onTaskError),
    onWorkerStart: hooks.onWorkerStart && given(hooks.onWorkerStart),
    onWorkerStop: hooks.onWorkerStop && given(hooks.onWorkerStop)
  }
}

/** What the pool tells its herd. */
const listener = (rt: Runtime, sizing: Sizing.Sizing, waits: Waits.Waits): PoolListener => {
  const { events, hooks, line, pool } = rt
  return {
    queued: () => waiting(rt),
    opened: () => {
      if (waiting(rt) === 0) return
      if (rt.supervision.resting()) rt.supervision.awoken()
      const now = rt.timers.now()
      rt.supervision.noticed(now, waiting(rt))
    },
    accepting: () => rt.state === "running",
    wanted: () => rt.supervision.wanted(),
    elastic: sizing.elastic,
    shrunk: sizing.shrunk,
    quiet: () => {
      sizing.quiet()
      waits.check()
    },
    clockJumped: (millis) => {
      const what = new Error(`the clock jumped by ${Math.round(millis / 1000)} s: all resources are replaced`)
      events.report("housekeeping", Cause.fail(what))
    },
    starved: () => {
      if (rt.starved) return
      rt.starved = true
      for (const task of line.waiting()) task.limit()
    },
    fed: () => {
      if (!rt.starved) return
      rt.starved = false
      for (const task of line.waiting()) task.unlimit()
    },
    workerStarted: (worker) => {
      const { onWorkerStart } = hooks
      if (onWorkerStart !== undefined)
        events.after(() => pool.background("onWorkerStart", onWorkerStart(worker)))
    },
    workerStopped: (worker) => {
      const { onWorkerStop } = hooks
      if (onWorkerStop !== undefined)
        events.after(() => pool.background("onWorkerStop", onWorkerStop(worker)))
    }
  }
}

/** Waits until the workers of the start are there. Fails when the resource of one cannot be made. */
const started = (
  rt: Pick<Runtime, "herd" | "pool">,
  resources: Resources["Service"],
  workers: number,
  waits: Waits.Waits
): Effect.Effect<void, ResourceUnavailable> =>
  Effect.flatMap(
    waits.until(() => {
      const { busy, idle } = rt.pool.counts()
      return resources.tally.createFailures > 0 || idle + busy >= workers
    }),
    () =>
      resources.tally.createFailures > 0
        ? Effect.fail(new ResourceUnavailable({ herd: rt.herd, cause: resources.tally.lastCreateError }))
        : Effect.void
  )

/** How hard pressed the process is. In virtual time its own readings say nothing: there only what was provided counts. */
const pressureOf = (clock: Clock.Clock, maxWait: number) =>
  Effect.gen(function* () {
    const real = clock === Context.get(Context.empty(), Clock.Clock)
    const given = yield* Effect.serviceOption(SystemMetrics)
    if (given._tag === "None" && !real) return () => 0
    const { read } = yield* SystemMetrics.orOwn
    return () => Pressure.ofProcess(read(), maxWait)
  })

/** Starts a herd that lives until the scope closes. */
export const make = Effect.fnUntraced(function* (
  id: string,
  declaration: {
    readonly resource?: Context.Key<unknown, unknown> | undefined
    readonly overflow?: HerdConfig.Overflow | undefined
    readonly sheds?: boolean | undefined
  },
  config: HerdConfig.HerdConfig,
  options: Behaviour
) {
  const events = yield* HerdEvents
  const resources = yield* Resources
  const clock = yield* Clock.Clock
  const context = yield* Fibers.lasting
  const { overload, retryBudget } = yield* decodeAll(options)
  const system = overload === undefined ? () => 0 : yield* pressureOf(clock, overload.maxWait)
  const own = AsyncContext.here()
  const timers = Timers.make(clock, context)
  const prediction = Prediction.make()
  const line = (yield* TaskQueue).make<Waiting>({
    now: timers.now,
    expected: prediction.expected,
    system,
    report: (where, defect) => events.report(where, Cause.die(defect))
  })
  const waits = Waits.make((defect) => events.report("an observer of a caller", Cause.die(defect)))
  const hooks = withContext(options.hooks ?? {}, context)
  const drops = line.overflow !== "suspend" && line.overflow !== "reject"

  const pool = yield* (yield* FiberPool).make<Waiting>(line, timers)
  const rt = TaskRuntime.make(
    { herd: id, pool, line, timers, clock, own },
    { events, hooks },
    {
      middleware: options.middleware ?? [],
      retry: options.retry,
      checkHealth: options.checkHealth,
      maxRequeues: config.maxRequeues,
      resource: declaration.resource,
      sheds: drops || declaration.sheds === true,
      prediction,
      budget: retryBudget && RetryBudget.make(retryBudget, timers.now()),
      leakAfter: config.leakAfter,
      interruptLeaks: config.onLeak === "interrupt",
      lastCreateError: () => resources.tally.lastCreateError
    },
    config.window
  )
  const sizing = Sizing.make(rt, resources, yield* Supervisor)
  pool.listen(listener(rt, sizing, waits))

  const registry = yield* HerdRegistry
  let unregister = () => {}
  // Before the finalizer that stops the herd, so that a herd that drains can be seen.
  yield* Effect.addFinalizer(() => Effect.sync(() => unregister()))

  // Before the finalizer that stops the herd: a herd that drains still needs to know how many workers it needs.
  // In one step with it: an interruption in between would leave workers that nobody stops.
  const shutdown = Shutdown.make(rt, resources, waits)
  yield* Effect.uninterruptible(
    Effect.andThen(
      sizing.start(config.workers.initial),
      Effect.addFinalizer(() => shutdown.stop(config.shutdown))
    )
  )
  const stats = () => Report.stats(rt, resources, sizing.scaling())
  if (config.leakAfter !== Infinity) yield* rememberPlaces
  yield* Report.publish(rt, resources, stats, sizing.changes)

  const limit = (name: keyof HerdConfig.HerdConfig["shutdown"], value: Duration.Input | undefined) => {
    return value === undefined ? Effect.succeed(config.shutdown[name]) : Durations.decode(name, value)
  }
  const limits = (given: StopOptions = {}) =>
    Effect.all({
      drain: limit("drain", given.drain),
      interrupt: limit("interrupt", given.interrupt),
      destroy: limit("destroy", given.destroy)
    })

  if (resources.owning) pool.background("the start of a spare", resources.fillSpares)
  if (config.start === "eager") {
    // Its scope may live on, and a herd that never was must not go on trying in it.
    yield* Effect.onError(started(rt, resources, config.workers.initial, waits), () =>
      shutdown.kill(config.shutdown)
    )
  }

  const managed: ManagedHerd = {
    id,
    kind: events.kind,
    resize: sizing.resize,
    setBounds: sizing.setBounds,
    target: sizing.target,
    pause: sizing.pause,
    resume: sizing.resume,
    history: sizing.history,
    evictAll: () =>
      Effect.suspend(() => {
        const workers = pool.evict()
        return Effect.map(Fibers.within(own, resources.evictSpares), (spares) => workers + spares)
      }),
    awaitIdle: waits.until(
      () => line.size() === 0 && line.admitting() === 0 && rt.delayed.size === 0 && rt.tally.running === 0
    ),
    awaitEmpty: waits.until(() => line.size() === 0 && line.admitting() === 0),
    clear: Effect.sync(() => {
      const shed = drop(rt, line.clear(), "cleared")
      pool.pump()
      return shed
    }),
    stop: (given) => Effect.flatMap(limits(given), shutdown.stop),
    kill: shutdown.kill(config.shutdown),
    stats: Effect.sync(stats),
    metrics: Effect.sync(() => Report.metrics(rt)),
    levels: Effect.sync(() => Inspect.levels(rt)),
    tasks: (given) => Inspect.tasks(rt, given),
    failures: Effect.sync(() => [...rt.failures]),
    ...FlowControl.make(rt),
    explain: (id) => Effect.sync(() => Inspect.explain(rt, id)),
    interruptTask: (task) => Effect.sync(() => Inspect.interrupt(rt, task)),
    listen: (listener) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => events.listen(listener)),
          (stop) => Effect.sync(stop)
        )
      ),
    events: events.stream
  }
  unregister = registry.add(managed)

  /** For the class of the herd, which has read everything at the call. */
  const ways = {
    runAll: (many: Many, terms: TaskTerms, mode: "failFast" | "settle") =>
      Submit.runAll(rt, many, terms, mode),
    stream: <I>(source: Stream.Stream<I>, task: (input: I) => Task, terms: TaskTerms, flow: Submit.Flow) =>
      Submit.stream(rt, source, task, terms, flow)
  }

  return {
    ...managed,
    // Not by closures over the terms: these are called once for each task.
    run: (task: Task, given?: Options) => {
      const terms = decode(given)
      return terms instanceof TaskTerms ? Submit.run(rt, task, terms) : terms
    },
    submit: (task: Task, given?: Options) => {
      const terms = decode(given)
      return terms instanceof TaskTerms ? Submit.submit(rt, task, terms) : terms
    },
    offer: (task: Task, given?: Options) => {
      const terms = decode(given)
      return terms instanceof TaskTerms ? Submit.submit(rt, task, terms, false) : terms
    },
    runNow: (task: Task, given?: Options) => {
      const terms = decode(given)
      return terms instanceof TaskTerms ? Submit.runNow(rt, resources, task, terms) : terms
    },
    runAll: (tasks: Tasks, given?: Submit.AllOptions) => Submit.readAll(tasks, given, ways.runAll),
    stream: <I>(source: Stream.Stream<I>, task: (input: I) => Task, given?: Submit.StreamOptions) =>
      Submit.readStream(given, (terms, flow) => ways.stream(source, task, terms, flow)),
    ways,
    /** For pools: lends a worker's resource to whoever asks, and replaces one that a borrower calls bad. */
    borrow: <A, R>(terms: TaskTerms, keep: (loan: Loan) => Effect.Effect<A, never, R>) =>
      borrow(rt, terms, keep),
    invalidate: (resource: unknown) => Effect.sync(() => resource !== undefined && pool.evict(resource) > 0),
    statsUnsafe: stats,
    waits: rt.waits,
    uses: rt.runs
  }
})
