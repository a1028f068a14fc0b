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
  RateLimited,
  ResourceUnavailable,
  TaskShed
} from "../model/HerdError.ts"
import * as HerdLive from "./HerdLive.ts"
import type { ManagedHerd } from "../registry/HerdRegistry.ts"
import * as PartsOf from "./Parts.ts"
import type { AnyOptions, CommonOptions, Parts, ResourceOptions, Unready } from "./Parts.ts"
import type { OptionErrors, TaskHandle, TaskOptions } from "../model/Task.ts"
import { decoded } from "../task/TaskTerms.ts"
import * as Submit from "./Submit.ts"

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
   * of every task, and those that drop add `TaskShed`. Defaults to `"suspend"`.
   */
  readonly overflow?: HerdConfig.Overflow | undefined
  /**
   * Adds `TaskShed` to the errors of every task, for herds on which `clear` is
   * called. Without it, a cleared task dies with `TaskShed` as a defect.
   */
  readonly sheds?: boolean | undefined
  /**
   * What happens to a task that a limit would hold: `"wait"` (default) lets it wait, `"reject"` refuses it, and adds
   * `RateLimited` to the errors of every task.
   */
  readonly limits?: "wait" | "reject" | undefined
}

/**
 * The errors that a declaration makes possible.
 *
 * @category models
 * @since 0.1.0
 */
export type DeclaredErrors<D> = Declared<D>["errors"]

/** Looked up rather than named: an inferred type shows the errors themselves, and not `DeclaredErrors<…>`. */
interface Declared<D> {
  readonly errors:
    | HerdClosed
    | (D extends { readonly overflow: "reject" } ? QueueFull : never)
    | (D extends { readonly overflow: "dropOldest" | "dropLowest" | "dropLongest" } | { readonly sheds: true }
        ? TaskShed
        : never)
    | (D extends { readonly limits: "reject" } ? RateLimited : never)
}

type ResourceId<D> = D extends { readonly resource: Context.Key<infer I, infer _> } ? I : never
type ResourceShape<D> = D extends { readonly resource: Context.Key<infer _, infer S> } ? S : never
type OverflowOf<D> = D extends { readonly overflow: infer O extends HerdConfig.Overflow } ? O : "suspend"

/** The type of no options. */
type None = object

type AnyTask = Effect.Effect<unknown, unknown, unknown>

/** What `runAll` takes. */
type Tasks = Iterable<AnyTask> | { readonly [name: string]: AnyTask }

/** Any one of the tasks. */
type TaskOf<T> = T extends Iterable<infer Task extends AnyTask> ? Task : Extract<T[keyof T], AnyTask>

/** The results of tasks, in the form of the tasks. */
type Results<T> =
  T extends ReadonlyArray<unknown>
    ? { -readonly [K in keyof T]: T[K] extends AnyTask ? Effect.Success<T[K]> : never }
    : T extends Iterable<infer Task extends AnyTask>
      ? Array<Effect.Success<Task>>
      : { -readonly [K in keyof T]: T[K] extends AnyTask ? Effect.Success<T[K]> : never }

/** The exits of tasks, in the form of the tasks. `E`: what the herd adds to their errors. */
type Exits<T, E> =
  T extends ReadonlyArray<unknown>
    ? { -readonly [K in keyof T]: T[K] extends AnyTask ? ExitOf<T[K], E> : never }
    : T extends Iterable<infer Task extends AnyTask>
      ? Array<ExitOf<Task, E>>
      : { -readonly [K in keyof T]: T[K] extends AnyTask ? ExitOf<T[K], E> : never }

type ExitOf<Task extends AnyTask, E> = Exit.Exit<Effect.Success<Task>, Effect.Error<Task> | E>

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
  ) => Effect.Effect<A, E | DeclaredErrors<D> | OptionErrors<O>["errors"], Self | Exclude<R, ResourceId<D>>>
  /**
   * Returns a handle as soon as the task is accepted. The task goes on when its submitter ends. Interrupting the
   * wait for acceptance withdraws the task.
   */
  readonly submit: <A, E, R, const O extends TaskOptions<E> = None>(
    task: Effect.Effect<A, E, R>,
    options?: O & TaskOptions<E>
  ) => Effect.Effect<
    TaskHandle<A, E | DeclaredErrors<D> | OptionErrors<O>["errors"]>,
    DeclaredErrors<D> | OptionErrors<O>["errors"],
    Self | Exclude<R, ResourceId<D>>
  >
  /** Never waits: accepts the task, or fails at once with `QueueFull` or `HerdClosed`. */
  readonly offer: <A, E, R, const O extends TaskOptions<E> = None>(
    task: Effect.Effect<A, E, R>,
    options?: O & TaskOptions<E>
  ) => Effect.Effect<
    TaskHandle<A, E | DeclaredErrors<D> | OptionErrors<O>["errors"]>,
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
    E | DeclaredErrors<D> | OptionErrors<O>["errors"] | ResourceUnavailable,
    Self | Exclude<R, ResourceId<D>>
  >
  /**
   * Runs many tasks and returns their results in the form of the tasks: in order for a tuple, an array or any other
   * iterable, under the same keys for a record.
   *
   * With `mode: "failFast"`, the default, the first bad exit interrupts the rest and comes back when all have ended.
   * With `"settle"` every task runs to its end and gives an `Exit`.
   *
   * The tasks are read at the call, all of them: an iterable that never ends keeps the call for ever (`stream` pulls
   * as it goes), and one that throws is a defect of the effect, of which no task was accepted. What is no effect, such
   * as a hole in an array, is a task that dies with `InvalidConfig`.
   */
  readonly runAll: <const T extends Tasks, const O extends AllOptions<Effect.Error<TaskOf<T>>> = None>(
    tasks: T,
    options?: O & AllOptions<Effect.Error<TaskOf<T>>>
  ) => O extends { readonly mode: "settle" }
    ? Effect.Effect<
        Exits<T, DeclaredErrors<D> | OptionErrors<O>["errors"]>,
        never,
        Self | Exclude<Effect.Services<TaskOf<T>>, ResourceId<D>>
      >
    : Effect.Effect<
        Results<T>,
        Effect.Error<TaskOf<T>> | DeclaredErrors<D> | OptionErrors<O>["errors"],
        Self | Exclude<Effect.Services<TaskOf<T>>, ResourceId<D>>
      >
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
    Submit.TaskOutput<I, A, E | DeclaredErrors<D> | OptionErrors<O>["errors"]>,
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
    const declared: Declaration = { ...declaration }

    const parts = (given: AnyOptions = {}) => {
      const options = PartsOf.copied(given)
      return Layer.unwrap(
        Effect.map(HerdConfig.decode(withDeclared(options, declared), HerdLive.knownOptions), (config) =>
          PartsOf.layer(id, config, options, declared.limits === "reject")
        )
      )
    }
    const layerNoDeps = (given: AnyOptions = {}) => {
      const options = PartsOf.copied(given)
      return Layer.effect(
        key,
        Effect.gen(function* () {
          const config = yield* HerdConfig.decode(withDeclared(options, declared), HerdLive.knownOptions)
          return yield* HerdLive.make(id, declared, config, options)
        })
      )
    }
    const herd: HerdStatics<Self> = {
      parts,
      layerNoDeps,
      layer: (options) => layerNoDeps(options).pipe(Layer.provide(parts(options))),
      run: (task, options) => decoded(options, (terms) => key.use((herd) => herd.run(task, terms))),
      submit: (task, options) => decoded(options, (terms) => key.use((herd) => herd.submit(task, terms))),
      offer: (task, options) => decoded(options, (terms) => key.use((herd) => herd.offer(task, terms))),
      runNow: (task, options) => decoded(options, (terms) => key.use((herd) => herd.runNow(task, terms))),
      runAll: (tasks, options) =>
        Submit.readAll(tasks, options, (many, terms, mode) =>
          key.use((herd) => herd.ways.runAll(many, terms, mode))
        ),
      stream: (source, task, options) =>
        Submit.readStream(options, (terms, flow) =>
          Stream.unwrap(Effect.map(key, (herd) => herd.ways.stream(source, task, terms, flow)))
        )
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
