/** Turns the counters of a herd into what a scaling policy is shown. */
import type { ScalingSample } from "../model/HerdStats.ts"
import { Ewma } from "../internal/Ewma.ts"
import type { SystemReading } from "../model/SystemMetrics.ts"

/** What a herd counts. Totals are since the start. */
export interface Counters {
  readonly workers: ScalingSample["workers"]
  readonly queued: number
  /** Tasks that wait for a limit. */
  readonly held?: number | undefined
  readonly oldestWaitMillis: number
  readonly waitingMillis: number
  readonly longestRunMillis: number
  readonly meanRunMillis: number
  /** Attempts that asked for a worker. */
  readonly arrivals: number
  /** Attempts that ended, and how long they kept workers from the next task, all together. */
  readonly ended: number
  readonly runMillis: number
  /** Resources created, and what that took together. */
  readonly creations: number
  readonly creationMillis: number
}

/** Remembers rates between samples. */
export interface Sampler {
  /** The next sample, or what is wrong with the readings. Wrong ones change nothing. */
  readonly sample: (
    now: number,
    counters: Counters,
    system?: SystemReading,
    utilization?: ScalingSample["utilization"]
  ) => ScalingSample | string
}

const fastMillis = 2_000
const slowMillis = 20_000
// Weight of the newest creations in the average of all.
const newest = 0.3

const wrong = (readings: object, path: string): string | undefined => {
  for (const [name, value] of Object.entries(readings)) {
    if (value === undefined) continue
    if (typeof value !== "number" || (Number.isFinite(value) && value >= 0)) continue
    return `${path}${name} is ${value}`
  }
  return undefined
}

const nothing = { arrivals: 0, ended: 0, runMillis: 0, creations: 0, creationMillis: 0 }

/** Creates a sampler for a herd that begins now. */
export const make = (began: number): Sampler => {
  const arrivals = { fast: new Ewma(fastMillis), slow: new Ewma(slowMillis) }
  const endings = { fast: new Ewma(fastMillis), slow: new Ewma(slowMillis) }
  // Run time per second: divided by the attempts that ended in the same span, it is the average run.
  const running = new Ewma(slowMillis)
  let last: { readonly now: number; readonly counters: typeof nothing } = { now: began, counters: nothing }
  let serviceMillis: number | null = null
  let creationMillis = 0

  return {
    sample: (now, counters, system, utilization) => {
      const { creations, runMillis, workers } = counters
      const since = now - last.now
      const broken =
        wrong({ now }, "") ??
        wrong(counters, "") ??
        wrong(workers, "workers.") ??
        (system === undefined ? undefined : wrong(system, "system.")) ??
        utilization?.map((reading) => wrong(reading, "utilization.")).find((what) => what !== undefined)
      if (broken !== undefined) return broken
      if (since < 0) return `the clock went back by ${-since} ms`
      const before = last.counters
      if (since > 0) {
        const perSecond = 1000 / since
        const came = (counters.arrivals - before.arrivals) * perSecond
        const ended = (counters.ended - before.ended) * perSecond
        arrivals.fast.update(came, since)
        arrivals.slow.update(came, since)
        endings.fast.update(ended, since)
        endings.slow.update(ended, since)
        running.update((runMillis - before.runMillis) * perSecond, since)
        // After a long rest both are next to nothing, and their quotient is noise.
        if (endings.slow.value > 1e-6) serviceMillis = running.value / endings.slow.value
      }
      if (creations > before.creations) {
        const mean = (counters.creationMillis - before.creationMillis) / (creations - before.creations)
        creationMillis = before.creations === 0 ? mean : creationMillis + newest * (mean - creationMillis)
      }
      // A sample of the same instant would hide what came since from the rates.
      if (since > 0) last = { now, counters }
      return {
        now,
        sinceMillis: since,
        workers,
        queued: counters.queued,
        ...(counters.held === undefined ? {} : { held: counters.held }),
        oldestWaitMillis: counters.oldestWaitMillis,
        waitingMillis: counters.waitingMillis,
        longestRunMillis: counters.longestRunMillis,
        meanRunMillis: counters.meanRunMillis,
        arrivals: counters.arrivals,
        ended: counters.ended,
        arrivalRate: { fast: arrivals.fast.value, slow: arrivals.slow.value },
        endedRate: { fast: endings.fast.value, slow: endings.slow.value },
        serviceMillis,
        creationMillis,
        ...(system === undefined ? {} : { system }),
        ...(utilization === undefined ? {} : { utilization })
      }
    }
  }
}
