/**
 * Control laws: how many workers there is room for, whatever the tasks ask for.
 *
 * @since 0.2.0
 */
import type { Duration } from "effect"
import type { ScalingSample } from "../model/HerdStats.ts"
import { type Average, averaged, noAverage } from "../internal/Ewma.ts"
import { littlesLaw } from "./ScalingLaws.ts"
import { make, positiveMillis, type ScalingPolicy, type ScalingTarget, within } from "./ScalingModel.ts"
import { memoryFraction } from "../model/SystemMetrics.ts"

/**
 * @category models
 * @since 0.2.0
 */
export interface MemoryOptions {
  /** Part of the memory in use below which the herd may grow. Above 0 and below `high`. Defaults to 0.75. */
  readonly low?: number | undefined
  /** Part in use from which it shrinks, and below which a pause ends. Below `critical`. Defaults to 0.85. */
  readonly high?: number | undefined
  /** Part in use from which dispatch pauses. At most 1. Defaults to 0.95. */
  readonly critical?: number | undefined
  /** Workers after growth ÷ before. Above 1. Defaults to 1.5. */
  readonly up?: number | undefined
  /** Workers after shrinking ÷ before. Above 0 and below 1. Defaults to 0.5. */
  readonly down?: number | undefined
  /** Growths in a row before it waits and sees. A whole number, 1 or more. Defaults to 3. */
  readonly consecutive?: number | undefined
  /** Least time from a growth, or from high memory, to growth; and of idleness to shrinking. Above 0. Defaults to 30 seconds. */
  readonly cooldown?: Duration.Input | undefined
}

interface Remembering {
  readonly paused: boolean
  /** Growths in a row. */
  readonly growths: number
  readonly grownAt: number
  readonly highAt: number
  readonly shrunkAt: number
  /** Since when fewer workers would have done. */
  readonly idleSince: number | null
}

// The garbage of the workers that left must have a chance to go before others are sent after them.
const memoryPause = 1_000

/**
 * Grows by a factor while memory is low, shrinks by a factor when it is high, and stops dispatch when it is critical:
 * the rule of the Go library lemmings.
 *
 * **Details**
 *
 * With `used = max(memoryUsed / memoryLimit, heapUsed / heapLimit)` and `n` workers:
 *
 * - `used ≥ critical`: `⌊n·down⌋`, and dispatch pauses until `used < high`.
 * - `used ≥ high`: `⌊n·down⌋`, once a second at most.
 * - `used < low`, tasks wait, and a `cooldown` is over since the last growth and since memory was high:
 *   `max(n + 1, ⌊n·up⌋)`, `consecutive` times in a row. The count starts again when workers leave, and after two
 *   cooldowns without growth.
 * - No task waits, and `⌊n·down⌋` workers would have done for a whole `cooldown`: `⌊n·down⌋`.
 *
 * Otherwise, and without readings, it keeps what there is.
 *
 * **Gotchas**
 *
 * A busy worker stays until its task has ended, so a herd that is busy throughout shrinks only once dispatch pauses. A
 * process whose memory stays at `high` without any task stays paused: set the marks above what it uses at rest.
 *
 * Source: the resource controller of the Go library lemmings, with the resume, the cooldowns and the count as meant
 * there.
 *
 * **Example** (Demand decides, as far as memory goes)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.min(ScalingPolicy.instant(), ScalingPolicy.memory({ high: 0.8, critical: 0.9 }))
 *
 * policy.name // => "min(instant, memory)"
 * policy.readsSystem // => true
 * ```
 *
 * @category policies
 * @since 0.2.0
 */
export const memory = (options: MemoryOptions = {}): ScalingPolicy => {
  const critical = within(
    "memory: critical",
    options.critical ?? 0.95,
    (n) => n > 0 && n <= 1,
    "above 0 and at most 1"
  )
  const high = within(
    "memory: high",
    options.high ?? 0.85,
    (n) => n > 0 && n < critical,
    "above 0 and below critical"
  )
  const low = within("memory: low", options.low ?? 0.75, (n) => n > 0 && n < high, "above 0 and below high")
  const up = within("memory: up", options.up ?? 1.5, (n) => n > 1, "above 1")
  const down = within("memory: down", options.down ?? 0.5, (n) => n > 0 && n < 1, "above 0 and below 1")
  const consecutive = within(
    "memory: consecutive",
    options.consecutive ?? 3,
    (n) => Number.isInteger(n) && n >= 1,
    "a whole number from 1"
  )
  const cooldown = positiveMillis("memory: cooldown", options.cooldown ?? "30 seconds")
  const initial: Remembering = {
    paused: false,
    growths: 0,
    grownAt: -Infinity,
    highAt: -Infinity,
    shrunkAt: -Infinity,
    idleSince: null
  }
  return make<Remembering>({
    name: "memory",
    parameters: { low, high, critical, up, down, consecutive, cooldown },
    readsSystem: true,
    initial,
    decide: ({ now, queued, system, workers }, before) => {
      const n = workers.target
      if (system === undefined)
        return [
          { target: n, reason: "memory not read" },
          { ...before, paused: false }
        ]

      const used = memoryFraction(system)
      const reason = `${Math.round(used * 100)} % of memory used`
      const fewer = Math.max(workers.min, Math.floor(n * down))
      const paused = used >= critical || (before.paused && used >= high)
      if (used >= high) {
        const shrinks = now - before.shrunkAt >= memoryPause
        const target = shrinks ? fewer : n
        const shrunkAt = shrinks ? now : before.shrunkAt
        const state = { ...before, paused, growths: 0, highAt: now, shrunkAt, idleSince: null }
        return paused
          ? [{ target, reason: `${reason}, paused`, pause: true }, state]
          : [{ target, reason }, state]
      }

      const idle = queued === 0 && fewer < n && workers.busy <= fewer
      const idleSince = idle ? (before.idleSince ?? now) : null
      const growths = now - before.grownAt >= 2 * cooldown ? 0 : before.growths
      const state = { ...before, paused, growths, idleSince }
      if (idleSince !== null && now - idleSince >= cooldown) {
        return [
          { target: fewer, reason: `${workers.busy} of ${n} workers busy for ${cooldown / 1000} s` },
          { ...state, growths: 0, idleSince: now }
        ]
      }
      const cool = now - Math.max(before.grownAt, before.highAt) >= cooldown
      if (used < low && queued > 0 && n < workers.max && cool) {
        if (growths >= consecutive) return [{ target: n, reason: `grown ${growths} times in a row` }, state]
        return [
          { target: Math.max(n + 1, Math.floor(n * up)), reason: `${reason}, ${queued} waiting` },
          { ...state, growths: growths + 1, grownAt: now }
        ]
      }
      return [{ target: n, reason }, state]
    }
  })
}

/**
 * @category models
 * @since 0.2.0
 */
export interface EventLoopOptions {
  /** Part of the time that the event loop may be busy, above 0 and below 1. Defaults to 0.9. */
  readonly limit?: number | undefined
  /** The moving average of the readings is over this long. Above 0. Defaults to 2 seconds. */
  readonly window?: Duration.Input | undefined
}

/**
 * No growth while the event loop is busy: where JavaScript has no time left, more fibers finish nothing sooner. A
 * ceiling to put on another policy with `min`; by itself it wants `max` workers.
 *
 * **Details**
 *
 * With `u` the moving average of event loop utilization: the present number while `u > limit`, otherwise `max`. It sends
 * no worker away. Without readings it bounds nothing.
 *
 * **Example** (Load decides, while there is time to run it)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.min(ScalingPolicy.littlesLaw(), ScalingPolicy.eventLoop({ limit: 0.8 }))
 *
 * policy.name // => "min(littlesLaw, eventLoop)"
 * ```
 *
 * @category policies
 * @since 0.2.0
 */
export const eventLoop = (options: EventLoopOptions = {}): ScalingPolicy => {
  const limit = within("eventLoop: limit", options.limit ?? 0.9, (n) => n > 0 && n < 1, "above 0 and below 1")
  const window = positiveMillis("eventLoop: window", options.window ?? "2 seconds")
  return make<Average>({
    name: "eventLoop",
    parameters: { limit, window },
    readsSystem: true,
    initial: noAverage,
    decide: ({ now, system, workers }, before) => {
      if (system === undefined) return [{ target: workers.max, reason: "event loop not read" }, before]
      const next = averaged(before, system.eventLoopUtilization, now, window)
      const reason = `event loop ${Math.round(next.value * 100)} % busy`
      return [{ target: next.value > limit ? workers.target : workers.max, reason }, next]
    }
  })
}

/**
 * @category models
 * @since 0.2.0
 */
export interface GradientOptions {
  /** Part of the throughput that more workers should bring, which they must bring, above 0 and at most 1. Defaults to 0.1. */
  readonly gain?: number | undefined
  /** How long the number is held before growth is tried again, and most that a measurement takes. Above 0. Defaults to 30 seconds. */
  readonly hold?: Duration.Input | undefined
}

interface Measured {
  readonly workers: number
  /** Attempts that ended per second. */
  readonly rate: number
}

interface Measuring {
  readonly inner: unknown
  /** Where the measurement of the present number began. */
  readonly start: { readonly workers: number; readonly at: number; readonly ended: number }
  /** What growth is compared with: the last measurement that was worth it, while the herd has been saturated since. */
  readonly last: Measured | undefined
  /** When workers were added whose worth is not known yet. */
  readonly grownAt: number | undefined
  readonly cap: { readonly workers: number; readonly until: number; readonly reason: string } | undefined
}

const measureMillis = 1_000
const measureEnded = 10

/**
 * Lets a policy grow only while more workers bring more throughput: for work that ends in a database, a service or a
 * disk whose limit nobody knows.
 *
 * **Details**
 *
 * The herd is saturated while tasks wait and no worker is idle. Then throughput is measured over at least 1 second, 10
 * ended attempts, and 2 for each worker. After growth in that state the policy may not grow again until the new number has
 * been measured, or `hold` is over. With `T` and `n` before, and `T'` and `n'` after: where
 * `T' / T - 1 < gain · (n' / n - 1)`, the number is capped at `n` for `hold`. Then growth is tried again; where there
 * still are `n'` workers, because all have been busy, they are measured again instead.
 *
 * Growth of a herd that is not saturated is neither measured nor held.
 *
 * **Gotchas**
 *
 * A busy worker stays, so a saturated herd keeps the workers that brought nothing until tasks are fewer; it is growth
 * that the cap stops. It also slows growth that is worth it, to one step per measurement. Few ended attempts tell little:
 * with very unequal tasks it may cap too early, and tries again after `hold`.
 *
 * Source: the gradient of adaptive concurrency limits (Netflix's concurrency-limits), taken of throughput instead of
 * latency, since a pool's own latency rises as soon as tasks wait.
 *
 * **Example** (Find out how many connections are worth having)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.gradient(ScalingPolicy.littlesLaw(), { gain: 0.2, hold: "1 minute" })
 *
 * policy.name // => "gradient(littlesLaw)"
 * policy.parameters["hold"] // => 60000
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const gradient = (
  policy: ScalingPolicy = littlesLaw(),
  options: GradientOptions = {}
): ScalingPolicy => {
  const gain = within("gradient: gain", options.gain ?? 0.1, (n) => n > 0 && n <= 1, "above 0 and at most 1")
  const hold = positiveMillis("gradient: hold", options.hold ?? "30 seconds")
  const initial: Measuring = {
    inner: policy.initial,
    start: { workers: 0, at: 0, ended: 0 },
    last: undefined,
    grownAt: undefined,
    cap: undefined
  }
  return make<Measuring>({
    name: `gradient(${policy.name})`,
    parameters: { gain, hold, policy: policy.parameters },
    targetWait: policy.targetWait,
    readsSystem: policy.readsSystem,
    initial,
    decide: (sample, before) => {
      const [answer, inner] = policy.decide(sample, before.inner)
      const state = { ...measure(sample, before, gain, hold), inner }
      const n = sample.workers.target
      const held = (target: number, reason: string): readonly [ScalingTarget, Measuring] => [
        {
          ...answer,
          target,
          demand: answer.demand ?? answer.target,
          reason: `${answer.reason}, but ${reason}`
        },
        state
      ]
      if (state.cap !== undefined && answer.target > state.cap.workers)
        return held(state.cap.workers, state.cap.reason)
      if (answer.target <= n || !saturated(sample)) return [answer, state]
      if (state.grownAt !== undefined) return held(n, `what ${n} bring is being measured`)
      return [answer, { ...state, grownAt: sample.now }]
    }
  })
}

const saturated = ({ queued, workers }: ScalingSample) => queued > 0 && workers.size > 0 && workers.idle === 0

/** Goes on measuring, and judges growth when it knows enough. */
const measure = (sample: ScalingSample, before: Measuring, gain: number, hold: number): Measuring => {
  const { ended, now } = sample
  const { size, starting } = sample.workers
  const start = { workers: size, at: now, ended }
  const cap = before.cap !== undefined && now < before.cap.until ? before.cap : undefined
  if (!saturated(sample)) return { ...before, start, last: undefined, grownAt: undefined, cap }

  const grownAt = before.grownAt !== undefined && now - before.grownAt < hold ? before.grownAt : undefined
  // Workers that are being created would spoil the figures.
  if (starting > 0 || size !== before.start.workers) {
    return { ...before, start, grownAt, cap }
  }
  const millis = now - before.start.at
  const done = ended - before.start.ended
  const enough = millis >= measureMillis && done >= Math.max(measureEnded, 2 * size)
  // Busy workers stay, so growth that brought nothing is measured again, over all of `hold`.
  const stuck = cap !== undefined && size > cap.workers
  if (!enough || stuck) return { ...before, grownAt, cap }

  const measured: Measured = { workers: size, rate: (done * 1000) / millis }
  const { last } = before
  if (last === undefined || !isUseless(last, measured, gain)) {
    return { ...before, start, last: measured, grownAt: undefined, cap }
  }
  return { ...before, start, grownAt: undefined, cap: capOf(last, measured, now + hold) }
}

const isUseless = (last: Measured, next: Measured, gain: number) =>
  next.workers > last.workers && next.rate / last.rate - 1 < gain * (next.workers / last.workers - 1)

const capOf = (last: Measured, next: Measured, until: number) => ({
  workers: last.workers,
  until,
  reason: `${next.workers} brought ${next.rate.toFixed(1)}/s, ${last.workers} ${last.rate.toFixed(1)}/s`
})
