/** What limits of a queue allow now: the pure law. PostgreSQL has the same in SQL (`PgBossLimits`). */
import { isFit } from "./Json.ts"

/**
 * Longest group, in UTF-16 units: it is in an index, which takes some 2,700 bytes, and one that is longer would keep every job
 * of its queue from being claimed.
 */
export const longestGroup = 255

export const groupRule = `a group is a text of at most ${longestGroup} characters, without NUL and lone surrogates`

export const isGroup = (value: unknown): value is string => isFit(value) && value.length <= longestGroup

/** `limit` jobs at once, then one every `perMillis / limit`. */
interface Rate {
  /** At least 1. */
  readonly limit: number
  /** Milliseconds, above 0. */
  readonly perMillis: number
}

/** Limits that hold for all machines together. What is left out does not limit. */
export interface Limits {
  /** Most jobs of the queue that run at one time. */
  readonly perQueue?: number | undefined
  /** Most jobs of one group that run at one time. */
  readonly perGroup?: number | undefined
  /** How many jobs may be claimed in a time. */
  readonly rate?: Rate | undefined
}

/** What is known of a queue when jobs are claimed. Times are epoch milliseconds. */
export interface Usage {
  readonly now: number
  /** Jobs that run, on all machines. */
  readonly running: number
  /** When the rate is as good as unused: every job that is claimed moves it by the distance between two. */
  readonly freeAt: number
}

// So that a third of a second three times is a second.
const rounding = 1e-6

/** No further than one time ahead, so that a clock that was set back, or a rate that was raised, closes nothing for longer. */
const freeAt = ({ perMillis }: Rate, usage: Usage): number =>
  Math.min(Math.max(usage.freeAt, usage.now), usage.now + perMillis)

const byRate = (rate: Rate, usage: Usage): number =>
  Math.floor(rate.limit - ((freeAt(rate, usage) - usage.now) * rate.limit) / rate.perMillis + rounding)

/** How many of `wanted` jobs may be claimed. The limit of a group is not in it: it is of single jobs. */
export const allowed = ({ perQueue = Infinity, rate }: Limits, usage: Usage, wanted: number): number =>
  Math.max(0, Math.min(wanted, perQueue - usage.running, rate === undefined ? wanted : byRate(rate, usage)))

/** The usage after a claim. */
export const spent = ({ rate }: Limits, usage: Usage, claimed: number): Usage => ({
  now: usage.now,
  running: usage.running + claimed,
  freeAt: rate === undefined ? usage.freeAt : freeAt(rate, usage) + (claimed * rate.perMillis) / rate.limit
})

/**
 * When it is worth to ask for another job: `Infinity` when one that runs must end before, and otherwise in how many
 * milliseconds, 0 when now.
 */
export const opensIn = ({ perQueue = Infinity, rate }: Limits, usage: Usage): number => {
  if (usage.running >= perQueue) return Infinity
  if (rate === undefined) return 0
  return Math.max(0, freeAt(rate, usage) - usage.now - rate.perMillis + rate.perMillis / rate.limit)
}

/**
 * How long a puller leaves a store alone that kept jobs back: until the limit opens, at most until it would have looked
 * anyway. Of a rate of many it collects some for one claim.
 */
export const rest = ({ rate }: Limits, opensInMillis: number, pollMillis: number): number => {
  const together = rate === undefined ? 0 : Math.min(20, rate.perMillis / 4)
  return Math.min(pollMillis, Math.max(opensInMillis, together))
}
