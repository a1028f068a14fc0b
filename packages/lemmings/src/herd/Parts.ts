/**
 * The parts that a herd is composed of, made from its options.
 *
 * @since 0.2.0
 */
import { type Cause, Context, Effect, Layer, type Schedule, type Scope } from "effect"
import * as FiberPool from "../dispatch/FiberPool.ts"
import type * as HerdConfig from "../model/HerdConfig.ts"
import { InvalidConfig, type ResourceUnavailable } from "../model/HerdError.ts"
import { HerdEvents, type HerdKind } from "../model/HerdEvent.ts"
import { decodeAll, type FlowControl, type FlowControlOptions } from "../model/Limits.ts"
import { type Lifecycle, Resources, type Usage } from "../workers/Resources.ts"
import * as ScalingPolicy from "../scaling/ScalingPolicy.ts"
import { Supervisor } from "../scaling/Supervisor.ts"
import type { Hooks, Middleware, WorkerInfo } from "../model/Task.ts"
import { TaskQueue } from "../dispatch/TaskQueue.ts"

/**
 * How the resources of a herd come and go.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResourceOptions<S, RC = never, RD = never, RR = never, RI = never, RV = never> {
  /**
   * Makes the resource of one worker. Finalizers in its scope run when the resource goes, also when its creation is
   * interrupted at the last moment, which `onDestroy` may not: what must be released belongs in the scope.
   */
  readonly onCreate: Effect.Effect<S, unknown, RC> | ((info: WorkerInfo) => Effect.Effect<S, unknown, RC>)
  /** Runs before the finalizers of the resource's scope. */
  readonly onDestroy?: ((resource: S) => Effect.Effect<unknown, unknown, RD>) | undefined
  /** Waits until the resource can take a task: after creation and between tasks. A failure means unhealthy. */
  readonly ready?: ((resource: S) => Effect.Effect<unknown, unknown, RR>) | undefined
  /** Unblocks a task whose fiber is being interrupted, such as by cancelling a query. The lease lasts until it ends. */
  readonly onInterrupt?: ((resource: S) => Effect.Effect<unknown, unknown, RI>) | undefined
  /**
   * Whether a resource still works: asked before a task gets one that was unused for longer than `validateAfter`, and
   * every `keepAlive`. `false`, a failure, or no answer within `validateTimeout` replaces it.
   */
  readonly validate?: ((resource: S) => Effect.Effect<boolean, unknown, RV>) | undefined
  /** Whether a resource that comes back from a task should be replaced, such as for the memory it has gathered. */
  readonly recycleWhen?: ((resource: S, usage: Usage) => boolean) | undefined
  /** Ends when the resource has broken by itself: it is replaced, once its task has ended. Interrupted when it goes. */
  readonly awaitLost?: ((resource: S) => Effect.Effect<unknown, unknown>) | undefined
  /**
   * Whether a worker with a task may have one more beside it, for resources that take several at a time. Asked when
   * no worker is idle. Defaults to never.
   */
  readonly hasRoom?: ((resource: S) => boolean) | undefined
  /**
   * Part of the time since the call before that the resource was busy, 0 to 1, `undefined` when it does not know. Asked
   * with every sample of the supervisor, which shows it to the policy (`ScalingPolicy.utilization`).
   */
  readonly utilization?: ((resource: S) => number | undefined) | undefined
  /** Delays between calls of a failing `onCreate`. Defaults to 10 ms doubling to 5 s, jittered, without end. */
  readonly createRetry?: Schedule.Schedule<unknown> | undefined
}

/**
 * What every layer may be told beside its resource. The settings and their
 * defaults are in `HerdConfig.settings`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommonOptions<
  O extends HerdConfig.Overflow,
  RH = never,
  S extends HerdConfig.Start = HerdConfig.Start
>
  extends HerdConfig.HerdOptions<O, S>, FlowControlOptions {
  /** Whether the worker is still good after a failure with this cause. `false` replaces its resource. Defaults to always. */
  readonly checkHealth?: ((cause: Cause.Cause<unknown>) => boolean) | undefined
  /** When to try failed tasks again that do not say so themselves. Defaults to never. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** Wraps every attempt. The first is outermost. */
  readonly middleware?: ReadonlyArray<Middleware> | undefined
  readonly hooks?: Hooks<RH> | undefined
  /**
   * Who decides the number of workers: a policy of `ScalingPolicy`, or the name of one, with its default parameters.
   * Defaults to `"auto"`: a worker for every task, where workers own nothing (`instant`), and otherwise as many as the
   * load keeps busy (`littlesLaw`). `"fixed"` keeps `workers.initial`.
   */
  readonly scaling?: HerdConfig.Scaling | ScalingPolicy.ScalingPolicy | undefined
}

/**
 * The services that a herd is composed of.
 *
 * @category models
 * @since 0.1.0
 */
export type Parts = HerdEvents | Resources | TaskQueue | FiberPool.FiberPool | Supervisor

/** How what waits for its first resources may fail to start. */
export type Unready<S> = "eager" extends S ? ResourceUnavailable : never

/** Options whose types are the caller's business. */
export type AnyOptions = CommonOptions<HerdConfig.Overflow> & Partial<ResourceOptions<unknown>>

/**
 * The options as they are now, their groups included: a layer reads them when it is built, perhaps more than once.
 */
export const copied = <O>(options: O): O => {
  if (typeof options !== "object" || options === null) return options
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, groups.has(name) ? copyOf(value) : value])
  ) as O
}

const groups: ReadonlySet<string> = new Set([
  "workers",
  "size",
  "queue",
  "shutdown",
  "hooks",
  "middleware",
  "limits",
  "overload",
  "retryBudget"
])

/** A copy of records and arrays, and of those inside: limits are nested. Everything else is what it was. */
const copyOf = (group: unknown): unknown => {
  if (Array.isArray(group)) return group.map(copyOf)
  if (typeof group !== "object" || group === null || Object.getPrototypeOf(group) !== Object.prototype)
    return group
  return Object.fromEntries(Object.entries(group).map(([name, value]) => [name, copyOf(value)]))
}

/** The standard parts of a herd with these options. */
export const layer = (
  id: string,
  config: HerdConfig.HerdConfig,
  options: AnyOptions,
  reject = false,
  kind: HerdKind = "herd"
): Layer.Layer<Parts, InvalidConfig> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const lifecycle = yield* withContext(options)
      if (config.keepAlive !== Infinity && lifecycle?.validate === undefined) {
        const rule = `"never" where there is no validate to run`
        return yield* Effect.fail(new InvalidConfig({ field: "keepAlive", value: options.keepAlive, rule }))
      }
      return standardParts(id, config, lifecycle, options, yield* decodeAll(options), reject, kind)
    })
  )

/** The composition: every part is a layer, and each may be replaced. */
const standardParts = (
  id: string,
  config: HerdConfig.HerdConfig,
  lifecycle: Lifecycle | undefined,
  options: AnyOptions,
  { limits, overload }: FlowControl,
  reject: boolean,
  kind: HerdKind
): Layer.Layer<Parts> =>
  Layer.mergeAll(
    TaskQueue.layer({ ...config.queue, overload, reject, ...(limits === undefined ? {} : { limits }) }),
    FiberPool.FiberPool.layer({ ...config, ...config.workers, createRetry: options.createRetry }),
    Supervisor.layer({
      policy: policyOf(options.scaling ?? config.scaling, lifecycle !== undefined),
      interval: config.scalingInterval,
      lazy: config.start === "lazy"
    })
  ).pipe(
    Layer.provideMerge(
      Resources.layer({ ...config, herd: id, lifecycle, destroyTimeout: config.shutdown.destroy })
    ),
    Layer.provideMerge(HerdEvents.layer(id, kind))
  )

const policyOf = (
  scaling: HerdConfig.Scaling | ScalingPolicy.ScalingPolicy | "policy",
  owning: boolean
): ScalingPolicy.ScalingPolicy => {
  if (typeof scaling === "object") return scaling
  if (scaling === "auto" || scaling === "policy")
    return owning ? ScalingPolicy.littlesLaw() : ScalingPolicy.instant()
  return named[scaling]()
}

const named: { readonly [_ in Exclude<HerdConfig.Scaling, "auto">]: () => ScalingPolicy.ScalingPolicy } = {
  fixed: () => ScalingPolicy.fixed,
  instant: ScalingPolicy.instant,
  littlesLaw: ScalingPolicy.littlesLaw,
  throughput: ScalingPolicy.throughput,
  memory: ScalingPolicy.memory,
  latency: ScalingPolicy.latency,
  gradient: () => ScalingPolicy.named(ScalingPolicy.gradient(), "gradient"),
  eventLoop: ScalingPolicy.eventLoop,
  utilization: ScalingPolicy.utilization
}

/** The callbacks of the resource, with the layer's context given to each. */
const withContext = ({
  awaitLost,
  hasRoom,
  onCreate,
  onDestroy,
  onInterrupt,
  ready,
  recycleWhen,
  utilization,
  validate
}: AnyOptions): Effect.Effect<Lifecycle | undefined> =>
  Effect.contextWith((context: Context.Context<never>) => {
    if (onCreate === undefined) return Effect.succeed(undefined)
    const given =
      <A, B, E>(f: (resource: A) => Effect.Effect<B, E>) =>
      (resource: A) =>
        Effect.suspend(() => f(resource)).pipe(Effect.provideContext(context))
    const create = typeof onCreate === "function" ? onCreate : () => onCreate
    return Effect.succeed({
      // The resource's own scope comes from outside, and must win over one in the layer's context.
      onCreate: (info: WorkerInfo) =>
        Effect.updateContext(
          Effect.suspend(() => create(info)),
          (own: Context.Context<Scope.Scope>) => Context.merge(context, own)
        ),
      onDestroy: onDestroy && given(onDestroy),
      ready: ready && given(ready),
      onInterrupt: onInterrupt && given(onInterrupt),
      validate: validate && given(validate),
      recycleWhen,
      awaitLost,
      hasRoom,
      utilization
    })
  })
