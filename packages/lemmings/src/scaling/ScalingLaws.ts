/**
 * Control laws: how many workers the tasks ask for.
 *
 * @since 0.2.0
 */
import type { Duration } from "effect"
import type { ScalingSample } from "../model/HerdStats.ts"
import { stabilize, type StabilizeOptions } from "./ScalingCombinators.ts"
import { make, positiveMillis, type ScalingPolicy, type ScalingTarget, within } from "./ScalingModel.ts"

/**
 * Keeps the number of workers that the herd was given, until somebody calls `resize`.
 *
 * @category policies
 * @since 0.2.0
 */
export const fixed: ScalingPolicy = make({
  name: "fixed",
  targetWait: Infinity,
  initial: undefined,
  decide: ({ workers }) => [{ target: workers.target, reason: "fixed" }, undefined]
})

/**
 * A worker for every task, at once: `n = busy + queued`, held for the window of `stabilize`. The default of herds whose
 * workers own nothing, because such a worker costs nothing.
 *
 * @category policies
 * @since 0.2.0
 */
export const instant = (options: StabilizeOptions = {}): ScalingPolicy => {
  const law = make({
    name: "instant",
    targetWait: 0,
    initial: undefined,
    decide: ({ queued, workers }) => {
      const target = workers.busy + queued
      return [{ target, reason: `${workers.busy} busy, ${queued} waiting` }, undefined]
    }
  })
  // A worker without a resource is there as soon as it is wanted: nothing speaks for growing step by step.
  return stabilize(law, { tolerance: 0, stepwise: false, ...options })
}

/**
 * @category models
 * @since 0.2.0
 */
export interface LittlesLawOptions extends StabilizeOptions {
  /** Part of the workers that should be busy, above 0 and at most 1. Defaults to 0.75. */
  readonly utilization?: number | undefined
  /**
   * Workers beyond the load that are enough, however large it is, in units of its square root. Above 0. Defaults to 1.
   */
  readonly headroom?: number | undefined
  /**
   * How soon what waits should be done. Above 0. Defaults to as long as five resources take to create, from 50
   * milliseconds to 1 second, and to 1 second where creating takes no time.
   */
  readonly drainWithin?: Duration.Input | undefined
}

// Load below a hundredth of a worker is none, or an idle herd would never come back to 0.
const negligible = 0.01

// A queue that lasts for so many creations is worth workers, and nothing speaks for waiting where they come so fast.
const creations = 5
// What is gone so soon needs no more workers, however fast they come.
const atOnce = 50

const inMillis = (seconds: number) => `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 0)} ms`

// Workers that may be on their way before any of them has shown what a task takes.
const untried = 4

/** What the samples of the last half second began with. */
interface Mark {
  readonly at: number
  readonly arrivals: number
}

interface Marks {
  readonly from: Mark
  readonly to: Mark
}

const nothingYet: Mark = { at: 0, arrivals: 0 }
const markMillis = 250
// Running for so many times the average, tasks are not like those before.
const unlike = 4
// Part of those who wait that get a worker of their own at each look, once the average has proved to be wrong.
const doubt = 0.25

/**
 * Workers more than averages ask for, because of how long somebody waits although they say that nobody does: whoever has
 * waited for as long as a worker takes to create has waited for its price.
 */
const unforeseen = (
  sample: ScalingSample,
  from: Mark,
  known: {
    readonly drainWithin: number
    readonly load: number
    readonly rate: number
    readonly serviceMillis: number
    /** Waiting tasks that no worker is on its way for. */
    readonly short: number
  }
): number => {
  const { arrivals, creationMillis, meanRunMillis, now, oldestWaitMillis, queued, waitingMillis, workers } =
    sample
  const { drainWithin, load, rate, serviceMillis, short } = known
  const { idle, size, starting } = workers
  if (size === 0 || short <= 0) return 0
  // By renewal theory what is left of the running tasks is what they have run, on average.
  const left = meanRunMillis - unlike * serviceMillis
  const tells = left > 0 && (left >= 2 * creationMillis || oldestWaitMillis >= creationMillis)
  const held = tells ? Math.ceil((queued - idle) * Math.min(1, left / creationMillis) - starting) : 0
  if (waitingMillis < creationMillis) return Math.max(0, Math.min(short, held))
  const span = now - from.at
  const recent = span < markMillis / 2 ? rate : ((arrivals - from.arrivals) * 1000) / span
  const spare = Math.max(starting, size - Math.max(load, (recent * serviceMillis) / 1000))
  const lasts = waitingMillis >= Math.max(4 * creationMillis, Math.min(4 * drainWithin, 20 * creationMillis))
  // Neither creating nor running may take any time.
  const within = Math.max(1, creationMillis, Math.min(8 * drainWithin, 40 * creationMillis))
  const part = lasts ? Math.ceil(short * doubt - spare) : 0
  const slow = Math.max(part, Math.floor((short * serviceMillis) / within - spare))
  return Math.max(0, Math.min(short, Math.max(held, slow)))
}

/**
 * As many workers as the load keeps busy, and some more: the default of herds whose workers own a resource.
 *
 * **Details**
 *
 * With arrivals per second `λ` (the larger of the moving averages over 2 and 20 seconds), service time `S` in seconds,
 * and `Q` waiting tasks, the load is `R = λ·S` workers and
 * `demand = ⌈R + min(R·(1 / utilization - 1), headroom·√R) + Q·S / drainWithin / utilization⌉`. While no attempt has
 * ended, `S` is unknown and demand is one worker for every task: at first for four of them, and for the rest once a task
 * has run for half the time that creating a resource takes.
 *
 * It grows only for tasks that wait: not while `Q ≤ idle + starting`, and not while the queue will have gone in less
 * than three quarters of the time `C` that creating a resource takes. `stabilize` limits growth and shrinking.
 *
 * Averages do not know of tasks that are unlike those before, so waits decide, too. With `W` waiting tasks that no
 * worker is free or on its way for, and after somebody has been waiting for `C` without a break, there come more than
 * demand asks for:
 *
 * - The running tasks have run for `A` on average, and `A > 4·S`: they hold their workers. One for each waiting task, or
 *   the part `(A - 4·S) / C` of them, once the oldest has waited for `C`; at once where that is 2 or more.
 * - `⌊W·S / min(8·drainWithin, 40·C)⌋`, less the workers that the load leaves free.
 * - Somebody has been waiting for `min(4·drainWithin, 20·C)`, at least `4·C`, without a break: one for every fourth
 *   waiting task at each look, less the same.
 *
 * Sources: Little's law, J. D. C. Little 1961; square-root staffing, Halfin and Whitt 1981; capacity `n / S` and not
 * observed throughput as the denominator, because throughput equals arrivals in a steady state; elision of creations
 * as in HikariCP; whoever has waited for the price of a worker is given one, as one buys skis after having rented them
 * for their price.
 *
 * @category policies
 * @since 0.2.0
 */
export const littlesLaw = (options: LittlesLawOptions = {}): ScalingPolicy => {
  const utilization = within(
    "littlesLaw: utilization",
    options.utilization ?? 0.75,
    (n) => n > 0 && n <= 1,
    "above 0 and at most 1"
  )
  const told = options.drainWithin !== undefined
  const drainWithin = positiveMillis("littlesLaw: drainWithin", options.drainWithin ?? "1 second")
  const headroom = within("littlesLaw: headroom", options.headroom ?? 1, (n) => n > 0, "above 0")
  const law = make<Marks>({
    name: "littlesLaw",
    parameters: { utilization, headroom, ...(told ? { drainWithin } : {}) },
    initial: { from: nothingYet, to: nothingYet },
    decide: (sample, state) => {
      const { arrivals, now } = sample
      const next = now - state.to.at < markMillis ? state : { from: state.to, to: { at: now, arrivals } }
      const { creationMillis, queued, serviceMillis, workers } = sample
      const { busy, idle, size, starting, target } = workers
      const rate = Math.max(sample.arrivalRate.fast, sample.arrivalRate.slow)
      const known = serviceMillis !== null
      const service = (serviceMillis ?? 0) / 1000
      const load = rate * service
      const spare = Math.min(load / utilization - load, headroom * Math.sqrt(load))
      const some = Math.max(atOnce, creations * creationMillis)
      const soon = told || creationMillis === 0 ? drainWithin : Math.min(drainWithin, some)
      const backlog = (queued * service * 1000) / soon / utilization
      const demand = known ? Math.ceil(load + spare + backlog - negligible) : busy + queued
      const why = known
        ? `${rate.toFixed(1)}/s of ${inMillis(service)}, ${queued} waiting: ${demand} wanted`
        : `${busy} busy and ${queued} waiting, of unknown length`
      const short = queued - idle - starting
      // What averages ask for.
      const usual = (): ScalingTarget => {
        if (demand <= target) return { target: demand, demand, reason: why }
        const goneIn = (queued * service * 1000) / Math.max(1, size)
        // Some would have ended by then if they were short.
        const untold = busy === 0 ? starting >= untried : sample.longestRunMillis < creationMillis / 2
        const stay = (reason: string) => ({ target, demand, reason: `${why}, ${reason}` })
        if (!known && size > 0 && untold) return stay("and too early to tell")
        if (short <= 0) return stay("but those there suffice for what waits")
        if (known && size > 0 && goneIn <= 0.75 * creationMillis)
          return stay("but what waits is gone before one is made")
        return { target: Math.min(demand, target + short), demand, reason: why }
      }
      const answer = usual()
      const refused = sample.refusing === true && short > 0 ? 1 : 0
      const waits = known
        ? unforeseen(sample, state.from, { drainWithin, load, rate, serviceMillis, short })
        : 0
      const more = target + Math.max(refused, waits)
      if (more <= Math.max(target, answer.target)) return [answer, next]
      const because =
        waits === 0
          ? "a task would be refused"
          : sample.waitingMillis < sample.creationMillis
            ? "tasks run for longer than those before"
            : `somebody has been waiting for ${Math.round(sample.waitingMillis)} ms`
      return [{ target: more, demand: Math.max(demand, more), reason: `${why}, but ${because}` }, next]
    }
  })
  return stabilize(law, options)
}

/**
 * @category models
 * @since 0.2.0
 */
export interface ThroughputOptions {
  /** Attempts that came and that ended in so long are compared. Above 0. Defaults to 10 seconds. */
  readonly window?: Duration.Input | undefined
}

interface Seen {
  readonly at: number
  readonly arrivals: number
  readonly ended: number
}

/**
 * The burst rule of tasker: more workers while more tasks arrive than complete. For comparison, and for those who come
 * from tasker; `littlesLaw` does better by every measure.
 *
 * **Details**
 *
 * With `A` arrivals per second and `C` attempts that ended per second over the window, and `perWorker = C / (idle + busy)`:
 *
 * - Arrivals, and nothing completes: one more worker.
 * - `A > C`: `⌈(A - C) / perWorker⌉` more.
 * - `C > A`: `⌊(C - A) / perWorker⌋` fewer, never fewer than `min`.
 * - Nothing waits, arrives or completes for a whole window: `min`.
 *
 * Differs from tasker in the rates, which are averages since the start there, so that its workers never leave, and in
 * the last rule, without which those of an idle herd would not.
 *
 * **Gotchas**
 *
 * It climbs. Herds complete what arrives, so `C` is `A` in a steady state however many workers there are: each worker
 * added makes all look slower, and the next difference asks for more. Differences are rounded up to grow and down to
 * shrink, and act again at every sample while they are within the window. Tasks interrupted or shed count as arrivals
 * and never as ended. Bound it by `max`, and damp it with `cooldown`.
 *
 * Source: tasker's burst manager.
 *
 * **Example** (As it was, with a pause between changes)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.cooldown(ScalingPolicy.throughput({ window: "5 seconds" }), { up: "1 second" })
 *
 * policy.name // => "throughput"
 * policy.parameters["window"] // => 5000
 * ```
 *
 * @category policies
 * @since 0.2.0
 */
export const throughput = (options: ThroughputOptions = {}): ScalingPolicy => {
  const window = positiveMillis("throughput: window", options.window ?? "10 seconds")
  return make<ReadonlyArray<Seen>>({
    name: "throughput",
    parameters: { window },
    initial: [],
    decide: (sample, state) => {
      const { arrivals, ended, now, queued, workers } = sample
      const n = workers.target
      // The newest sample that is a window old begins the window, however long it was before.
      const start = state.findLastIndex(({ at }) => at <= now - window)
      const seen = start > 0 ? state.slice(start) : state
      const last = seen.at(-1)
      // Some twenty samples tell a window as well as each one does.
      const next =
        last === undefined || now - last.at >= window / 20 ? [...seen, { at: now, arrivals, ended }] : seen
      const first = seen[0] ?? { at: now, arrivals, ended }
      const arrived = arrivals - first.arrivals
      const done = ended - first.ended
      const seconds = Math.max(1, now - first.at) / 1000
      const reason = `${(arrived / seconds).toFixed(1)} arrivals/s, ${(done / seconds).toFixed(1)} ended/s`
      const answer = (target: number) => [{ target, reason }, next] as const

      if (n === 0 && queued > 0) return answer(1)
      if (done === 0) {
        if (arrived > 0) return answer(n + 1)
        return answer(queued === 0 && now - first.at >= window ? workers.min : n)
      }
      const ready = Math.max(1, workers.idle + workers.busy)
      // Both rates are over the same time, so counts do: (A - C) / (C / ready).
      const difference = ((arrived - done) * ready) / done
      return answer(
        difference > 0 ? n + Math.ceil(difference) : Math.max(workers.min, n + Math.ceil(difference))
      )
    }
  })
}

/**
 * @category models
 * @since 0.2.0
 */
export interface LatencyOptions {
  /** How long a task may wait. Above 0. Defaults to 500 milliseconds. */
  readonly target?: Duration.Input | undefined
  /** Workers more in one step. A whole number, 1 or more. Defaults to 4. */
  readonly increase?: number | undefined
  /** Part of the workers that is left after a step down, above 0 and below 1. Defaults to 0.9. */
  readonly decrease?: number | undefined
  /** Least time between steps. A step up also waits as long as creating a resource takes. Above 0. Defaults to 1 second. */
  readonly interval?: Duration.Input | undefined
}

interface Stepping {
  readonly steppedAt: number
}

/**
 * Holds the longest wait under a target: additive increase, multiplicative decrease (AIMD). For herds whose tasks are
 * too unlike for an average of service times to mean anything.
 *
 * **Details**
 *
 * With `W` the wait of the oldest waiting task, and at most one step per `interval`:
 *
 * - `W > target`: `n + increase`, or one for every task that waits if there are fewer. Also where tasks wait and there
 *   are no workers at all.
 * - `W < target / 2`, and fewer busy workers and waiting tasks than workers: `⌊n·decrease⌋`, which is one fewer at least.
 *
 * It knows nothing of how many tasks wait, so it answers a burst slowly, and it probes: under a steady load it gives up
 * workers until one task waits, then takes them back.
 *
 * Source: D.-M. Chiu and R. Jain 1989, the increase and decrease of TCP, applied to wait.
 *
 * **Example** (Nobody waits longer than 100 milliseconds for long)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.latency({ target: "100 millis", increase: 2 })
 *
 * policy.parameters // => { target: 100, increase: 2, decrease: 0.9, interval: 1000 }
 * policy.targetWait // => 100
 * ```
 *
 * @category policies
 * @since 0.2.0
 */
export const latency = (options: LatencyOptions = {}): ScalingPolicy => {
  const target = positiveMillis("latency: target", options.target ?? "500 millis")
  const interval = positiveMillis("latency: interval", options.interval ?? "1 second")
  const increase = within(
    "latency: increase",
    options.increase ?? 4,
    (n) => Number.isInteger(n) && n >= 1,
    "a whole number from 1"
  )
  const decrease = within(
    "latency: decrease",
    options.decrease ?? 0.9,
    (n) => n > 0 && n < 1,
    "above 0 and below 1"
  )
  return make<Stepping>({
    name: "latency",
    parameters: { target, increase, decrease, interval },
    targetWait: target,
    initial: { steppedAt: -Infinity },
    decide: ({ creationMillis, now, oldestWaitMillis, queued, workers }, state) => {
      const n = workers.target
      const wait = `the oldest task has waited ${Math.round(oldestWaitMillis)} ms`
      const since = now - state.steppedAt
      if (oldestWaitMillis > target || (n === 0 && queued > 0)) {
        // What the last step brought is seen once its workers are there.
        if (n > 0 && since < Math.max(interval, creationMillis))
          return [{ target: n, reason: `${wait}, just grown` }, state]
        return [
          { target: n + Math.min(increase, Math.max(1, queued)), reason: `${wait}, of ${target} ms` },
          { steppedAt: now }
        ]
      }
      if (oldestWaitMillis >= target / 2 || workers.busy + queued >= n || since < interval) {
        return [{ target: n, reason: wait }, state]
      }
      const spare = `${wait}, ${n - workers.busy} of ${n} workers not busy`
      return [{ target: Math.floor(n * decrease), reason: spare }, { steppedAt: now }]
    }
  })
}
