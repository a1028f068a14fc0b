/**
 * Readings of the process: memory and event loop.
 *
 * @since 0.2.0
 */
import { Clock, Context, Effect, Layer, Option, Schema, type Scope } from "effect"
import * as Time from "../internal/Time.ts"

/**
 * The process at one instant.
 *
 * @category models
 * @since 0.2.0
 */
export const SystemReading = Schema.Struct({
  /** What the process may use, in bytes: the container's limit where there is one, otherwise the machine's memory. */
  memoryLimit: Schema.Finite,
  /** Resident set size, in bytes. */
  memoryUsed: Schema.Finite,
  /** What the JavaScript heap may grow to, in bytes. */
  heapLimit: Schema.Finite,
  heapUsed: Schema.Finite,
  /** Part of the time since the reading before that the event loop was busy, 0 to 1. */
  eventLoopUtilization: Schema.Finite,
  /** How late timers were since the last reading but one, at most, in milliseconds. */
  eventLoopDelayMillis: Schema.Finite
})

/**
 * @category models
 * @since 0.2.0
 */
export type SystemReading = typeof SystemReading.Type

/**
 * How much of its memory the process uses, from 0 to 1: of the container or machine, or of the JavaScript heap, whichever
 * is fuller.
 *
 * @category getters
 * @since 0.2.0
 */
export const memoryFraction = (reading: SystemReading): number =>
  Math.max(part(reading.memoryUsed, reading.memoryLimit), part(reading.heapUsed, reading.heapLimit))

// A limit that is not known limits nothing.
const part = (used: number, limit: number) => (limit > 0 ? used / limit : 0)

/**
 * What a reading is made of, as far as the runtime has it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Process {
  /** Bytes. */
  readonly memory: () => { readonly rss: number; readonly heapUsed: number }
  /** Bytes. 0, or beyond `totalMemory`: there is no limit. */
  readonly constrainedMemory: () => number
  /** Bytes. 0: not known. */
  readonly totalMemory: () => number
  /** Bytes. 0: not known. */
  readonly heapLimit: () => number
  /** Milliseconds since the start. */
  readonly eventLoop: () => { readonly active: number; readonly idle: number }
  /** Milliseconds, since the last call but one. */
  readonly longestDelay: () => number
}

// A finite number that no memory reaches, for runtimes that do not say.
const unknown = Number.MAX_SAFE_INTEGER
// Readings closer together than this share one: several herds may read the same process.
const freshMillis = 100

// Some runtimes say 0 for what they do not know.
const limit = (bytes: number): number => (bytes > 0 ? Math.min(bytes, unknown) : unknown)

/**
 * Reads a process. The first reading is taken here, so that the next does not look back to the start of the process,
 * which loads modules and is busy.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromProcess = (source: Process, clock: Clock.Clock): SystemMetrics["Service"] => {
  let before = { active: 0, idle: 0 }
  const take = (): SystemReading => {
    const { heapUsed, rss } = source.memory()
    const constrained = source.constrainedMemory()
    const total = limit(source.totalMemory())
    const loop = source.eventLoop()
    const active = loop.active - before.active
    const span = active + loop.idle - before.idle
    before = loop
    return {
      memoryLimit: constrained > 0 && constrained < total ? constrained : total,
      memoryUsed: rss,
      heapLimit: limit(source.heapLimit()),
      heapUsed,
      eventLoopUtilization: span > 0 ? Math.min(1, Math.max(0, active / span)) : 0,
      eventLoopDelayMillis: source.longestDelay()
    }
  }
  const millis = () => Time.monotonic(clock)
  // The loop has no time yet to be busy in.
  let reading: SystemReading = { ...take(), eventLoopUtilization: 0 }
  let at = millis()
  return {
    read: () => {
      const now = millis()
      if (now - at < freshMillis) return reading
      reading = take()
      at = now
      return reading
    }
  }
}

interface Monitor {
  readonly max: number
  readonly reset: () => void
  readonly enable: () => void
  readonly disable: () => void
}

interface NodeModules {
  readonly "node:os": { readonly totalmem?: () => number }
  readonly "node:v8": { readonly getHeapStatistics?: () => { readonly heap_size_limit: number } }
  readonly "node:perf_hooks": {
    readonly performance?: {
      readonly eventLoopUtilization?: () => { readonly active: number; readonly idle: number }
    }
    readonly monitorEventLoopDelay?: (options: { readonly resolution: number }) => Monitor
  }
}

/**
 * The parts of Node.js that are used. Another runtime may lack any of them, or have it only to throw that it is not
 * implemented.
 *
 * @category models
 * @since 0.2.0
 */
export interface Runtime {
  readonly process?: {
    readonly memoryUsage?: () => { readonly rss: number; readonly heapUsed: number }
    readonly constrainedMemory?: () => number
    readonly getBuiltinModule?: (name: string) => unknown
  }
}

// The resolution of the monitor, which is the least that it reports as a delay.
const resolutionMillis = 10

const attempt = <A>(ask: () => A | undefined, otherwise: A): A => {
  try {
    return ask() ?? otherwise
  } catch {
    return otherwise
  }
}

/**
 * The process of a runtime. What the runtime does not say is 0, and as a limit larger than any memory.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromRuntime = ({ process }: Runtime): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function* () {
    const builtin = <K extends keyof NodeModules>(name: K) =>
      attempt(() => process?.getBuiltinModule?.(name) as NodeModules[K] | undefined, undefined)
    const os = builtin("node:os")
    const v8 = builtin("node:v8")
    const hooks = builtin("node:perf_hooks")
    const monitor = () => {
      const made = hooks?.monitorEventLoopDelay?.({ resolution: resolutionMillis })
      made?.enable()
      return made
    }
    // Two, because a monitor that has been reset misses the delay that it is reset in: each is read at every other reading.
    const monitors = yield* Effect.acquireRelease(
      Effect.sync(() =>
        [attempt(monitor, undefined), attempt(monitor, undefined)].filter((made) => made !== undefined)
      ),
      (monitors) => Effect.sync(() => monitors.forEach((made) => made.disable()))
    )
    return {
      memory: () => attempt(() => process?.memoryUsage?.(), { rss: 0, heapUsed: 0 }),
      constrainedMemory: () => attempt(() => process?.constrainedMemory?.(), 0),
      totalMemory: () => attempt(() => os?.totalmem?.(), 0),
      heapLimit: () => attempt(() => v8?.getHeapStatistics?.().heap_size_limit, 0),
      eventLoop: () => attempt(() => hooks?.performance?.eventLoopUtilization?.(), { active: 0, idle: 0 }),
      longestDelay: () => {
        const made = monitors.shift()
        if (made === undefined) return 0
        const millis = made.max / 1e6
        made.reset()
        monitors.push(made)
        return Math.max(0, millis - resolutionMillis)
      }
    }
  })

/** A process that has nothing to do. */
const calm: SystemReading = {
  memoryLimit: 1e9,
  memoryUsed: 1e8,
  heapLimit: 1e9,
  heapUsed: 1e8,
  eventLoopUtilization: 0,
  eventLoopDelayMillis: 0
}

/**
 * Reads the process, for policies that look at memory or at the event loop.
 *
 * @category services
 * @since 0.2.0
 */
export class SystemMetrics extends Context.Service<
  SystemMetrics,
  {
    /** Synchronous, and cheap enough for some calls a second. Calls less than 100 ms apart share a reading. */
    readonly read: () => SystemReading
  }
>()("lemmings/SystemMetrics") {
  /**
   * The process we are in, with the memory limit of its container. What the runtime does not say is 0, and as a limit
   * larger than any memory (`Number.MAX_SAFE_INTEGER`). Where there is no reading before, in the first 100 ms, the event
   * loop counts as idle.
   */
  static readonly layer: Layer.Layer<SystemMetrics> = Layer.effect(
    SystemMetrics,
    Effect.gen(function* () {
      return fromProcess(yield* fromRuntime(globalThis), yield* Clock.Clock)
    })
  )

  /** The service of the context, and where there is none, readings of our own for as long as the scope is open. */
  static readonly orOwn: Effect.Effect<SystemMetrics["Service"], never, Scope.Scope> = Effect.gen(
    function* () {
      const given = yield* Effect.serviceOption(SystemMetrics)
      if (Option.isSome(given)) return given.value
      return Context.get(yield* Layer.build(SystemMetrics.layer), SystemMetrics)
    }
  )

  /**
   * Readings of a test: what `read` gives, by default those of a process with 90 % of its memory free and nothing to do.
   *
   * **Example** (A process that runs out of memory)
   *
   * ```ts import.meta.vitest
   * import { Effect } from "effect"
   * import { SystemMetrics } from "lemmings"
   *
   * const full = SystemMetrics.layerFake(() => ({ memoryUsed: 9.6e8 }))
   * const used = Effect.map(SystemMetrics, ({ read }) => read().memoryUsed / read().memoryLimit)
   *
   * await Effect.runPromise(used.pipe(Effect.provide(full))) // => 0.96
   * ```
   */
  static readonly layerFake = (read: () => Partial<SystemReading> = () => ({})): Layer.Layer<SystemMetrics> =>
    Layer.succeed(SystemMetrics, { read: () => ({ ...calm, ...read() }) })
}
