/**
 * Wakes the store in memory when something comes due: delayed jobs, leases that lapse, jobs that were kept for long enough. So
 * nobody needs to look for any of it.
 */
import { type Clock, Effect } from "effect"
import * as Time from "lemmings/internal/Time"
import type { News } from "../port/JobStore.ts"
import { Signal } from "../port/Signal.ts"

/** Epoch milliseconds that only go on, whatever becomes of the clock of the wall. */
export const steadyOf = (clock: Clock.Clock) => {
  const monotonic = () => Time.monotonic(clock)
  const ahead = clock.currentTimeMillisUnsafe() - monotonic()
  return () => monotonic() + ahead
}

/** What of a queue comes due. */
interface Timed {
  readonly spec: { readonly keepEndedMillis: number }
  readonly later: ReadonlySet<{ readonly startAt: number }>
  readonly running: ReadonlySet<{ readonly leasedUntil: number }>
  /** The oldest first. */
  readonly ended: ReadonlySet<{ readonly endedAt: number | undefined }>
}

/** What is due and was not taken up is told again after so many milliseconds. */
const againMillis = 1_000

/** The earliest of what comes due. */
const earliest = (times: Iterable<number>): number => {
  let first = Infinity
  for (const time of times) first = Math.min(first, time)
  return first
}

/** One time at a time: the earliest that was set. */
export class MemoryAlarm {
  #at = Infinity
  readonly #set = new Signal()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  set(at: number) {
    if (at >= this.#at) return
    this.#at = at
    this.#set.notify()
  }

  /** Tells of the queues that have something due, and sets the next time. */
  #rouse(queues: Iterable<readonly [string, Timed]>, tell: (news: News) => void) {
    const at = this.#now()
    const later = (time: number) => this.set(time > at ? time : at + againMillis)
    for (const [queue, timed] of queues) {
      const starts = earliest(Array.from(timed.later, ({ startAt }) => startAt))
      if (starts <= at) tell({ _tag: "Available", queue })
      later(earliest(Array.from(timed.later, ({ startAt }) => (startAt > at ? startAt : Infinity))))
      const lapses = earliest(Array.from(timed.running, ({ leasedUntil }) => leasedUntil + 1))
      const [oldest] = timed.ended
      const goes = oldest === undefined ? Infinity : (oldest.endedAt ?? 0) + timed.spec.keepEndedMillis
      if (Math.min(lapses, goes) <= at) tell({ _tag: "Overdue", queue })
      later(lapses)
      later(goes)
    }
  }

  /** Tells what comes due, until it is interrupted. */
  keep(queues: Iterable<readonly [string, Timed]>, tell: (news: News) => void): Effect.Effect<never> {
    return Effect.forever(
      Effect.suspend(() => {
        const left = Math.ceil(this.#at - this.#now())
        if (left > 0) return this.#set.wait(left)
        return Effect.sync(() => {
          this.#at = Infinity
          this.#rouse(queues, tell)
        })
      })
    )
  }
}
