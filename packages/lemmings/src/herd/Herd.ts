/**
 * A herd: an elastic pool of workers as one Effect service.
 *
 * A herd is a counting semaphore whose permits carry a resource and whose waiters
 * stand in a priority queue. A permit is a worker; holding one for the length of a
 * task is a lease.
 *
 * **Example** (A herd whose workers own a counter)
 *
 * ```ts import.meta.vitest
 * import { Context, Effect, Ref } from "effect"
 * import { Herd } from "lemmings"
 *
 * class Counter extends Context.Service<Counter, Ref.Ref<number>>()("docs/Counter") {}
 *
 * class Counters extends Herd.Service<Counters>()("docs/Counters", { resource: Counter }) {
 *   static readonly live = this.layer({ onCreate: Ref.make(0), workers: { max: 1 } })
 * }
 *
 * const next = Counters.run(Effect.flatMap(Counter, (counter) => Ref.updateAndGet(counter, (n) => n + 1)))
 *
 * await Effect.runPromise(Effect.all([next, next, next]).pipe(Effect.provide(Counters.live))) // => [1, 2, 3]
 * ```
 *
 * @since 0.1.0
 */
import type { Exit, Scope } from "effect"
import { Context, Effect, Layer, Stream } from "effect"
import * as HerdConfig from "../model/HerdConfig.ts"
import type {
  HerdClosed,
  InvalidConfig,
  QueueFull,
  ResourceUnavailable,
  TaskShed
} from "../model/HerdError.ts"
import * as HerdLive from "./HerdLive.ts"
import type { ManagedHerd } from "../registry/HerdRegistry.ts"
import * as PartsOf from "./Parts.ts"
import type { AnyOptions, CommonOptions, Parts, ResourceOptions } from "./Parts.ts"
import type { TaskOutput } from "./Submit.ts"
import type { ErrorsOf, TaskHandle, TaskOptions } from "../model/Task.ts"
import { placed } from "../task/TaskExtra.ts"

export type {
  /**
   * @category models
   * @since 0.1.0
   */
  CommonOptions,
  /**
   * @category models
   * @since 0.1.0
   */
  Parts,
  /**
   * @category models
   * @since 0.1.0
   */
  ResourceOptions
} from "./Parts.ts"

/**
 * What a herd's class declares, because it shows in the types of its tasks.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declaration {
  /** The service that every worker owns one of. Tasks may ask for it, and the herd provides it. */
  readonly resource?: Context.Key<unknown, unknown> | undefined
  /**
   * What happens when the queue is full. `"reject"` adds `QueueFull` to the errors
   * of every task, and the two that drop add `TaskShed`. Defaults to `"suspend"`.
   */
  readonly overflow?: HerdConfig.Overflow | undefined
  /**
   * Adds `TaskShed` to the errors of every task, for herds on which `clear` is
   * called. Without it, a cleared task dies with `TaskShed` as a defect.
   */
  readonly sheds?: boolean | undefined
}

/**
 * The errors that a declaration makes possible.
 *
 * @category models
 * @since 0.1.0
 */
export type DeclaredErrors<D> =
  | HerdClosed
  | (D extends { readonly overflow: "reject" } ? QueueFull : never)
  | (D extends { readonly overflow: "dropOldest" | "dropLowest" } | { readonly sheds: true }
      ? TaskShed
      : never)

type ResourceId<D> = D extends { readonly resource: Context.Key<infer I, infer _> } ? I : never
type ResourceShape<D> = D extends { readonly resource: Context.Key<infer _, infer S> } ? S : never
type OverflowOf<D> = D extends { readonly overflow: infer O extends HerdConfig.Overflow } ? O : "suspend"

/** The type of no options. */
type None = object

/**
 * What every way into a herd has in common. `Self` is what the call requires:
 * nothing on a herd at hand, the herd's service on its class.
 *
 * @category models
 * @since 0.1.0
 */
export interface Submitting<D, Self> {
  /**
   * Waits for a lease, runs the task with the caller's context, and returns its result.
   *
   * Interrupting the caller takes a waiting task out of the queue, and interrupts a running one and waits until its
   * finalizers have ended.
   */
  readonly run: <A, E, R, const O extends TaskOptions<E> = None>(
    task: Effect.Effect<A, E, R>,
    options?: O & TaskOptions<E>
  ) => Effect.Effect<A, E | DeclaredErrors<D> | ErrorsOf<O>, Self | Exclude<R, ResourceId<D>>>
  /**
   * Returns a handle as soon as the task is accepted. The task goes on when its submitter ends. Interrupting the
   * wait for acceptance withdraws the task.
   */
  readonly submit: <A, E, R, const O extends TaskOptions<E> = None>(
    task: Effect.Effect<A, E, R>,
    options?: O & TaskOptions<E>
  ) => Effect.Effect<
    TaskHandle<A, E | DeclaredErrors<D> | ErrorsOf<O>>,
    DeclaredErrors<D> | ErrorsOf<O>,
    Self | Exclude<R, ResourceId<D>>
  >
  /** Never waits: accepts the task, or fails at once with `QueueFull` or `HerdClosed`. */
  readonly offer: <A, E, R, const O extends TaskOptions<E> = None>(
    task: Effect.Effect<A, E, R>,
    options?: O & TaskOptions<E>
  ) => Effect.Effect<
    TaskHandle<A, E | DeclaredErrors<D> | ErrorsOf<O>>,
    QueueFull | HerdClosed,
    Self | Exclude<R, ResourceId<D>>
  >
  /**
   * Runs past the queue, once: on an idle worker, on a spare, or on a temporary resource that is destroyed
   * afterwards. With `maxTemporary` of those in use, or while paused, it waits first in line.
   */
  readonly runNow: <A, E, R, const O extends NowOptions = None>(
    task: Effect.Effect<A, E, R>,
    options?: O & NowOptions
  ) => Effect.Effect<
    A,
    E | DeclaredErrors<D> | ErrorsOf<O> | ResourceUnavailable,
    Self | Exclude<R, ResourceId<D>>
  >
  /**
   * Runs many tasks and returns their results in order.
   *
   * With `mode: "failFast"`, the default, the first bad exit interrupts the rest and comes back when all have ended.
   * With `"settle"` every task runs to its end and gives an `Exit`.
   */
  readonly runAll: <A, E, R, const O extends AllOptions<E> = None>(
    tasks: Iterable<Effect.Effect<A, E, R>>,
    options?: O & AllOptions<E>
  ) => O extends { readonly mode: "settle" }
    ? Effect.Effect<
        Array<Exit.Exit<A, E | DeclaredErrors<D> | ErrorsOf<O>>>,
        never,
        Self | Exclude<R, ResourceId<D>>
      >
    : Effect.Effect<Array<A>, E | DeclaredErrors<D> | ErrorsOf<O>, Self | Exclude<R, ResourceId<D>>>
  /**
   * Runs a task for each element and emits what became of it, as they end, or in order with `ordered: true`. Pulls
   * at most `concurrency` elements ahead, by default twice `workers.max`. Ends when the source has ended and every
   * task too. A task that fails does not end the stream: its exit is in the output.
   */
  readonly stream: <I, ES, RS, A, E, R, const O extends StreamOptions<E> = None>(
    source: Stream.Stream<I, ES, RS>,
    task: (input: I) => Effect.Effect<A, E, R>,
    options?: O & StreamOptions<E>
  ) => Stream.Stream<
    TaskOutput<I, A, E | DeclaredErrors<D> | ErrorsOf<O>>,
    ES,
    Self | RS | Exclude<R, ResourceId<D>>
  >
}

/**
 * @category models
 * @since 0.1.0
 */
export type NowOptions = Pick<TaskOptions, "timeout" | "deadline" | "key" | "id" | "label">

/**
 * @category models
 * @since 0.1.0
 */
export interface AllOptions<in E> extends TaskOptions<E> {
  readonly mode?: "failFast" | "settle" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions<in E> extends TaskOptions<E> {
  /** Emit in the order of the source. Defaults to `false`. */
  readonly ordered?: boolean | undefined
  /** Most tasks of the stream in the herd at one time. Defaults to twice `workers.max`. */
  readonly concurrency?: number | undefined
}

/**
 * A running herd.
 *
 * @category models
 * @since 0.1.0
 */
export interface Herd<D> extends Submitting<D, never>, ManagedHerd {}

/**
 * Makes a layer from the options of a herd: `L` is what it provides, `P` what it
 * requires beside what the options require.
 *
 * `NoInfer` keeps the place where the layer is used from deciding what it requires.
 *
 * @category models
 * @since 0.1.0
 */
export type FromOptions<D, L, P = never> = [ResourceId<D>] extends [never]
  ? <RH = never>(options?: CommonOptions<OverflowOf<D>, RH>) => Layer.Layer<L, InvalidConfig, P | NoInfer<RH>>
  : <
      RC = never,
      RD = never,
      RR = never,
      RI = never,
      RV = never,
      RH = never,
      S extends HerdConfig.Start = "background"
    >(
      options: CommonOptions<OverflowOf<D>, RH, S> & ResourceOptions<ResourceShape<D>, RC, RD, RR, RI, RV>
    ) => Layer.Layer<
      L,
      InvalidConfig | Unready<S>,
      P | NoInfer<Exclude<RC, Scope.Scope> | RD | RR | RI | RV | RH>
    >

/** How a layer may fail that waits for its first resources. */
type Unready<S> = "eager" extends S ? ResourceUnavailable : never

/**
 * The class of a herd: its service key, its layers, and its ways in.
 *
 * @category models
 * @since 0.1.0
 */
export interface HerdClass<Self, Id extends string, D>
  extends Context.ServiceClass<Self, Id, Herd<D>>, Submitting<D, Self> {
  /** The whole herd: the parts with these options, and the herd over them. */
  readonly layer: FromOptions<D, Self>
  /** The herd over parts that you provide: `parts` and whatever you put before it. */
  readonly layerNoDeps: <RH = never, S extends HerdConfig.Start = "background">(
    options?: CommonOptions<OverflowOf<D>, RH, S>
  ) => Layer.Layer<Self, InvalidConfig | Unready<S>, Parts | NoInfer<RH>>
  /** The standard parts with these options. Provide a part of your own first to replace one. */
  readonly parts: FromOptions<D, Parts>
}

/**
 * Declares a herd.
 *
 * @category services
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, const D extends Declaration = None>(
    id: Id,
    declaration?: D
  ): HerdClass<Self, Id, D> => {
    const key = Context.Service<Self, HerdLive.Untyped>()(id)
    const declared: Declaration = declaration ?? {}

    const parts = (options: AnyOptions = {}) =>
      Layer.unwrap(
        Effect.map(HerdConfig.decode(withDeclared(options, declared), HerdLive.knownOptions), (config) =>
          PartsOf.layer(id, config, options)
        )
      )
    const layerNoDeps = (options: AnyOptions = {}) =>
      Layer.effect(
        key,
        Effect.gen(function* () {
          const config = yield* HerdConfig.decode(withDeclared(options, declared), HerdLive.knownOptions)
          return yield* HerdLive.make(id, declared, config, options)
        })
      )
    const over = <A, E, O extends TaskOptions | undefined>(
      f: (herd: HerdLive.Untyped, options: O) => Effect.Effect<A, E>,
      options: O
    ): Effect.Effect<A, E, Self> => {
      const given = placed(options)
      return key.use((herd) => f(herd, given))
    }
    const herd: HerdStatics<Self> = {
      parts,
      layerNoDeps,
      layer: (options) => layerNoDeps(options).pipe(Layer.provide(parts(options))),
      run: (task, options) => over((herd, given) => herd.run(task, given), options),
      submit: (task, options) => over((herd, given) => herd.submit(task, given), options),
      offer: (task, options) => over((herd, given) => herd.offer(task, given), options),
      runNow: (task, options) => over((herd, given) => herd.runNow(task, given), options),
      runAll: (tasks, options) => over((herd, given) => herd.runAll(tasks, given), options),
      stream: (source, task, options) =>
        Stream.unwrap(over((herd, given) => Effect.sync(() => herd.stream(source, task, given)), options))
    }
    // The one place where the types of tasks are put on: below it they are unknown.
    return Object.assign(key, herd) as unknown as HerdClass<Self, Id, D>
  }

/** The statics of `HerdClass`, before the types of tasks are put on. */
interface HerdStatics<Self> {
  readonly parts: (options?: AnyOptions) => Layer.Layer<Parts, InvalidConfig>
  readonly layerNoDeps: (
    options?: AnyOptions
  ) => Layer.Layer<Self, InvalidConfig | ResourceUnavailable, Parts>
  readonly layer: (options?: AnyOptions) => Layer.Layer<Self, InvalidConfig | ResourceUnavailable>
  readonly run: Over<Self, HerdLive.Untyped["run"]>
  readonly submit: Over<Self, HerdLive.Untyped["submit"]>
  readonly offer: Over<Self, HerdLive.Untyped["offer"]>
  readonly runNow: Over<Self, HerdLive.Untyped["runNow"]>
  readonly runAll: Over<Self, HerdLive.Untyped["runAll"]>
  readonly stream: (...args: Parameters<HerdLive.Untyped["stream"]>) => Stream.Stream<unknown, unknown, Self>
}

type Over<Self, F> = F extends (...args: infer Args) => Effect.Effect<infer A, infer E>
  ? (...args: Args) => Effect.Effect<A, E, Self>
  : never

const withDeclared = (options: AnyOptions, { overflow }: Declaration): AnyOptions =>
  overflow === undefined ? options : { ...options, queue: { overflow, ...options.queue } }
