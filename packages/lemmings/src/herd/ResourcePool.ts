/**
 * A pool of resources for an application to put in front of a database or a service: a herd whose tasks borrow.
 *
 * What a herd does for its workers a pool does for its borrowers: priorities, limits on waiting, growth and shrinking by
 * load, validation, replacement, leak reports, and a shutdown that never waits for ever.
 *
 * **Example** (Borrowing a connection)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { ResourcePool } from "lemmings"
 *
 * interface Connection {
 *   readonly query: (sql: string) => Effect.Effect<string>
 * }
 *
 * class Database extends ResourcePool.Service<Database, Connection>()("docs/Database") {
 *   static readonly live = this.layer({
 *     onCreate: Effect.succeed({ query: (sql: string) => Effect.succeed(`answer to ${sql}`) }),
 *     size: { min: 2, max: 10 },
 *     acquireTimeout: "5 seconds"
 *   })
 * }
 *
 * const answer = Database.use((connection) => connection.query("select 1"), { priority: "high" })
 *
 * await Effect.runPromise(answer.pipe(Effect.provide(Database.live))) // => "answer to select 1"
 * ```
 *
 * @since 0.1.0
 */
import { Context, type Duration, Effect, Layer, type Scope, type Stream } from "effect"
import * as Durations from "../model/Durations.ts"
import * as HerdConfig from "../model/HerdConfig.ts"
import {
  type AcquireTimeout,
  HerdClosed,
  InvalidConfig,
  PoolClosed,
  type QueueFull,
  type ResourceUnavailable
} from "../model/HerdError.ts"
import type { HerdEvent } from "../model/HerdEvent.ts"
import * as HerdLive from "./HerdLive.ts"
import type { StopOptions } from "../registry/HerdRegistry.ts"
import type { HerdStats, PoolStats, ScalingDecision, ShutdownReport } from "../model/HerdStats.ts"
import type { Loan } from "./Loan.ts"
import * as Parts from "./Parts.ts"
import * as PoolMetrics from "../observe/PoolMetrics.ts"
import { Resources } from "../workers/Resources.ts"
import type { ScalingPolicy } from "../scaling/ScalingPolicy.ts"
import type { FlowControlOptions } from "../model/Limits.ts"
import type { TaskOptions } from "../model/Task.ts"
import type { ManagedHerd } from "../registry/HerdRegistry.ts"
import { decode, decoded, none, TaskTerms } from "../task/TaskTerms.ts"

/**
 * What a borrower may say.
 *
 * @category models
 * @since 0.2.0
 */
export type BorrowOptions = Pick<TaskOptions, "priority" | "key" | "label" | "weight"> & {
  /** Longest wait for a resource, its creation and validation included. Defaults to the pool's. 0: only what is idle. */
  readonly acquireTimeout?: Duration.Input | undefined
}

/**
 * How borrowing may fail: no resource in time, the pool closing, and with `maxWaiting` too many who wait.
 *
 * @category models
 * @since 0.2.0
 */
export type BorrowError = Refused["errors"]

/** Looked up rather than named: an inferred type shows the errors themselves, and not `BorrowError`. */
interface Refused {
  readonly errors: AcquireTimeout | PoolClosed | QueueFull
}

/**
 * The ways to a resource. `Self` is what they require.
 *
 * @category models
 * @since 0.2.0
 */
export interface Borrowing<S, Self> {
  /**
   * Borrows a resource for one effect. Interrupting it while it waits gives up its place, and while it runs interrupts
   * the effect; the resource goes back when its finalizers have ended. The effect runs once: it is not run again when
   * its resource turns out to be bad.
   */
  readonly use: <A, E, R>(
    f: (resource: S) => Effect.Effect<A, E, R>,
    options?: BorrowOptions
  ) => Effect.Effect<A, E | BorrowError, R | Self>
  /**
   * Borrows a resource until the scope closes. `checkHealth` judges how the scope closes.
   *
   * Nothing can interrupt whoever works with it in the scope. A pool that closes, and `onLeak: "interrupt"`, therefore
   * destroy the resource of a borrower that keeps it too long, although it may still be in use, and lend it to nobody.
   */
  readonly acquire: (options?: BorrowOptions) => Effect.Effect<S, BorrowError, Scope.Scope | Self>
}

/**
 * A running pool.
 *
 * @category models
 * @since 0.2.0
 */
export interface ResourcePool<S> extends Borrowing<S, never> {
  readonly name: string
  /**
   * Replaces this resource: at once when it is idle, otherwise when it comes back. `false`: it is none of this pool's,
   * or is about to be replaced anyway.
   */
  readonly invalidate: (resource: S) => Effect.Effect<boolean>
  /** Replaces all resources, such as after a change of credentials: idle ones now, those in use when they come back. Returns how many. */
  readonly evictAll: () => Effect.Effect<number>
  /** As `Herd.resize`. */
  readonly resize: (resources: number | "auto") => Effect.Effect<void, InvalidConfig | PoolClosed>
  /** As `Herd.setBounds`. */
  readonly setBounds: (bounds: HerdConfig.Bounds) => Effect.Effect<void, InvalidConfig | PoolClosed>
  /** Lends nothing until `resume`. Borrowers wait, and their time runs. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /**
   * Refuses new borrowers, lends to those who wait already, as a herd runs its queued tasks, waits for what is lent, and
   * destroys all resources, each step within its limit.
   */
  readonly close: (options?: StopOptions) => Effect.Effect<ShutdownReport, InvalidConfig>
  readonly stats: Effect.Effect<PoolStats>
  /** As `Herd.keys`, `hold`, `release` and `setLimits`: borrowers are its tasks. */
  readonly keys: ManagedHerd["keys"]
  readonly hold: ManagedHerd["hold"]
  readonly release: ManagedHerd["release"]
  readonly setLimits: ManagedHerd["setLimits"]
  /** As `Herd.history`. */
  readonly history: Effect.Effect<ReadonlyArray<ScalingDecision>>
  /** As `Herd.events`: borrowers are its tasks, resources belong to its workers. */
  readonly events: Stream.Stream<HerdEvent>
}

/**
 * What a pool may be told. Those of its fields that a herd has too mean the same there.
 *
 * @category models
 * @since 0.2.0
 */
export interface PoolOptions<
  S,
  RC = never,
  RD = never,
  RR = never,
  RI = never,
  RV = never,
  St extends HerdConfig.Start = HerdConfig.Start
>
  extends
    Parts.ResourceOptions<S, RC, RD, RR, RI, RV>,
    Omit<
      HerdConfig.HerdOptions<HerdConfig.Overflow, St>,
      "workers" | "queue" | "spares" | "maxTemporary" | "maxRequeues"
    >,
    FlowControlOptions {
  /** Resources: always so many, or between bounds as the load asks for. */
  readonly size:
    | number
    | { readonly min: number; readonly max: number; readonly initial?: number | undefined }
  /** Longest wait of a borrower that says nothing itself. Defaults to 30 seconds. */
  readonly acquireTimeout?: Duration.Input | "never" | undefined
  /**
   * Most borrowers that may wait; the next gets `QueueFull`. Defaults to `"unbounded"`. With 0, a borrower who comes when
   * the idle resources have to be validated first is refused, too.
   */
  readonly maxWaiting?: number | "unbounded" | undefined
  /** As `queue.order` of a herd: who is next within a level. Defaults to "arrival". */
  readonly order?: "arrival" | "fair" | undefined
  /** Waiting time that is worth one level of priority. Defaults to 5 seconds. */
  readonly ageing?: Duration.Input | "never" | undefined
  /** Whether a resource is still good after its borrower failed with this cause. `false` replaces it. Defaults to always. */
  readonly checkHealth?: Parts.AnyOptions["checkHealth"]
  /** Defaults to `littlesLaw` between bounds. */
  readonly scaling?: HerdConfig.Scaling | ScalingPolicy | undefined
}

type AnyPoolOptions = PoolOptions<unknown>

/** The setting of a herd by the name that it has in a pool. */
const renamed = (error: InvalidConfig): InvalidConfig => {
  const field = error.field
    .replace(/^workers\b/, "size")
    .replace("queue.capacity", "maxWaiting")
    .replace("queue.ageing", "ageing")
    .replace("queue.order", "order")
  const rule = error.rule
    .replaceAll("workers.", "size.")
    .replace("setting of the herd", "setting of the pool")
  return field === error.field && rule === error.rule
    ? error
    : new InvalidConfig({ field, value: error.value, rule })
}

const defaultAcquireTimeout = "30 seconds"

const herdOptions = ({ ageing, maxWaiting, order, size, ...rest }: AnyPoolOptions): Parts.AnyOptions => {
  const workers = typeof size === "object" ? size : { min: size, max: size }
  const overflow = maxWaiting === undefined || maxWaiting === "unbounded" ? "suspend" : "reject"
  return { ...rest, workers, queue: { capacity: maxWaiting, overflow, ageing, order } }
}

/** Takes what a borrower says also when it has been read already. */
interface Lender extends Omit<ResourcePool<unknown>, "use" | "acquire"> {
  readonly use: <A, E, R>(
    f: (resource: unknown) => Effect.Effect<A, E, R>,
    options?: BorrowOptions | TaskTerms
  ) => Effect.Effect<A, E | BorrowError, R>
  readonly acquire: (options?: BorrowOptions | TaskTerms) => Effect.Effect<unknown, BorrowError, Scope.Scope>
}

const lender = (
  name: string,
  herd: HerdLive.Untyped,
  lent: Context.Key<unknown, unknown>,
  acquireTimeout: number | undefined
): Lender => {
  const asBorrower = (terms: TaskTerms): TaskTerms =>
    terms.but({ once: true, acquireTimeout: terms.acquireTimeout ?? acquireTimeout })
  const usual = asBorrower(none)
  /** Every borrower has a limit on its wait, and runs once. */
  const limited = (options: BorrowOptions | TaskTerms | undefined): TaskTerms | Effect.Effect<never> => {
    const terms = decode(options)
    if (!(terms instanceof TaskTerms)) return terms
    return terms === none ? usual : asBorrower(terms)
  }
  const own = <A, E, R>(effect: Effect.Effect<A, E | HerdClosed, R>): Effect.Effect<A, E | PoolClosed, R> =>
    Effect.mapError(effect, (error) => closedFor(name, error))
  return {
    name,
    use: <A, E, R>(f: (resource: unknown) => Effect.Effect<A, E, R>, options?: BorrowOptions | TaskTerms) => {
      const given = limited(options)
      if (!(given instanceof TaskTerms)) return given
      // The task's types are put on again: the herd passes its context and its exit through.
      const task = Effect.flatMap(lent, f) as Effect.Effect<A, E>
      return Effect.suspend(() => own(herd.run(task, given))) as Effect.Effect<A, E | BorrowError, R>
    },
    acquire: (options) => {
      const given = limited(options)
      if (!(given instanceof TaskTerms)) return given
      const untilClosed = ({ giveBack, resource }: Loan) => Effect.as(Effect.addFinalizer(giveBack), resource)
      return Effect.suspend(() => own(herd.borrow(given, untilClosed))) as ReturnType<Lender["acquire"]>
    },
    invalidate: (resource) => herd.invalidate(resource),
    evictAll: herd.evictAll,
    resize: (resources) => Effect.mapError(own(herd.resize(resources)), renamedAny),
    setBounds: (bounds) => Effect.mapError(own(herd.setBounds(bounds)), renamedAny),
    pause: herd.pause,
    resume: herd.resume,
    close: herd.stop,
    // Every borrower that was lent something has waited, if only for 0 ms.
    stats: Effect.map(herd.stats, (stats) => statsOf(stats, herd.waits.count)),
    keys: herd.keys,
    hold: herd.hold,
    release: herd.release,
    setLimits: herd.setLimits,
    history: herd.history,
    events: herd.events
  }
}

const closedFor = <E>(pool: string, error: E | HerdClosed): E | PoolClosed =>
  error instanceof HerdClosed && error.herd === pool
    ? new PoolClosed({ pool, state: error.state })
    : (error as E)

const renamedAny = <E>(error: E): E =>
  error instanceof InvalidConfig ? (renamed(error) as E & InvalidConfig) : error

const statsOf = (
  { herd, paused, resources, state, tasks, workers }: HerdStats,
  borrowed: number
): PoolStats => ({
  pool: herd,
  state,
  paused,
  min: workers.min,
  max: workers.max,
  total: workers.size,
  idle: workers.idle,
  active: workers.busy,
  starting: workers.starting,
  waiting: tasks.queued,
  borrowed,
  timeouts: tasks.acquireTimeouts,
  ...resources
})

/** What lends, without the types of the resource. */
const build = (
  name: string,
  read: AnyPoolOptions
): Effect.Effect<Lender, InvalidConfig | ResourceUnavailable, Scope.Scope> => {
  const options = Parts.copied(read)
  return Effect.gen(function* () {
    // Under this the herd gives a task its worker's resource.
    const lent = Context.Service<unknown>(`lemmings/ResourcePool/${name}`)
    const { acquireTimeout = defaultAcquireTimeout, ...rest } = options
    // In milliseconds: it is read for every borrower.
    const limit = yield* Durations.decode("acquireTimeout", acquireTimeout, Durations.orNever)
    const given = herdOptions(rest)
    const config = yield* HerdConfig.decode(given, HerdLive.knownOptions)
    const parts = yield* Layer.build(Parts.layer(name, config, given, false, "pool"))
    const herd = yield* Effect.provideContext(HerdLive.make(name, { resource: lent }, config, given), parts)
    yield* PoolMetrics.publish(name, herd.statsUnsafe, Context.get(parts, Resources), herd.waits, herd.uses)
    return lender(name, herd, lent, limit)
  }).pipe(Effect.mapError(renamedAny))
}

/**
 * Starts a pool that lives until the scope closes. Closing waits for what is lent as long as `shutdown` says.
 *
 * Fails with `InvalidConfig` when a setting is out of its range, and with `start: "eager"` with `ResourceUnavailable`
 * when a first resource cannot be made.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <
  S,
  RC = never,
  RD = never,
  RR = never,
  RI = never,
  RV = never,
  St extends HerdConfig.Start = "background"
>(
  name: string,
  options: PoolOptions<S, RC, RD, RR, RI, RV, St>
): Effect.Effect<
  ResourcePool<S>,
  InvalidConfig | Parts.Unready<St>,
  Scope.Scope | Exclude<RC, Scope.Scope> | RD | RR | RI | RV
> =>
  // The one place, with that of Service, where the type of the resource is put on: below it is unknown.
  build(name, options as unknown as AnyPoolOptions) as unknown as Effect.Effect<
    ResourcePool<S>,
    InvalidConfig | Parts.Unready<St>
  >

/** A service class whose `use` lends a resource, in place of the one that gives the service. */
type ServiceClass<Self, Id extends string, S> = Omit<Context.ServiceClass<Self, Id, S>, "use"> & {
  new (_: never): Context.ServiceClass.Shape<Id, S>
}

/**
 * The class of a pool: its service key, its layer, and its ways in.
 *
 * **Gotchas**
 *
 * `use` lends a resource, as the `use` of a pool does, in place of the one that every service class has, which gives the
 * service. It has that name because it is the same call with the pool taken from the context, as `Herd.run` is on a herd
 * and on its class, and because who writes `Database.use` wants a connection. The pool itself is `yield* Database`, and
 * `Database.useSync` gives it to a function.
 *
 * @category models
 * @since 0.2.0
 */
export type PoolClass<Self, Id extends string, S> = ServiceClass<Self, Id, ResourcePool<S>> &
  Borrowing<S, Self> & {
    /** A pool with these options, for as long as the layer lives. Fails as `make` does. */
    readonly layer: <
      RC = never,
      RD = never,
      RR = never,
      RI = never,
      RV = never,
      St extends HerdConfig.Start = "background"
    >(
      options: PoolOptions<S, RC, RD, RR, RI, RV, St>
    ) => Layer.Layer<
      Self,
      InvalidConfig | Parts.Unready<St>,
      NoInfer<Exclude<RC, Scope.Scope> | RD | RR | RI | RV>
    >
  }

/**
 * Declares a pool whose resources are `S`.
 *
 * @category services
 * @since 0.2.0
 */
export const Service =
  <Self, S>() =>
  <const Id extends string>(id: Id): PoolClass<Self, Id, S> => {
    const key = Context.Service<Self, Lender>()(id)
    const statics = {
      layer: (options: AnyPoolOptions) => Layer.effect(key, build(id, options)),
      use: (f: (resource: unknown) => Effect.Effect<unknown, unknown>, options?: BorrowOptions) =>
        decoded(options, (terms) => Effect.flatMap(key, (pool) => pool.use(f, terms))),
      acquire: (options?: BorrowOptions) =>
        decoded(options, (terms) => Effect.flatMap(key, (pool) => pool.acquire(terms)))
    }
    return Object.assign(key, statics) as unknown as PoolClass<Self, Id, S>
  }
