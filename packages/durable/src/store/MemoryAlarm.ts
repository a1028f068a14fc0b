/**
 * Wakes the store in memory when delayed jobs come due, so that nobody needs to look for them.
 *
 * @since 0.5.0
 */
import { type Clock, Effect } from "effect"
import { Signal } from "../port/Signal.ts"

/**
 * Epoch milliseconds that only go on, whatever becomes of the clock of the wall.
 *
 * @category getters
 * @since 0.5.0
 */
export const steadyOf = (clock: Clock.Clock) => {
  const monotonic = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const ahead = clock.currentTimeMillisUnsafe() - monotonic()
  return () => monotonic() + ahead
}

interface Delaying {
  readonly later: ReadonlySet<{ readonly startAt: number }>
}

/**
 * One time at a time: the earliest that was set.
 *
 * @category models
 * @since 0.5.0
 */
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

  /** Tells the queues that have something due, and sets the next time. */
  #rouse(queues: Iterable<readonly [string, Delaying]>, tell: (queue: string) => void) {
    const at = this.#now()
    for (const [name, { later }] of queues) {
      let due = false
      for (const { startAt } of later) {
        if (startAt <= at) due = true
        else this.set(startAt)
      }
      if (due) tell(name)
    }
  }

  /** Tells what comes due, until it is interrupted. */
  keep(queues: Iterable<readonly [string, Delaying]>, tell: (queue: string) => void): Effect.Effect<never> {
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
