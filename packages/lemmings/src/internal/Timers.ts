/**
 * Many deadlines on one sleeping fiber. Nothing polls: with no deadline nobody sleeps.
 *
 * @since 0.1.0
 */
import { type Clock, Context, Duration, type Fiber, Scheduler } from "effect"
import * as Time from "./Time.ts"
import * as AsyncContext from "./AsyncContext.ts"
import * as Fibers from "./Fibers.ts"
import { PriorityHeap } from "./PriorityHeap.ts"

/**
 * Deadlines of one herd, in milliseconds of its monotonic clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timers {
  readonly now: () => number
  /** Milliseconds of the wall clock, which may jump. */
  readonly wallClock: () => number
  /** Calls `fire` at `at`, or soon after. Returns a slot for `cancel`. */
  readonly schedule: (at: number, fire: () => void) => number
  /** The slot must be of a timer that has not fired. After `close` there is none, and this does nothing. */
  readonly cancel: (slot: number) => void
  readonly close: () => void
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (clock: Clock.Clock, context: Context.Context<never>): Timers => {
  const heap = new PriorityHeap<() => void>()
  const now = () => Time.monotonic(clock)
  const own = AsyncContext.here()
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
  let lulled = false
  let sequence = 0
  let sleeper: Fiber.Fiber<void> | undefined
  let wakesAt = Infinity
  let open = true

  const wake = () => {
    sleeper = undefined
    wakesAt = Infinity
    const due = now()
    // Closing clears the heap.
    try {
      while (heap.peekKey() <= due) heap.pop()?.()
    } finally {
      arm()
    }
  }
  const arm = () => {
    if (!open || heap.size === 0 || heap.peekKey() >= wakesAt) return
    const old = sleeper
    wakesAt = heap.peekKey()
    // Whole milliseconds, rounded up: a timer that fires early would have to sleep again.
    const sleep = clock.sleep(Duration.millis(Math.max(1, Math.ceil(wakesAt - now()))))
    const fiber = AsyncContext.run(own, () => Fibers.start(context, sleep))
    sleeper = fiber
    Fibers.onEnd(fiber, (exit) => {
      if (sleeper === fiber && exit._tag === "Success") wake()
    })
    Fibers.interrupt(old)
  }

  /**
   * Nothing is left to wait for: a sleep that nobody needs would keep the process. In the next turn, because most who
   * cancel the last timer set another at once.
   */
  const lull = () => {
    if (lulled || sleeper === undefined) return
    lulled = true
    dispatcher.scheduleTask(() => {
      lulled = false
      if (heap.size > 0) return
      const old = sleeper
      sleeper = undefined
      wakesAt = Infinity
      Fibers.interrupt(old)
    }, 0)
  }

  return {
    now,
    wallClock: () => clock.currentTimeMillisUnsafe(),
    schedule: (at, fire) => {
      const slot = heap.push(fire, at, sequence++)
      arm()
      return slot
    },
    cancel: (slot) => {
      if (!open) return
      heap.remove(slot)
      if (heap.size === 0) lull()
    },
    close: () => {
      open = false
      heap.clear()
      const old = sleeper
      sleeper = undefined
      Fibers.interrupt(old)
    }
  }
}
