/**
 * A bound on retries by what is tried at all, so that a backend that is down is not hit by every caller's retries.
 *
 * Within the last ten seconds, retries are at most `ratio` times the first attempts, and `perSecond` beside that (the
 * budget of Finagle and of tower's `TpsBudget`). A first attempt deposits 1, a retry withdraws `1 / ratio`, and the reserve is
 * worth `perSecond` retries a second. What is older than ten seconds is forgotten, deposits and withdrawals alike.
 */
import type { RetryBudgetLaw } from "../model/Limits.ts"

export interface RetryBudget {
  /** A first attempt was begun. */
  readonly deposit: (now: number, attempts?: number) => void
  /** Takes one retry out of the budget. `false`: there is none left, and nothing was taken. */
  readonly withdraw: (now: number) => boolean
  /** Retries that are left. */
  readonly left: (now: number) => number
}

const slots = 10
const slotMillis = 1_000

/** A full budget. Times are milliseconds of one monotonic clock. */
export const make = ({ perSecond, ratio }: RetryBudgetLaw, now: number): RetryBudget => {
  const price = 1 / ratio
  const reserve = perSecond * ((slots * slotMillis) / 1_000) * price
  const ring = new Float64Array(slots)
  let balance = 0
  let current = Math.floor(now / slotMillis)

  const turn = (instant: number) => {
    const slot = Math.floor(instant / slotMillis)
    for (let left = Math.min(slots, slot - current); left > 0; left--) {
      current++
      balance -= ring[current % slots]!
      ring[current % slots] = 0
    }
    current = Math.max(current, slot)
  }
  const add = (amount: number) => {
    ring[current % slots]! += amount
    balance += amount
  }
  return {
    deposit: (instant, attempts = 1) => {
      turn(instant)
      add(attempts)
    },
    withdraw: (instant) => {
      turn(instant)
      // Sums of fractions are not exact.
      if (reserve + balance + 1e-9 < price) return false
      add(-price)
      return true
    },
    left: (instant) => {
      turn(instant)
      return Math.max(0, Math.floor((reserve + balance + 1e-9) / price))
    }
  }
}
