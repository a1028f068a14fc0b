/** What the herd is doing, while it does it, and why it grows and shrinks. */
import { columns, joined, wrap } from "@lemmings/examples-usage"
import { Clock, Console, Duration, Effect } from "effect"
import type { HerdMetrics, HerdStats, ScalingDecision } from "lemmings"
import logUpdate from "log-update"
import prettyBytes from "pretty-bytes"
import { IndexHerd } from "./IndexHerd.ts"

/** One point of the chart of the closing report. */
export interface Sample {
  readonly seconds: number
  readonly workers: number
  readonly busy: number
}

const samplingInterval = 100

/** More points than a chart has columns say nothing. */
const mostSamples = 1_200

/**
 * Shows one line for ever, until interrupted: rewritten in place on a terminal, a new one every `interval`
 * elsewhere. Each change of the number of workers is a line that stays. Adds what it sees to `samples`.
 */
export const follow = Effect.fnUntraced(function* (options: {
  readonly samples: Array<Sample>
  readonly indexedBytes: () => number
  readonly interval: Duration.Duration
  readonly inPlace: boolean
}) {
  const herd = yield* IndexHerd
  const interval = Duration.toMillis(options.interval)
  const started = yield* Clock.currentTimeMillis
  let printed = started
  let told: ScalingDecision | undefined
  const tick = Effect.gen(function* () {
    const stats = yield* herd.stats
    // Not from `herd.events`: whoever listens makes the herd build three for each file.
    const changes = yield* herd.history
    for (const change of changes.slice(told === undefined ? 0 : changes.indexOf(told) + 1)) {
      told = change
      const text = explained(change)
      yield* options.inPlace ? Effect.sync(() => logUpdate.persist(text)) : Console.log(text)
    }
    const now = yield* Clock.currentTimeMillis
    if (options.samples.length >= mostSamples) thinOut(options.samples)
    options.samples.push({
      seconds: (now - started) / 1000,
      workers: stats.workers.size,
      busy: stats.workers.busy
    })
    if (!options.inPlace && now - printed < interval) return
    printed = now
    const text = line(stats, yield* herd.metrics, options.indexedBytes())
    yield* options.inPlace ? Effect.sync(() => logUpdate(text)) : Console.log(text)
  })
  return yield* Effect.andThen(tick, Effect.sleep(Math.min(samplingInterval, interval))).pipe(
    Effect.forever,
    Effect.ensuring(options.inPlace ? Effect.sync(() => logUpdate.clear()) : Effect.void)
  )
})

/** A change of the number of workers, in a line. */
const explained = ({ by, from, reason, to }: ScalingDecision): string =>
  wrap(`${from} -> ${to} workers, ${by}: ${reason}`, columns())

/** Keeps every second sample, so that the rest still covers the whole time. */
const thinOut = (samples: Array<Sample>): void => {
  const kept = samples.filter((_, i) => i % 2 === 0)
  samples.splice(0, samples.length, ...kept)
}

const line = (stats: HerdStats, metrics: HerdMetrics, bytes: number): string =>
  joined(
    [
      `${stats.tasks.succeeded.toLocaleString("en-US")} files`,
      prettyBytes(bytes),
      `${Math.round(metrics.endedRate).toLocaleString("en-US")} files/s`,
      `${stats.workers.busy}/${stats.workers.size} workers busy`,
      `${stats.queue.depth} waiting`,
      `p95 ${metrics.run.p95.toFixed(1)} ms`,
      `${stats.tasks.failed} problems`
    ],
    " · ",
    columns()
  )
