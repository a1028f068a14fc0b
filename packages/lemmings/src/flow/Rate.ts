/**
 * Rate laws: how much may start in a span of time.
 *
 * **Details**
 *
 * `"gcra"` (the default) is the generic cell rate algorithm of ITU-T I.371: with `T = per / limit` and `B` the most that may
 * start at once, a start of weight `w` is allowed when `max(tat, now) + T * w - now <= T * B`, and moves the theoretical
 * arrival time `tat` by `T * w`. It keeps one number. No window of length `per` sees more than `limit + B - 1` starts.
 *
 * `"sliding"` is exact: no window of length `per` sees more than `limit` starts. It keeps `limit` time stamps.
 *
 * Looking takes nothing: `opensAt` and `available` change no state, and a caller that leaves has burnt no token.
 */
import type { RateLaw } from "../model/Limits.ts"

/** What has started under one rate. Times are milliseconds of one monotonic clock. */
export interface Meter {
  /** Most weight that may ever start at once. */
  readonly most: number
  /** When a start of this weight is allowed: `now` or before when it is already; `Infinity` when never. */
  readonly opensAt: (now: number, weight: number) => number
  /** Counts a start. */
  readonly take: (now: number, weight: number) => void
  /** How much may start now. */
  readonly available: (now: number) => number
  /** Whether what has started no longer matters, so that the meter may be forgotten. */
  readonly unused: (now: number) => boolean
  /** Follows another law from now on. What the old law owed is clipped to what the new law can owe. */
  readonly follow: (law: RateLaw, now: number) => Meter
}

// One nanosecond: sums of periods are not exact.
const grain = 1e-6

/** A meter on which nothing has started. */
export const make = (law: RateLaw): Meter => (law.window === "sliding" ? sliding(law) : gcra(law, -Infinity))

const gcra = ({ burst, limit, perMillis }: RateLaw, initial: number): Meter => {
  const period = perMillis / limit
  const room = period * burst
  let arrival = initial
  return {
    most: burst,
    opensAt: (now, weight) => {
      if (limit === 0 || weight > burst) return Infinity
      return Math.max(arrival, now) + period * weight - room - grain
    },
    take: (now, weight) => {
      arrival = Math.max(arrival, now) + period * weight
    },
    available: (now) => (limit === 0 ? 0 : Math.max(0, (room + grain - Math.max(0, arrival - now)) / period)),
    unused: (now) => arrival <= now,
    follow: (law, now) => {
      // From a rate of 0 nothing is owed, and from a slow one no more than the new one could owe.
      const owed = Number.isFinite(arrival) ? Math.max(0, arrival - now) : 0
      if (law.window === "sliding") {
        // When it started is not known. What is owed counts as started now.
        const next = sliding(law)
        if (owed > 0) next.take(now, Math.min(law.limit, Math.ceil(owed / period - grain)))
        return next
      }
      const most = law.limit === 0 ? 0 : (law.perMillis / law.limit) * law.burst
      return gcra(law, now + Math.min(owed, most))
    }
  }
}

const sliding = ({ limit, perMillis }: RateLaw): Meter => {
  // The last starts, oldest at `head`.
  const stamps = new Float64Array(limit).fill(-Infinity)
  let head = 0
  const at = (index: number) => stamps[(head + index) % limit]!
  return {
    most: limit,
    opensAt: (now, weight) => {
      const last = Math.ceil(weight)
      if (limit === 0 || last > limit) return Infinity
      return last <= 0 ? now : at(last - 1) + perMillis
    },
    take: (now, weight) => {
      for (let left = Math.ceil(weight); left > 0; left--) {
        stamps[head] = now
        head = (head + 1) % limit
      }
    },
    available: (now) => {
      // Stamps ascend from the oldest: count those that have left the window.
      let low = 0
      let high = limit
      while (low < high) {
        const middle = (low + high) >> 1
        if (at(middle) + perMillis <= now) low = middle + 1
        else high = middle
      }
      return low
    },
    unused: (now) => limit === 0 || at(limit - 1) + perMillis <= now,
    follow: (law, now) => {
      const next = make(law)
      // The newest starts are those that still count.
      let counted = 0
      for (let index = 0; index < limit; index++) if (at(index) + law.perMillis > now) counted++
      const owed = Math.min(counted, law.window === "sliding" ? law.limit : law.burst)
      for (let index = limit - owed; index < limit; index++) next.take(at(index), 1)
      return next
    }
  }
}

/**
 * When several meters all allow a start of this weight. One that is heavier than a meter ever allows at once, because the
 * limit was lowered while it waited, counts as the most that it allows.
 */
export const opensAt = (meters: ReadonlyArray<Meter>, now: number, weight: number): number => {
  let at = -Infinity
  for (const meter of meters) at = Math.max(at, meter.opensAt(now, Math.min(weight, meter.most)))
  return at
}

/** How much all of several meters allow now. */
export const available = (meters: ReadonlyArray<Meter>, now: number): number => {
  let least = Infinity
  for (const meter of meters) least = Math.min(least, meter.available(now))
  return least
}
