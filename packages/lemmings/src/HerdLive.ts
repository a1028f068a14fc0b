/**
 * Puts the parts of one herd together behind its methods.
 *
 * @since 0.1.0
 */
import { Clock, type Context, type Duration, Effect, type Stream } from "effect"
import { FiberPool } from "./FiberPool.ts"
import * as HerdConfig from "./HerdConfig.ts"
import { type HerdClosed, InvalidConfig } from "./HerdError.ts"
import { HerdEvents } from "./HerdEvent.ts"
import { Histogram } from "./internal/Histogram.ts"
import { SlidingWindow } from "./internal/SlidingWindow.ts"
import * as Report from "./Report.ts"
import { ResourcePool } from "./ResourcePool.ts"
import * as Shutdown from "./Shutdown.ts"
import * as Submit from "./Submit.ts"
import { Supervisor } from "./Supervisor.ts"
import type { Hooks, Middleware, TaskOptions } from "./Task.ts"
import { closed } from "./TaskLimits.ts"
import { TaskQueue } from "./TaskQueue.ts"
import type { Runtime, Waiting } from "./TaskRuntime.ts"
import * as Timers from "./Timers.ts"

/**
 * Options of a layer that are not settings.
 *
 * @category models
 * @since 0.1.0
 */
export const knownOptions: ReadonlyArray<string> = [
  "onCreate",
  "onDestroy",
  "ready",
  "onInterrupt",
  "createRetry",
  "checkHealth",
  "retry",
  "middleware",
  "hooks",
  "scaling"
]

/**
 * @category models
 * @since 0.1.0
 */
export interface Behaviour {
  readonly checkHealth?: Runtime["checkHealth"]
  readonly retry?: Runtime["retry"]
  readonly middleware?: ReadonlyArray<Middleware> | undefined
  readonly hooks?: Hooks | undefined
}

/**
 * Time limits of `stop`. Each defaults to the layer's.
 *
 * @category models
 * @since 0.1.0
 */
export interface StopOptions {
  readonly drain?: Duration.Input | undefined
  readonly interrupt?: Duration.Input | undefined
  readonly destroy?: Duration.Input | undefined
}

type Task = Effect.Effect<unknown, unknown>
type Options = TaskOptions

/**
 * A herd without the types of its tasks, which `Herd.Service` adds.
 *
 * @category models
 * @since 0.1.0
 */
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

/**
 * Starts a herd that lives until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
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
  const resources = yield* ResourcePool
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const line = (yield* TaskQueue).make<Waiting>()
  const timers = Timers.make(clock, context)
  const waits = Shutdown.makeWaits()
  const hooks = withContext(options.hooks ?? {}, context)
  const hooked = Object.values(hooks).some((hook) => hook !== undefined)
  const drops = line.overflow === "dropOldest" || line.overflow === "dropLowest"

  const pool = yield* (yield* FiberPool).make(line, {
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
    quiet: waits.check,
    workerStarted: (worker) => {
      if (hooks.onWorkerStart !== undefined) pool.background("onWorkerStart", hooks.onWorkerStart(worker))
    },
    workerStopped: (worker) => {
      if (hooks.onWorkerStop !== undefined) pool.background("onWorkerStop", hooks.onWorkerStop(worker))
    }
  })

  const rt: Runtime = {
    herd: id,
    pool,
    line,
    timers,
    clock,
    events,
    window: new SlidingWindow(config.window, timers.now()),
    waits: new Histogram(),
    runs: new Histogram(),
    tally: {
      submitted: 0,
      running: 0,
      succeeded: 0,
      failed: 0,
      interrupted: 0,
      shed: 0,
      rejected: 0,
      retried: 0,
      requeued: 0,
      timedOut: 0
    },
    delayed: new Set(),
    batches: new Set(),
    hooks,
    listening: () => hooked || events.active(),
    middleware: options.middleware ?? [],
    retry: options.retry,
    checkHealth: options.checkHealth,
    maxRequeues: config.maxRequeues,
    resource: declaration.resource,
    sheds: drops || declaration.sheds === true,
    state: "running",
    starved: false,
    sequence: 1,
    lastCreateError: () => resources.tally.lastCreateError
  }

  const shutdown = Shutdown.make(rt, resources, waits)
  yield* Effect.addFinalizer(() => shutdown.stop(config.shutdown))
  yield* Report.publish(rt, resources)

  const ending = () => rt.state === "interrupting" || rt.state === "closed"
  const resizeTo = (target: number, reason: string) => {
    const from = pool.counts().target
    pool.resize(target)
    if (from !== target) events.emit({ _tag: "Resized", from, to: target, reason })
  }
  const limit = (name: keyof HerdConfig.HerdConfig["shutdown"], value: Duration.Input | undefined) => {
    if (value === undefined) return Effect.succeed(config.shutdown[name])
    const millis = HerdConfig.millis(value)
    return millis !== undefined
      ? Effect.succeed(millis)
      : Effect.fail(
          new InvalidConfig({ field: name, value, rule: `a duration such as "5 seconds", at least 0` })
        )
  }
  const limits = (given: StopOptions = {}) =>
    Effect.all({
      drain: limit("drain", given.drain),
      interrupt: limit("interrupt", given.interrupt),
      destroy: limit("destroy", given.destroy)
    })

  yield* (yield* Supervisor).supervise({ target: () => pool.counts().target, resize: resizeTo })
  if (resources.owning) pool.background("the start of a spare", resources.fillSpares)

  return {
    id,
    run: (task: Task, given?: Options) => Submit.run(rt, task, given),
    submit: (task: Task, given?: Options) => Submit.submit(rt, task, given),
    offer: (task: Task, given?: Options) => Submit.submit(rt, task, given, false),
    runNow: (task: Task, given?: Options) => Submit.runNow(rt, resources, task, given),
    runAll: (tasks: Iterable<Task>, given?: Options) => Submit.runAll(rt, tasks, given),
    stream: <I>(source: Stream.Stream<I>, task: (input: I) => Task, given?: Options) =>
      Submit.stream(rt, source, task, given),
    resize: (workers: number) =>
      Effect.suspend((): Effect.Effect<void, InvalidConfig | HerdClosed> => {
        const { max } = pool.counts()
        if (Number.isInteger(workers) && workers >= 0 && workers <= max) {
          return ending() ? Effect.fail(closed(rt)) : Effect.sync(() => resizeTo(workers, "resize"))
        }
        const rule = `an integer from 0 to workers.max (${max}); raise that with setBounds`
        return Effect.fail(new InvalidConfig({ field: "workers", value: workers, rule }))
      }),
    setBounds: (bounds: { readonly min: number; readonly max: number }) =>
      Effect.flatMap(HerdConfig.checkBounds(bounds), () =>
        Effect.suspend((): Effect.Effect<void, HerdClosed> => {
          if (ending()) return Effect.fail(closed(rt))
          const from = pool.counts().target
          pool.setBounds(bounds.min, bounds.max)
          const to = pool.counts().target
          if (from !== to) events.emit({ _tag: "Resized", from, to, reason: "setBounds" })
          return Effect.void
        })
      ),
    size: Effect.sync(() => pool.counts().target),
    pause: Effect.sync(() => {
      if (pool.paused() || rt.state !== "running") return
      pool.setPaused(true)
      events.emit({ _tag: "Paused" })
    }),
    resume: Effect.sync(() => {
      if (!pool.paused()) return
      events.emit({ _tag: "Resumed" })
      pool.setPaused(false)
    }),
    awaitIdle: waits.until(
      () => line.size() === 0 && line.admitting() === 0 && rt.delayed.size === 0 && rt.tally.running === 0
    ),
    awaitEmpty: waits.until(() => line.size() === 0 && line.admitting() === 0),
    clear: Effect.sync(() => {
      let shed = 0
      for (const entry of line.clear()) {
        shed += entry.tasks
        entry.shed("cleared")
      }
      pool.pump()
      return shed
    }),
    stop: (given?: StopOptions) => Effect.flatMap(limits(given), shutdown.stop),
    kill: shutdown.kill(config.shutdown),
    stats: Effect.sync(() => Report.stats(rt, resources)),
    metrics: Effect.sync(() => Report.metrics(rt)),
    events: events.stream
  }
})
