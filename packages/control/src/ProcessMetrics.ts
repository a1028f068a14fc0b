/**
 * The process that the herds are in: what it uses, and how late its event loop is.
 *
 * @since 0.3.0
 */
import { Clock, type Context, Effect, Layer, Metric, Option, type Scope } from "effect"
import { SystemMetrics } from "lemmings/SystemMetrics"
import type { ProcessFrame } from "./ControlModel.ts"

/** The parts of Node.js that are used. Another runtime may lack any of them. */
interface Process {
  readonly pid?: number
  readonly uptime?: () => number
  readonly cpuUsage?: () => { readonly user: number; readonly system: number }
}

const host: { readonly process?: Process } = globalThis

/** Seconds of processor time since the start of the process, 0 where that is not known. */
const cpuSeconds = (): number => {
  const { system = 0, user = 0 } = host.process?.cpuUsage?.() ?? {}
  return (user + system) / 1e6
}

const uptimeSeconds = (): number => host.process?.uptime?.() ?? 0

const system: Effect.Effect<SystemMetrics["Service"], never, Scope.Scope> = Effect.gen(function* () {
  const given = yield* Effect.serviceOption(SystemMetrics)
  if (Option.isSome(given)) return given.value
  const context = yield* Layer.build(SystemMetrics.layer)
  return yield* Effect.provideContext(SystemMetrics, context)
})

/**
 * Readings for frames. The processor's share is that since the reading before, or since the start.
 *
 * @category constructors
 * @since 0.3.0
 */
export const readings: Effect.Effect<{ readonly read: () => ProcessFrame }, never, Scope.Scope> = Effect.map(
  system,
  ({ read }) => {
    let before = { cpu: 0, at: 0 }
    return {
      read: () => {
        const now = { cpu: cpuSeconds(), at: uptimeSeconds() }
        const span = now.at - before.at
        const cpu = span > 0 ? (now.cpu - before.cpu) / span : 0
        before = now
        return { pid: host.process?.pid ?? 0, uptimeSeconds: now.at, cpu, ...read() }
      }
    }
  }
)

const none = () => {}

/**
 * Publishes the figures of the process beside those of the herds, read when they are scraped.
 *
 * @category layers
 * @since 0.3.0
 */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { read } = yield* system
    const started = (yield* Clock.currentTimeMillis) / 1000 - uptimeSeconds()
    const gauge =
      (name: string, description: string, value: () => number) => (context: Context.Context<never>) =>
        Metric.registerUnsafe(Metric.gauge(name, { description }), context, {
          get: () => ({ value: value() }),
          update: none,
          modify: none
        })
    const counter =
      (name: string, description: string, value: () => number) => (context: Context.Context<never>) =>
        Metric.registerUnsafe(Metric.counter(name, { description, incremental: true }), context, {
          get: () => ({ count: value(), incremental: true }),
          update: none,
          modify: none
        })
    const all = [
      counter("process_cpu_seconds_total", "Processor time since the start.", cpuSeconds),
      gauge("process_resident_memory_bytes", "Memory that the process holds.", () => read().memoryUsed),
      gauge("process_memory_limit_bytes", "Memory that the process may use.", () => read().memoryLimit),
      gauge(
        "process_start_time_seconds",
        "When the process started, in seconds of the epoch.",
        () => started
      ),
      gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use.", () => read().heapUsed),
      gauge("nodejs_heap_size_limit_bytes", "What the JavaScript heap may grow to.", () => read().heapLimit),
      gauge(
        "nodejs_eventloop_utilization_ratio",
        "Part of the time that the event loop was busy, since the reading before.",
        () => read().eventLoopUtilization
      ),
      gauge(
        "nodejs_eventloop_delay_seconds",
        "How late timers were at most, since the last reading but one.",
        () => read().eventLoopDelayMillis / 1000
      )
    ]
    yield* Effect.acquireRelease(
      Effect.contextWith((context: Context.Context<never>) =>
        Effect.sync(() => all.map((publish) => publish(context)))
      ),
      (registrations) => Effect.sync(() => registrations.forEach(({ remove }) => remove()))
    )
  })
)
