/**
 * A herd whose workers are threads, or processes.
 *
 * @since 0.3.0
 */
import { Clock, type Context, Effect, type Duration, Exit, Layer, Option, type Scope } from "effect"
import * as Time from "lemmings/internal/Time"
import * as Durations from "lemmings/internal/Durations"
import { Herd, type HerdConfig } from "lemmings"
import * as HerdError from "lemmings/HerdError"
import * as Fibers from "lemmings/internal/Fibers"
import * as PulledMetrics from "lemmings/PulledMetrics"
import { existsSync } from "node:fs"
import { availableParallelism } from "node:os"
import { serialize } from "node:v8"
import type { ResourceLimits } from "node:worker_threads"
import * as Broadcasting from "./Broadcasting.ts"
import { Crashes } from "./Crashes.ts"
import * as Inline from "./Inline.ts"
import * as Patience from "./Patience.ts"
import type { Serving } from "../thread/Serving.ts"
import { type Averages, notServing, Thread, type ThreadOptions } from "./Thread.ts"
import { ThreadsUnavailable } from "../task/ThreadError.ts"
import { type AnyTask, type Caller, CurrentThread, type Runs } from "../task/ThreadTask.ts"
import { describe } from "../wire/Wire.ts"

/**
 * @category models
 * @since 0.3.0
 */
export interface Declaration extends Pick<Herd.Declaration, "overflow" | "sheds"> {
  /** The tasks that the threads serve. A call of another does not compile. */
  readonly tasks: ReadonlyArray<AnyTask>
  /**
   * The module that threads run: `new URL("./resize.worker.ts", import.meta.url)`. Where there is no `.ts` it is the
   * `.js` beside it, so that the same line works after a build.
   */
  readonly worker: URL
}

/**
 * What a herd of threads may be told, beside the settings of every herd (`HerdConfig.settings`).
 *
 * `workers.max` defaults to the processors of the machine less one, at least 1, for the main thread.
 *
 * @category models
 * @since 0.3.0
 */
export interface Options<
  RH = never,
  O extends HerdConfig.Overflow = HerdConfig.Overflow
> extends Herd.CommonOptions<O, RH, "background" | "lazy"> {
  /** Threads, or child processes for native code that crashes. A process starts in about twice the time, and shares no memory. */
  readonly isolation?: "thread" | "process" | undefined
  /**
   * Tasks that run at once on one thread, for handlers that wait. Defaults to `"adaptive"`: one runs, and while tasks
   * take less than a millisecond the next ones are sent ahead. Those go to another thread when it turns out otherwise.
   */
  readonly concurrency?: number | "adaptive" | undefined
  /**
   * How long an interrupted task may take to stop before its thread is terminated and replaced. Time in which the herd's own
   * process had no turn does not count. Defaults to 100 ms.
   */
  readonly grace?: Duration.Input | undefined
  /**
   * Limits of a thread's heap, code and stack, in MB: `maxOldGenerationSizeMb` from 16 on, below which V8 ends the whole
   * process instead of the thread; the others from 1 on, and `stackSizeMb` up to 256. A process takes the two of the heap.
   */
  readonly resourceLimits?: ResourceLimits | undefined
  /**
   * Flags of Node.js. A thread has those of its process by default; a child process too, without those that are about one
   * program (`--eval`, `--test`, `--watch`), and with an inspector port of its own where ours has one.
   */
  readonly execArgv?: ReadonlyArray<string> | undefined
  /**
   * Environment variables of a thread or process. A list of names passes on those and what programs cannot do without (`PATH`,
   * `HOME`, `TMPDIR`, `TZ`, `LANG`, `NODE_ENV`, `NODE_OPTIONS` and their like), `"all"` passes on all of ours, and an object is
   * what there is instead. Defaults to `[]`: what programs need, and no secret.
   */
  readonly env?: NodeJS.ProcessEnv | ReadonlyArray<string> | "all" | undefined
  /** Appended to `process.argv` of a thread or process. */
  readonly argv?: ReadonlyArray<string> | undefined
  /** What every thread or process can read as `workerData` of `ThreadTasks` or `@lemmings/threads/worker`. It is cloned. */
  readonly workerData?: unknown
  /** Where threads write to: as we do (default), with `[herd worker]` before each line, or nowhere. */
  readonly output?: "inherit" | "prefix" | "ignore" | undefined
  /** Replaces a thread, between tasks, whose heap is larger than this. In bytes. Defaults to never. */
  readonly maxHeap?: number | undefined
  /**
   * How many crashes are too many: `max` (default 10) `within` (default 30 seconds) open a circuit. So do three starts that
   * fail one after another, or all starts of 5 seconds, at any pace. Then no thread is started for `coolDown` (default 5
   * seconds), and when none is left, tasks fail with `ThreadsUnavailable`. The circuit opening is one warning in the log.
   */
  readonly crashes?:
    | {
        readonly max?: number | "unlimited" | undefined
        readonly within?: Duration.Input | undefined
        readonly coolDown?: Duration.Input | undefined
      }
    | undefined
}

/**
 * A thread at one instant.
 *
 * @category models
 * @since 0.3.0
 */
export interface ThreadInfo {
  readonly workerId: number
  /** Of Node.js: `threadId` of `node:worker_threads`. `undefined`: a process. */
  readonly threadId: number | undefined
  /** Of the child process. `undefined`: a thread. */
  readonly pid: number | undefined
  /** Where a debugger reaches the child process, when it has an inspector. */
  readonly inspector: string | undefined
  /** Tasks that run on it or were sent ahead. */
  readonly inFlight: number
  /** Tasks that ended on it. */
  readonly tasksEnded: number
  /** Bytes, with `maxHeap`; otherwise 0. */
  readonly heapUsed: number
  /** Share of the time that its event loop was busy since the last look, 0 to 1. Unknown of a process. */
  readonly utilization: number | undefined
}

type Named<D> = D extends { readonly tasks: ReadonlyArray<infer T extends AnyTask> } ? T["name"] : never
type Core<D> = Omit<D, "tasks" | "worker"> & { readonly resource: Context.Key<Runs<Named<D>>, Caller> }

/**
 * The class of a herd of threads.
 *
 * @category models
 * @since 0.3.0
 */
export interface ThreadHerdClass<Self, Id extends string, D>
  extends Context.ServiceClass<Self, Id, Herd.Herd<Core<D>>>, Herd.Submitting<Core<D>, Self> {
  readonly layer: <RH = never>(
    options?: Options<RH, OverflowOf<D>>
  ) => Layer.Layer<Self, HerdError.InvalidConfig, NoInfer<RH>>
  /** The same herd with the handlers in this process, for tests. What only threads have is ignored. */
  readonly layerInline: <RH = never>(
    served: Serving,
    options?: Options<RH, OverflowOf<D>>
  ) => Layer.Layer<Self, HerdError.InvalidConfig, NoInfer<RH>>
  /** The threads that run now. */
  readonly threads: Effect.Effect<ReadonlyArray<ThreadInfo>, never, Self>
  /**
   * Runs a task on every thread that is ready now, and gives how each ended, in no order: to warm a cache, or to drop one.
   * On each it is the next task after those that are on their way there. It waits in no queue, counts in no statistics, and
   * is not retried. Threads that start later do not run it. Interrupting it is as with every task. With `layerInline` there
   * is no thread.
   */
  readonly broadcast: <A, E, R>(
    call: Effect.Effect<A, E, R | Runs<Named<D>>>
  ) => Effect.Effect<ReadonlyArray<Broadcast<A, E>>, never, Self | Exclude<R, Runs<Named<D>>>>
}

/**
 * How a task ended on one of the threads.
 *
 * @category models
 * @since 0.5.0
 */
export interface Broadcast<out A, out E> {
  readonly workerId: number
  readonly exit: Exit.Exit<A, E>
}

type OverflowOf<D> = D extends { readonly overflow: infer O extends HerdConfig.Overflow } ? O : "suspend"

const own = [
  "isolation",
  "concurrency",
  "grace",
  "resourceLimits",
  "execArgv",
  "env",
  "argv",
  "workerData",
  "output",
  "maxHeap",
  "crashes"
] as const

/** The options of every herd, with our defaults. */
const common = (options: Options, createTimeout = options.createTimeout) => {
  const rest = Object.fromEntries(
    Object.entries(options).filter(([name]) => !own.some((key) => key === name))
  )
  const processors = Math.max(1, availableParallelism() - 1)
  return {
    ...(rest as Herd.CommonOptions<"suspend">),
    ...(createTimeout === undefined ? {} : { createTimeout }),
    workers: { max: Math.max(processors, options.workers?.min ?? 1), ...options.workers }
  }
}

const invalid = (field: string, value: unknown, rule: string) =>
  Effect.fail(new HerdError.InvalidConfig({ field, value, rule }))

/** The module that is there: as given, or as a build has named it. */
const moduleOf = (worker: URL): URL | undefined => {
  const built = new URL(worker.href.replace(/\.([cm]?)ts$/, ".$1js"))
  return [worker, built].find((url) => url.protocol !== "file:" || existsSync(url))
}

// Below it V8 aborts the process while it starts a thread.
const leastHeap = 16
const mostStack = 256

/** Why the limits cannot be had, if so. */
const badLimit = (
  limits: ResourceLimits
): readonly [name: string, value: unknown, rule: string] | undefined => {
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue
    const least = name === "maxOldGenerationSizeMb" ? leastHeap : 1
    const most = name === "stackSizeMb" ? mostStack : Infinity
    if (!(typeof value === "number" && value >= least && value <= most && value !== Infinity))
      return [name, value, `a number of MB, at least ${least}${most === Infinity ? "" : `, at most ${most}`}`]
  }
  return undefined
}

const isCloneable = (value: unknown, isolation: "thread" | "process"): boolean => {
  try {
    if (isolation === "thread") structuredClone(value)
    else serialize(value)
    return true
  } catch {
    return false
  }
}

/** Names, or variables with their values. */
const isEnv = (env: NodeJS.ProcessEnv | ReadonlyArray<string>): boolean =>
  typeof env === "object" &&
  env !== null &&
  Object.values(env).every(
    (value) => typeof value === "string" || (value === undefined && !Array.isArray(env))
  )

const settingsOf = Effect.fnUntraced(function* (id: string, declaration: Declaration, options: Options) {
  const worker = moduleOf(declaration.worker)
  if (worker === undefined)
    return yield* invalid("worker", declaration.worker.href, "the URL of a module that exists")
  const grace = yield* Durations.decode("grace", options.grace ?? 100)
  const { concurrency = "adaptive", crashes = {}, maxHeap = Infinity } = options
  if (
    concurrency !== "adaptive" &&
    !(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 128)
  )
    return yield* invalid("concurrency", concurrency, `"adaptive" or an integer from 1 to 128`)
  if (!(maxHeap > 0)) return yield* invalid("maxHeap", maxHeap, "a number of bytes, above 0")
  const { coolDown = "5 seconds", max = 10, within = "30 seconds" } = crashes
  const limit = max === "unlimited" ? Infinity : max
  if (!(limit >= 1)) return yield* invalid("crashes.max", max, `"unlimited" or an integer, at least 1`)
  const withinMillis = yield* Durations.decode("crashes.within", within)
  const coolDownMillis = yield* Durations.decode("crashes.coolDown", coolDown)
  const isolation = options.isolation ?? "thread"
  if (isolation !== "thread" && isolation !== "process")
    return yield* invalid("isolation", isolation, `"thread" or "process"`)
  const { env = [] } = options
  if (typeof env === "string" ? env !== "all" : !isEnv(env))
    return yield* invalid("env", "a value of another kind", `"all", a list of names, or an object of texts`)
  const tooSmall = badLimit(options.resourceLimits ?? {})
  if (tooSmall !== undefined) return yield* invalid(`resourceLimits.${tooSmall[0]}`, tooSmall[1], tooSmall[2])
  if (!isCloneable(options.workerData, isolation))
    return yield* invalid("workerData", "a value that cannot be cloned", "a value that can be cloned")
  const startMillis = yield* Durations.decode("createTimeout", options.createTimeout ?? "10 seconds")
  const thread: ThreadOptions = {
    herd: id,
    worker,
    isolation,
    tasks: declaration.tasks.map(({ name }) => name),
    concurrency: concurrency === "adaptive" ? 1 : concurrency,
    ahead: concurrency === "adaptive",
    heap: maxHeap !== Infinity,
    resourceLimits: options.resourceLimits,
    execArgv: options.execArgv,
    env,
    argv: options.argv,
    workerData: options.workerData,
    output: options.output ?? "inherit",
    grace
  }
  return {
    thread,
    maxHeap,
    startMillis,
    crashes: { max: limit, within: withinMillis, coolDown: coolDownMillis }
  }
})

/** Stands for a thread while the circuit is open. */
class Refusal implements Caller {
  readonly error: ThreadsUnavailable
  constructor(error: ThreadsUnavailable) {
    this.error = error
  }
  readonly start: Caller["start"] = (_, __, end) => {
    end(Exit.fail(this.error))
    return Effect.void
  }
}

// Longest time between the end of a start and the herd hearing of it, the longest delay of `Crashes` included.
const spareMillis = 5000

/** What the threads of one herd have in common. */
const threadsOf = Effect.fnUntraced(function* (id: string, declaration: Declaration, options: Options) {
  const settings = yield* settingsOf(id, declaration, options)
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const crashes = new Crashes(settings.crashes)
  const durations: Averages = new Map()
  const alive = new Set<Thread>()
  const whenNone = new Set<() => void>()
  const now = () => Time.monotonic(clock)
  const log = (line: Effect.Effect<void>) => Fibers.start(context, line)

  const noneAlive = Effect.callback<void>((resume) => {
    if (alive.size === 0) return resume(Effect.void)
    const none = () => resume(Effect.void)
    whenNone.add(none)
    return Effect.sync(() => whenNone.delete(none))
  })
  const refusal = (retryAfterMillis: number) => {
    const { last: cause, total } = crashes
    return new Refusal(new ThreadsUnavailable({ herd: id, crashes: total, retryAfterMillis, cause }))
  }
  /** Tells once that there are no threads to be had, and once that there are again. */
  const telling = (change: () => void) => {
    const before = crashes.isOpen
    change()
    if (crashes.isOpen === before) return
    log(
      before
        ? Effect.logInfo(`herd ${id}: threads are well again`)
        : Effect.logWarning(
            `herd ${id}: no threads for ${settings.crashes.coolDown} ms after ${crashes.total} crashes: ${describe(crashes.last)}`
          )
    )
  }
  const listener = {
    crashed: (cause: unknown) => telling(() => crashes.crashed(now(), cause)),
    succeeded: () => {
      if (crashes.watching) telling(() => crashes.succeeded(now()))
    },
    ended: (thread: Thread) => {
      if (alive.delete(thread) && alive.size === 0) for (const none of whenNone) none()
    }
  }

  const open = (workerId: number) =>
    Effect.gen(function* () {
      // Threads that still work get the tasks: none must be refused beside them.
      while (crashes.openFor(now()) > 0) {
        if (alive.size === 0) return refusal(crashes.openFor(now()))
        yield* Effect.raceFirst(Effect.sleep(crashes.openFor(now())), noneAlive)
      }
      yield* Effect.sleep(crashes.delay)
      return yield* started(workerId)
    })

  /** A thread that serves. One that does not, whatever the reason, is a crash. */
  const started = (workerId: number) =>
    Effect.suspend(() => {
      const began = now()
      const thread = Effect.acquireRelease(
        Effect.mapError(
          Effect.try(() => new Thread(settings.thread, workerId, durations, listener, context)),
          ({ cause }) => cause
        ),
        (made) => made.close
      )
      const ready = Effect.tap(thread, (made) =>
        Effect.flatMap(
          Patience.within(made.ready, settings.startMillis),
          Option.match({
            onNone: () =>
              Effect.fail(
                notServing(`${settings.thread.worker.href} did not serve within ${settings.startMillis} ms`)
              ),
            onSome: () => Effect.void
          })
        )
      )
      return ready.pipe(
        Effect.tap((made) =>
          Effect.sync(() => {
            crashes.started()
            alive.add(made)
          })
        ),
        Effect.tapError((cause) => Effect.sync(() => telling(() => crashes.failedStart(began, now(), cause))))
      )
    })

  const {
    crashes: { coolDown },
    startMillis: limit
  } = settings
  return {
    alive,
    crashes,
    // Ours comes first: it knows what a failed start means, and that a wait for the circuit is none.
    createTimeout: limit > 0 && limit < Infinity ? limit + coolDown + spareMillis : options.createTimeout,
    resource: {
      onCreate: ({ workerId }: { readonly workerId: number }) => Fibers.heard(open(workerId)),
      awaitLost: (caller: Caller) => {
        if (caller instanceof Thread) return caller.awaitLost
        return Effect.suspend(() => Effect.sleep(crashes.openFor(now())))
      },
      hasRoom: (caller: Caller) => caller instanceof Thread && caller.hasRoom,
      utilization: (caller: Caller) =>
        caller instanceof Thread && !caller.lost ? caller.utilization.sampled() : undefined,
      recycleWhen: (caller: Caller) =>
        caller instanceof Thread && (caller.lost || caller.heapUsed > settings.maxHeap)
    }
  }
})

/**
 * Declares a herd of threads. See `ThreadTask.make` for its tasks.
 *
 * @category services
 * @since 0.3.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, const D extends Declaration>(
    id: Id,
    declaration: D
  ): ThreadHerdClass<Self, Id, D> => {
    const { overflow, sheds } = declaration
    const herd = Herd.Service<Self>()(id, { resource: CurrentThread, overflow: overflow ?? "suspend", sheds })
    // Which errors an overflow adds is in our own type.
    const layerOf = herd.layer as unknown as (
      options: Herd.CommonOptions<"suspend"> & Herd.ResourceOptions<Caller, Scope.Scope>
    ) => Layer.Layer<Self, HerdError.InvalidConfig>
    // By herd: a class may be built more than once.
    const running = new WeakMap<object, ReadonlySet<Thread>>()

    const layer = (options: Options = {}) =>
      Layer.unwrap(
        Effect.map(threadsOf(id, declaration, options), ({ alive, crashes, createTimeout, resource }) => {
          const { counter, gauge } = PulledMetrics.make({ herd: id })
          const metrics = PulledMetrics.register([
            gauge("lemmings_threads", "Threads that are ready.", () => alive.size),
            counter(
              "lemmings_thread_crashes_total",
              "Threads that ended by themselves.",
              () => crashes.total
            ),
            gauge("lemmings_thread_utilization", "Mean event loop utilization of the threads.", () => {
              const all = Array.from(alive, ({ utilization }) => utilization.scraped() ?? 0)
              return all.length === 0 ? 0 : all.reduce((sum, one) => sum + one, 0) / all.length
            })
          ])
          const known = Effect.flatMap(Effect.serviceOption(herd), (made) =>
            Effect.sync(() => {
              if (Option.isSome(made)) running.set(made.value, alive)
            })
          )
          return Layer.effectDiscard(Effect.andThen(metrics, known)).pipe(
            Layer.provideMerge(layerOf({ ...common(options, createTimeout), ...resource }))
          )
        })
      )
    const layerInline = (served: Serving, options: Options = {}) =>
      layerOf({
        ...common(options),
        onCreate: ({ workerId }) =>
          Effect.acquireRelease(
            Effect.sync(() => Inline.make(served, workerId)),
            () => Effect.promise(() => Promise.resolve(served.close()))
          )
      })
    const threads = herd.use((made) =>
      Effect.sync(() =>
        Array.from(running.get(made) ?? [], (thread) => ({
          workerId: thread.workerId,
          ...thread.ids,
          inFlight: thread.busy,
          tasksEnded: thread.tasksEnded,
          heapUsed: thread.heapUsed,
          utilization: thread.utilization.shown()
        }))
      )
    )
    const broadcast = (call: Effect.Effect<unknown, unknown>) =>
      herd.use((made) => Broadcasting.on(running.get(made) ?? new Set(), call))
    return Object.assign(herd, { layer, layerInline, threads, broadcast }) as unknown as ThreadHerdClass<
      Self,
      Id,
      D
    >
  }
