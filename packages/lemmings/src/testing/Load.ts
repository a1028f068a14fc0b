/**
 * Loads for simulations: when tasks come, and how long they take. Data and pure functions; what is random is drawn from
 * the generator that they are given.
 *
 * @since 0.2.0
 */
import { type Duration, Effect, Schema } from "effect"
import * as Durations from "../model/Durations.ts"
import type { Criticality } from "../model/Task.ts"

/**
 * Numbers from 0 up to 1, such as `Math.random` gives.
 *
 * @category models
 * @since 0.2.0
 */
export type Random = () => number

/**
 * When tasks come.
 *
 * @category models
 * @since 0.2.0
 */
export interface Load {
  readonly name: string
  readonly durationMillis: number
  /** Tasks per second to be expected at an instant, in milliseconds since the start. */
  readonly rate: (millis: number) => number
  /** The tasks in the order of their coming. */
  readonly arrivals: (random: Random) => Iterable<Arrival>
  /** Callers who come again as soon as they have been served, beside the arrivals. Defaults to none. */
  readonly loop?: { readonly callers: number; readonly thinkMillis: number } | undefined
}

/**
 * @category models
 * @since 0.2.0
 */
export interface Arrival {
  /** Milliseconds since the start. */
  readonly at: number
  /** What the task takes, where the load says so. */
  readonly serviceMillis?: number | undefined
  /** What the task says of itself, where the load says so. */
  readonly key?: string | undefined
  readonly weight?: number | undefined
  readonly criticality?: Criticality | undefined
}

const millisOf = (field: string, input: Duration.Input) =>
  Durations.decodeUnsafe(`Load.${field}`, input, Durations.finite)

/** A Poisson process of changing rate, by thinning: Lewis and Shedler, 1979. */
function* thinned(
  rate: (millis: number) => number,
  peak: number,
  durationMillis: number,
  random: Random
): Iterable<Arrival> {
  for (let at = 0; ;) {
    at -= (Math.log(1 - random()) / peak) * 1000
    if (at >= durationMillis) return
    if (random() * peak < rate(at)) yield { at }
  }
}

/**
 * Tasks that come independently of one another (a Poisson process), `rate` of them per second at each instant. `rate`
 * must never be above `peak`.
 *
 * **Example** (Twice as many in the second minute)
 *
 * ```ts import.meta.vitest
 * import { Load } from "lemmings/testing"
 *
 * const load = Load.make({
 *   name: "two minutes",
 *   duration: "2 minutes",
 *   peak: 20,
 *   rate: (millis) => (millis < 60_000 ? 10 : 20)
 * })
 *
 * load.rate(90_000) // => 20
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: {
  readonly name: string
  readonly duration: Duration.Input
  readonly peak: number
  readonly rate: (millis: number) => number
}): Load => {
  const durationMillis = millisOf("duration", options.duration)
  return {
    name: options.name,
    durationMillis,
    rate: options.rate,
    arrivals: (random) => thinned(options.rate, options.peak, durationMillis, random)
  }
}

/**
 * One rate after the other.
 *
 * @category constructors
 * @since 0.2.0
 */
export const steps = (
  name: string,
  parts: ReadonlyArray<{ readonly lasts: Duration.Input; readonly perSecond: number }>
): Load => {
  const ends: Array<{ readonly end: number; readonly perSecond: number }> = []
  let end = 0
  for (const { lasts, perSecond } of parts) ends.push({ end: (end += millisOf("lasts", lasts)), perSecond })
  return make({
    name,
    duration: end,
    peak: Math.max(...parts.map(({ perSecond }) => perSecond)),
    rate: (millis) => ends.find((part) => millis < part.end)?.perSecond ?? 0
  })
}

/**
 * Two rates in turn, the high one first, each for half a `period`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const squareWave = (options: {
  readonly name: string
  readonly duration: Duration.Input
  readonly period: Duration.Input
  readonly low: number
  readonly high: number
}): Load => {
  const half = millisOf("period", options.period) / 2
  return make({
    name: options.name,
    duration: options.duration,
    peak: options.high,
    rate: (millis) => (Math.floor(millis / half) % 2 === 0 ? options.high : options.low)
  })
}

/**
 * A calm rate, and another for a while.
 *
 * @category constructors
 * @since 0.2.0
 */
export const spike = (options: {
  readonly name: string
  readonly before: Duration.Input
  readonly lasts: Duration.Input
  readonly after: Duration.Input
  readonly calm: number
  readonly high: number
}): Load =>
  steps(options.name, [
    { lasts: options.before, perSecond: options.calm },
    { lasts: options.lasts, perSecond: options.high },
    { lasts: options.after, perSecond: options.calm }
  ])

/**
 * Busy and calm times in turn whose lengths have a heavy tail (Pareto), so that neither ever becomes predictable. Begins
 * calm. Which times are busy depends on the seed: `rate` is the average.
 *
 * @category constructors
 * @since 0.2.0
 */
export const bursty = (options: {
  readonly name: string
  readonly duration: Duration.Input
  readonly low: number
  readonly high: number
  /** Mean length of a calm time. */
  readonly calm: Duration.Input
  /** Mean length of a busy time. */
  readonly busy: Duration.Input
  /** Above 1; the closer to 1, the heavier the tail. Defaults to 1.5. */
  readonly shape?: number | undefined
}): Load => {
  const { high, low, name, shape } = options
  const durationMillis = millisOf("duration", options.duration)
  const calm = pareto(millisOf("calm", options.calm), shape)
  const busy = pareto(millisOf("busy", options.busy), shape)
  const whole = calm.meanMillis + busy.meanMillis
  const mean = (low * calm.meanMillis + high * busy.meanMillis) / whole
  return {
    name,
    durationMillis,
    rate: () => mean,
    arrivals: (random) => {
      let isBusy = false
      let end = calm.draw(random)
      const rate = (millis: number) => {
        while (millis >= end) {
          isBusy = !isBusy
          end += (isBusy ? busy : calm).draw(random)
        }
        return isBusy ? high : low
      }
      return thinned(rate, Math.max(low, high), durationMillis, random)
    }
  }
}

/**
 * A day as a sine: `tasks` in all, the busiest hour `ratio` times the calmest. Begins at the calmest.
 *
 * @category constructors
 * @since 0.2.0
 */
export const diurnal = (options: {
  readonly name: string
  readonly tasks: number
  readonly ratio: number
  readonly day?: Duration.Input | undefined
}): Load => {
  const day = millisOf("day", options.day ?? "24 hours")
  const mean = (options.tasks / day) * 1000
  const swing = (options.ratio - 1) / (options.ratio + 1)
  return make({
    name: options.name,
    duration: day,
    peak: mean * (1 + swing),
    rate: (millis) => mean * (1 - swing * Math.cos((2 * Math.PI * millis) / day))
  })
}

/**
 * One load after the other.
 *
 * @category constructors
 * @since 0.2.0
 */
export const concat = (name: string, ...loads: ReadonlyArray<Load>): Load => ({
  name,
  durationMillis: loads.reduce((sum, { durationMillis }) => sum + durationMillis, 0),
  rate: (millis) => {
    let start = 0
    for (const load of loads) {
      if (millis < start + load.durationMillis) return load.rate(millis - start)
      start += load.durationMillis
    }
    return 0
  },
  arrivals: function* (random) {
    let start = 0
    for (const load of loads) {
      for (const arrival of load.arrivals(random)) yield { ...arrival, at: arrival.at + start }
      start += load.durationMillis
    }
  }
})

/**
 * Several loads at the same time, each with what its tasks say of themselves: who comes with how much.
 *
 * **Example** (A tenant who comes with much, and one who comes with little)
 *
 * ```ts import.meta.vitest
 * import { Load } from "lemmings/testing"
 *
 * const load = Load.together("tenants", [
 *   { key: "large", load: Load.steps("large", [{ lasts: "1 minute", perSecond: 100 }]) },
 *   { key: "small", weight: 2, load: Load.steps("small", [{ lasts: "1 minute", perSecond: 1 }]) }
 * ])
 *
 * load.rate(0) // => 101
 * ```
 *
 * @category constructors
 * @since 0.5.0
 */
export const together = (
  name: string,
  parts: ReadonlyArray<Omit<Arrival, "at" | "serviceMillis"> & { readonly load: Load }>
): Load => ({
  name,
  durationMillis: Math.max(0, ...parts.map(({ load }) => load.durationMillis)),
  rate: (millis) => parts.reduce((sum, { load }) => sum + load.rate(millis), 0),
  arrivals: (random) =>
    parts
      .flatMap(({ load, ...said }) =>
        Array.from(load.arrivals(random), (arrival) => ({ ...said, ...arrival }))
      )
      .toSorted((a, b) => a.at - b.at)
})

/**
 * Tasks that are known one by one, in the order of their coming.
 *
 * **Example** (Fifty at once after a minute)
 *
 * ```ts import.meta.vitest
 * import { Load } from "lemmings/testing"
 *
 * const load = Load.fromArrivals("fifty", Array.from({ length: 50 }, () => ({ at: 60_000, serviceMillis: 20 })))
 *
 * load.durationMillis // => 60000
 * ```
 *
 * @category constructors
 * @since 0.5.0
 */
export const fromArrivals = (
  name: string,
  arrivals: ReadonlyArray<Arrival>,
  duration?: Duration.Input
): Load => {
  const perSecond = new Map<number, number>()
  for (const { at } of arrivals) {
    const second = Math.floor(at / 1000)
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
  }
  return {
    name,
    durationMillis: duration === undefined ? (arrivals.at(-1)?.at ?? 0) : millisOf("duration", duration),
    rate: (millis) => perSecond.get(Math.floor(millis / 1000)) ?? 0,
    arrivals: () => arrivals
  }
}

/**
 * A closed loop: so many callers, each of whom submits a task, waits for its end, thinks, and submits the next. How many
 * tasks there are is up to the herd.
 *
 * @category constructors
 * @since 0.5.0
 */
export const closedLoop = (options: {
  readonly name: string
  readonly duration: Duration.Input
  readonly callers: number
  /** Between the end of a task and the next. Longer than 0. Defaults to no time. */
  readonly think?: Duration.Input | undefined
}): Load => ({
  name: options.name,
  durationMillis: millisOf("duration", options.duration),
  rate: () => 0,
  arrivals: () => [],
  loop: {
    callers: options.callers,
    thinkMillis: options.think === undefined ? 0 : millisOf("think", options.think)
  }
})

/**
 * A line of a trace makes no sense.
 *
 * @category errors
 * @since 0.2.0
 */
export class InvalidTrace extends Schema.TaggedError<InvalidTrace>("lemmings/testing/InvalidTrace")(
  "InvalidTrace",
  {
    /** Counts from 1. */
    line: Schema.Int,
    text: Schema.String,
    rule: Schema.String
  }
) {
  override get message() {
    return `Line ${this.line} of the trace must be ${this.rule}, got ${JSON.stringify(this.text)}`
  }
}

/**
 * A recorded load, one task a line: `seconds` since the start, and after a comma, if you have it, the milliseconds that
 * it took. The first line may be a heading. Fails with `InvalidTrace`, which names the first line that is wrong.
 *
 * **Example** (Three tasks)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { Load } from "lemmings/testing"
 *
 * const load = await Effect.runPromise(Load.fromCsv("trace", "seconds,millis\n0.5,120\n0.7,80\n2,200\n"))
 *
 * load.durationMillis // => 2000
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromCsv = (name: string, text: string): Effect.Effect<Load, InvalidTrace> =>
  Effect.gen(function* () {
    const arrivals: Array<Arrival> = []
    const lines = text.split(/\r?\n/)
    let last = 0
    for (const [index, line] of lines.entries()) {
      const bad = (rule: string) => new InvalidTrace({ line: index + 1, text: line, rule })
      if (line.trim() === "" || (index === 0 && !/^\s*[\d.]/.test(line))) continue
      const [seconds = "", millis, ...more] = line.split(",").map((field) => field.trim())
      const at = Number(seconds) * 1000
      if (seconds === "" || !Number.isFinite(at) || at < 0 || more.length > 0) {
        return yield* bad("seconds since the start, and perhaps a comma and milliseconds")
      }
      if (at < last) return yield* bad(`no earlier than the line before (${last / 1000})`)
      const serviceMillis = millis === undefined || millis === "" ? undefined : Number(millis)
      if (serviceMillis !== undefined && !(Number.isFinite(serviceMillis) && serviceMillis >= 0)) {
        return yield* bad("milliseconds of at least 0 after the comma")
      }
      last = at
      arrivals.push({ at, serviceMillis })
    }
    if (arrivals.length === 0) return yield* new InvalidTrace({ line: lines.length, text: "", rule: "there" })
    return fromArrivals(name, arrivals)
  })

/**
 * How long tasks take.
 *
 * @category models
 * @since 0.2.0
 */
export interface ServiceTime {
  readonly meanMillis: number
  readonly draw: (random: Random) => number
}

/**
 * Always the same.
 *
 * @category service times
 * @since 0.2.0
 */
export const constant = (millis: number): ServiceTime => ({ meanMillis: millis, draw: () => millis })

/**
 * Many short ones and some long ones, without memory: the usual assumption.
 *
 * @category service times
 * @since 0.2.0
 */
export const exponential = (meanMillis: number): ServiceTime => ({
  meanMillis,
  draw: (random) => -Math.log(1 - random()) * meanMillis
})

/**
 * Most near the median and a tail of long ones, as latencies of services often are. `sigma` is the standard deviation of
 * the logarithm.
 *
 * @category service times
 * @since 0.2.0
 */
export const lognormal = (meanMillis: number, sigma = 1): ServiceTime => ({
  meanMillis,
  draw: (random) => {
    // Box and Muller, 1958.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return meanMillis * Math.exp(sigma * normal - sigma ** 2 / 2)
  }
})

/**
 * A heavy tail: `shape` above 1; the closer to 1, the heavier. Capped at 1,000 times the mean.
 *
 * @category service times
 * @since 0.2.0
 */
export const pareto = (meanMillis: number, shape = 1.5): ServiceTime => {
  const least = (meanMillis * (shape - 1)) / shape
  return { meanMillis, draw: (random) => Math.min(least / (1 - random()) ** (1 / shape), 1000 * meanMillis) }
}

/**
 * Now and then a task of another kind: `part` of the tasks, from 0 to 1, take what `seldom` draws.
 *
 * @category service times
 * @since 0.5.0
 */
export const mixed = (often: ServiceTime, seldom: ServiceTime, part: number): ServiceTime => ({
  meanMillis: (1 - part) * often.meanMillis + part * seldom.meanMillis,
  draw: (random) => (random() < part ? seldom : often).draw(random)
})
