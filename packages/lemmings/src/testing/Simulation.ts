/**
 * A herd under a load, in virtual time: the real herd and the real supervisor, with workers and tasks that do nothing but
 * take time.
 *
 * @since 0.2.0
 */
import {
  Clock,
  Context,
  Deferred,
  type Duration,
  Effect,
  Fiber,
  Layer,
  Logger,
  Predicate,
  Random,
  type Scope
} from "effect"
import * as Durations from "../model/Durations.ts"
import * as Herd from "../herd/Herd.ts"
import type { InvalidConfig } from "../model/HerdError.ts"
import { Histogram } from "../internal/Histogram.ts"
import { fixed, type ScalingPolicy } from "../scaling/ScalingPolicy.ts"
import { SystemMetrics, type SystemReading } from "../model/SystemMetrics.ts"
import type { TaskOptions } from "../model/Task.ts"
import { decodeAll, type FlowControlOptions } from "../model/Limits.ts"
import * as Load from "./Load.ts"
import { type KeyPoint, type KeyReport, Served } from "./Served.ts"
import { randomFrom } from "./Turns.ts"
import { virtual } from "./VirtualTime.ts"

/**
 * @category models
 * @since 0.2.0
 */
export interface SimulationOptions {
  readonly load: Load.Load
  /** A policy, or `"fixed"`: always `workers.max`. */
  readonly policy: ScalingPolicy | "fixed"
  readonly workers: { readonly min: number; readonly max: number }
  /** How long tasks take whose load does not say. Defaults to exponential with a mean of 100 ms. */
  readonly service?: Load.ServiceTime | undefined
  /** How long creating a resource takes. Defaults to 200 ms. */
  readonly creation?: Duration.Input | undefined
  /** How long a worker needs after each task before it is ready for the next. Defaults to 0. */
  readonly between?: Duration.Input | undefined
  /** Of arrivals, service times and faults. Defaults to 1. The same seed gives the same report. */
  readonly seed?: number | undefined
  readonly faults?: Faults | undefined
  /** `false`: a task goes on to its end when it is interrupted, as a query does that nobody cancels. Defaults to `true`. */
  readonly interruptible?: boolean | undefined
  /** Options of each task, counted from 0 in the order of their coming. Defaults to none. */
  readonly options?: ((task: number) => TaskOptions<unknown>) | undefined
  /** Limits, fairness and overload, as a layer takes them. What such a herd drops or refuses is not lost. Defaults to none. */
  readonly flow?: SimulatedFlow | undefined
  /** What policies that look at memory or the event loop read, by milliseconds since the start. Defaults to a calm process. */
  readonly system?: ((millis: number) => Partial<SystemReading>) | undefined
  /** Points of the timeline. Defaults to 480. */
  readonly points?: number | undefined
}

/**
 * Flow control of a simulated herd.
 *
 * @category models
 * @since 0.5.0
 */
export interface SimulatedFlow extends FlowControlOptions {
  readonly queue?:
    | {
        readonly order?: "arrival" | "fair" | undefined
        readonly cost?: "weight" | "time" | undefined
        readonly ageing?: Duration.Input | "never" | undefined
      }
    | undefined
}

/**
 * What goes wrong.
 *
 * @category models
 * @since 0.2.0
 */
export interface Faults {
  /** Part of the tasks that find their resource dead, 0 to 1. The resource is replaced, and the task runs on another. */
  readonly dying?: number | undefined
  /** While creating a resource fails. */
  readonly creationFails?: { readonly from: Duration.Input; readonly until: Duration.Input } | undefined
  /** While tasks fail: what they ask is down. They end with an error of their own, and count as dropped. */
  readonly tasksFail?: { readonly from: Duration.Input; readonly until: Duration.Input } | undefined
}

/**
 * The herd over one span of the simulation.
 *
 * @category models
 * @since 0.2.0
 */
export interface Point {
  /** End of the span, in seconds since the start. */
  readonly second: number
  /** Tasks that came, per second. */
  readonly arrivalRate: number
  /** At the end of the span. */
  readonly queued: number
  readonly workers: number
  readonly busy: number
  /** Of the tasks that started in the span. */
  readonly waitP95Millis: number
  /** Attempts that began, per second. */
  readonly attemptRate: number
  /** Each key, where tasks have keys. */
  readonly keys: { readonly [key: string]: KeyPoint }
}

/**
 * What a policy made of a load.
 *
 * @category models
 * @since 0.2.0
 */
export interface SimulationReport {
  readonly load: string
  readonly policy: string
  readonly tasks: number
  /** Tasks that never ended, or ended with an error that neither they nor their options account for. */
  readonly lost: number
  /** Tasks that the herd ended as their options ask for, such as those that missed their `deadline`. They are not lost. */
  readonly dropped: number
  /**
   * Tasks that succeeded while the load lasted, as part of those that could have: of all that came, or of what
   * `workers.max` workers that are always busy do in that time, whichever is less.
   */
  readonly goodput: number
  /** Attempts that began, those that were tried again included. */
  readonly attempts: number
  /**
   * How evenly keys were served (Jain's index), each by what was due to it: what it asked for, or its share of what was done while
   * others wanted more. 1: as it is due. 1 where there are no two keys.
   */
  readonly jain: number
  /**
   * How far the starts of a rate were from it, in parts of the rate: beyond what any window may have, or below it, where more came.
   * The largest of all rates. 0: exact, or there is none.
   */
  readonly rateError: number
  /** Each key of the load. */
  readonly keys: ReadonlyArray<KeyReport>
  /** Seconds that resources lived, from the begin of their creation to their end, all together, while the load lasted. */
  readonly workerSeconds: number
  /** Time between submission and start. */
  readonly wait: {
    readonly p50Millis: number
    readonly p95Millis: number
    readonly p99Millis: number
    readonly maxMillis: number
  }
  /** Changes of the number of workers by the policy. */
  readonly scaleActions: number
  /** Changes in another direction than the change before. */
  readonly reversals: number
  readonly created: number
  readonly peakWorkers: number
  readonly decisions: ReadonlyArray<Change>
  readonly timeline: ReadonlyArray<Point>
}

/**
 * A change by the policy.
 *
 * @category models
 * @since 0.2.0
 */
export interface Change {
  readonly second: number
  readonly from: number
  readonly to: number
  readonly reason: string
}

class Resource extends Context.Service<Resource, { alive: boolean }>()(
  "lemmings/testing/Simulation/Resource"
) {}

class Simulated extends Herd.Service<Simulated>()("simulated", { resource: Resource, sheds: true }) {}

/** Resources that live, and for how long all together. */
class Lives {
  private alive = 0
  private since = 0
  private area = 0
  private readonly end: number
  created = 0
  peak = 0

  constructor(end: number) {
    this.end = end
  }
  change(now: number, by: number): void {
    const until = Math.min(now, this.end)
    this.area += this.alive * Math.max(0, until - this.since)
    this.since = until
    this.alive += by
    this.peak = Math.max(this.peak, this.alive)
  }
  seconds(now: number): number {
    this.change(now, 0)
    return this.area / 1000
  }
}

/** The policy, and what it changed. A herd goes on with a policy that is broken, and its figures would mean nothing. */
const watched = (
  policy: ScalingPolicy,
  changes: Array<Change>,
  broken: Deferred.Deferred<never>
): ScalingPolicy => ({
  ...policy,
  decide: (sample, state) => {
    let answer: ReturnType<ScalingPolicy["decide"]>
    try {
      answer = policy.decide(sample, state)
    } catch (defect) {
      Deferred.doneUnsafe(broken, Effect.die(defect))
      throw defect
    }
    const [{ reason, target }] = answer
    if (!Number.isInteger(target)) {
      const message = `The policy ${policy.name} answered ${target} workers`
      Deferred.doneUnsafe(broken, Effect.die(new Error(message)))
    }
    const from = sample.workers.target
    if (target !== from) changes.push({ second: sample.now / 1000, from, to: target, reason })
    return answer
  }
})

const reversalsOf = (changes: ReadonlyArray<Change>): number => {
  let reversals = 0
  let before = 0
  for (const { from, to } of changes) {
    const direction = Math.sign(to - from)
    if (before !== 0 && direction !== before) reversals++
    before = direction
  }
  return reversals
}

/**
 * Runs the load against a herd with the policy, in virtual time.
 *
 * **Details**
 *
 * Tasks come whether or not the herd keeps up. After the load has ended the simulation goes on until every task has.
 * Memory does not grow with the number of tasks, and a million of them take some seconds. A policy that throws, or
 * answers something that is no number of workers, ends the simulation with a defect.
 *
 * **Example** (Ten times the load for twenty seconds)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { ScalingPolicy } from "lemmings"
 * import { Load, simulate } from "lemmings/testing"
 *
 * const report = await Effect.runPromise(
 *   simulate({
 *     load: Load.spike({
 *       name: "spike",
 *       before: "1 minute",
 *       lasts: "20 seconds",
 *       after: "2 minutes",
 *       calm: 20,
 *       high: 200
 *     }),
 *     policy: ScalingPolicy.littlesLaw(),
 *     workers: { min: 2, max: 64 }
 *   })
 * )
 *
 * report.lost // => 0
 * report.wait.p99Millis < 500 // => true
 * ```
 *
 * @category running
 * @since 0.2.0
 */
export const simulate = (options: SimulationOptions): Effect.Effect<SimulationReport, InvalidConfig> => {
  const { between = 0, load, policy, workers } = options
  const changes: Array<Change> = []
  const broken = Deferred.makeUnsafe<never>()
  const lives = new Lives(load.durationMillis)
  const random = randomFrom(options.seed ?? 1)
  const { onCreate, onDestroy } = resources(lives, options)
  const live = Simulated.layer({
    onCreate,
    onDestroy,
    ready: between === 0 ? undefined : () => Effect.sleep(between),
    checkHealth: (cause) => !cause.reasons.some((reason) => reason._tag === "Fail" && reason.error === dead),
    workers: policy === "fixed" ? { min: workers.max, max: workers.max } : workers,
    maxRequeues: 1_000,
    // What is left of the load is part of the simulation.
    shutdown: { drain: "1 hour" },
    scaling: policy === "fixed" ? fixed : watched(policy, changes, broken),
    ...options.flow
  }).pipe(Layer.provide(systemOf(options.system)))
  const name = policy === "fixed" ? "fixed" : policy.name
  const driven = (served: Served) =>
    Effect.provide(
      Effect.scoped(Effect.raceFirst(drive(options, lives, served, random), Deferred.await(broken))),
      live
    )
  const limits = Effect.map(decodeAll(options.flow ?? {}), (flow) => flow.limits)
  return virtual(
    Effect.map(
      Effect.flatMap(limits, (known) => driven(new Served(load.durationMillis, known))),
      (run) => ({
        load: load.name,
        policy: name,
        ...run,
        created: lives.created,
        peakWorkers: lives.peak,
        scaleActions: changes.length,
        reversals: reversalsOf(changes),
        decisions: changes
      })
    ),
    { limit: load.durationMillis + 86_400_000 }
  ).pipe(
    Effect.provideService(Logger.CurrentLoggers, new Set()),
    // The herd's own: the jitter of lifetimes and of creations that are tried again.
    Random.withSeed(options.seed ?? 1)
  )
}

const systemOf = (read: SimulationOptions["system"] = () => ({})) =>
  Layer.unwrap(
    Effect.map(Clock.Clock, (clock) => SystemMetrics.layerFake(() => read(clock.currentTimeMillisUnsafe())))
  )

const dead = "the resource is dead"

const resources = (lives: Lives, { creation = "200 millis", faults }: SimulationOptions) => {
  const fails = faults?.creationFails
  const from =
    fails === undefined ? Infinity : Durations.decodeUnsafe("faults.creationFails.from", fails.from)
  const until = fails === undefined ? 0 : Durations.decodeUnsafe("faults.creationFails.until", fails.until)
  const change = (by: number) => Effect.map(Clock.currentTimeMillis, (now) => lives.change(now, by))
  return {
    onCreate: Effect.gen(function* () {
      yield* change(1)
      yield* Effect.sleep(creation)
      const now = yield* Clock.currentTimeMillis
      if (now >= from && now < until) return yield* Effect.fail("nothing can be created now")
      lives.created++
      return { alive: true }
    }).pipe(
      // Sent away before it was there: nobody will destroy it.
      Effect.onError(() => change(-1))
    ),
    onDestroy: () => change(-1)
  }
}

/** Between two times of a simulation. */
const during = (field: string, span: Faults["tasksFail"]) => {
  if (span === undefined) return () => false
  const from = Durations.decodeUnsafe(`${field}.from`, span.from)
  const until = Durations.decodeUnsafe(`${field}.until`, span.until)
  return (now: number) => now >= from && now < until
}

/** What an arrival says of its task. */
const optionsOf = ({ criticality, key, weight }: Omit<Load.Arrival, "at">) => ({
  ...(key === undefined ? {} : { key }),
  ...(weight === undefined ? {} : { weight }),
  ...(criticality === undefined ? {} : { criticality })
})

const drive = (
  {
    faults,
    flow,
    interruptible = true,
    load,
    options,
    points = 480,
    service = Load.exponential(100),
    workers
  }: SimulationOptions,
  lives: Lives,
  served: Served,
  random: Load.Random
): Effect.Effect<
  Omit<
    SimulationReport,
    "load" | "policy" | "created" | "peakWorkers" | "scaleActions" | "reversals" | "decisions"
  >,
  never,
  Simulated | Scope.Scope
> =>
  Effect.gen(function* () {
    const herd = yield* Simulated
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const waits = new Histogram()
    const recent = new Histogram()
    const timeline: Array<Point> = []
    const dying = faults?.dying ?? 0
    let tasks = 0
    let came = 0
    let dropped = 0
    let open = 0
    let inTime = 0
    let attempts = 0
    let begun = 0
    const isDown = during("faults.tasksFail", faults?.tasksFail)
    let workMillis = 0

    const span = Math.max(1, load.durationMillis / points)
    yield* Effect.forkScoped(
      Effect.gen(function* () {
        for (let point = 1; point <= points; point++) {
          yield* Effect.sleep(Math.max(0, point * span - now()))
          const { queue, workers } = yield* herd.stats
          timeline.push({
            second: now() / 1000,
            arrivalRate: (came / span) * 1000,
            queued: queue.depth,
            workers: workers.size + workers.stopping,
            busy: workers.busy,
            waitP95Millis: recent.quantile(0.95),
            attemptRate: (begun / span) * 1000,
            keys: served.recent()
          })
          came = 0
          begun = 0
          recent.reset()
        }
      })
    )

    const work = (takes: number) =>
      interruptible ? Effect.sleep(takes) : Effect.uninterruptible(Effect.sleep(takes))
    const task = (takes: number, { key, weight = 1 }: TaskOptions<unknown> = {}) => {
      tasks++
      came++
      workMillis += takes
      const submitted = now()
      // Of its first resource: the next one is new.
      let dies = dying > 0 && random() < dying
      let first = true
      served.came(key, takes * weight)
      return Effect.suspend(() => {
        const waited = now() - submitted
        waits.record(waited)
        recent.record(waited)
        served.started(key, now(), first ? waited : undefined, weight)
        first = false
        attempts++
        begun++
        if (isDown(now())) return Effect.fail("what it asks is down")
        if (!dies) return work(takes)
        dies = false
        return Effect.fail(dead)
      })
    }
    const done = (takes: number, { key, weight = 1 }: TaskOptions<unknown> = {}) => {
      if (now() <= load.durationMillis) inTime++
      served.done(key, now(), takes * weight)
    }
    /** Runs a task whose options say how it may end. */
    const optional = (takes: number, given: TaskOptions<unknown>) =>
      herd.run(task(takes, given), given).pipe(
        Effect.map(() => done(takes, given)),
        Effect.catch((error: unknown) =>
          error === dead || Predicate.isTagged(error, "HerdClosed")
            ? Effect.void
            : Effect.sync(() => dropped++)
        )
      )
    const beside = (takes: number, given: TaskOptions<unknown>) => {
      open++
      return Effect.forkScoped(
        Effect.ensuring(
          optional(takes, given),
          Effect.sync(() => open--)
        )
      )
    }
    const { callers, thinkMillis } = load.loop ?? { callers: 0, thinkMillis: 0 }
    const caller = Effect.gen(function* () {
      while (now() < load.durationMillis) {
        const takes = service.draw(random)
        yield* options === undefined
          ? Effect.orDie(herd.run(Effect.map(task(takes), () => done(takes))))
          : Effect.orDie(optional(takes, options(tasks)))
        if (thinkMillis > 0) yield* Effect.sleep(thinkMillis)
      }
    })
    const loop = yield* Effect.forkScoped(
      Effect.replicateEffect(caller, callers, { concurrency: "unbounded" })
    )

    // Nothing can end in another way than by itself.
    const plain = options === undefined && flow === undefined && faults?.tasksFail === undefined
    for (const { at, serviceMillis, ...said } of load.arrivals(random)) {
      const wait = at - now()
      if (wait > 0) yield* Effect.sleep(wait)
      const takes = serviceMillis ?? service.draw(random)
      const given = { ...optionsOf(said), ...options?.(tasks) }
      if (plain)
        yield* Effect.orDie(
          herd.submit(
            Effect.map(task(takes, given), () => done(takes, given)),
            given
          )
        )
      else yield* beside(takes, given)
    }
    const rest = load.durationMillis - now()
    if (rest > 0) yield* Effect.sleep(rest)
    const workerSeconds = lives.seconds(now())
    yield* Fiber.join(loop)
    yield* herd.awaitIdle
    if (open > 0) yield* Effect.repeat(Effect.sleep(1), { while: () => open > 0 })
    const stats = yield* herd.stats
    const most = workMillis === 0 ? tasks : (workers.max * load.durationMillis * tasks) / workMillis
    return {
      tasks,
      lost: tasks - stats.tasks.succeeded - dropped,
      dropped,
      goodput: tasks === 0 ? 1 : inTime / Math.min(tasks, most),
      attempts,
      jain: served.jain(),
      rateError: served.rateError(),
      keys: served.reports(),
      workerSeconds,
      wait: {
        p50Millis: waits.quantile(0.5),
        p95Millis: waits.quantile(0.95),
        p99Millis: waits.quantile(0.99),
        maxMillis: waits.max
      },
      timeline
    }
  })
