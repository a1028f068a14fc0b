/**
 * The process that the herds are in: what it uses, and how late its event loop is.
 *
 * @since 0.3.0
 */
import { Clock, Effect, Layer, type Scope } from "effect"
import * as PulledMetrics from "lemmings/PulledMetrics"
import { SystemMetrics } from "lemmings/SystemMetrics"
import type { ProcessFrame } from "../model/ControlModel.ts"

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

/**
 * Readings for frames. Each reader's share of the processor is that since its own reading before, or since the start.
 *
 * @category constructors
 * @since 0.3.0
 */
export const readings: Effect.Effect<{ readonly reader: () => () => ProcessFrame }, never, Scope.Scope> =
  Effect.map(SystemMetrics.orOwn, ({ read }) => ({
    reader: () => {
      let before = { cpu: 0, at: 0 }
      return () => {
        const now = { cpu: cpuSeconds(), at: uptimeSeconds() }
        const span = now.at - before.at
        const cpu = span > 0 ? (now.cpu - before.cpu) / span : 0
        before = now
        return { pid: host.process?.pid ?? 0, uptimeSeconds: now.at, cpu, ...read() }
      }
    }
  }))

/**
 * Publishes the figures of the process beside those of the herds, read when they are scraped. Its readings of the event loop
 * are not those of the frames, which look more often: a delay between two scrapes is in one of them.
 *
 * @category layers
 * @since 0.3.0
 */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { read } = yield* SystemMetrics.orOwn
    const started = (yield* Clock.currentTimeMillis) / 1000 - uptimeSeconds()
    const { counter, gauge } = PulledMetrics.make({})
    yield* PulledMetrics.register([
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
    ])
  })
)
