/** Many deadlines on one sleep. Nothing polls: with no deadline nobody sleeps. */
import { type Clock, Context, Duration, Effect, Scheduler } from "effect"
import * as Time from "./Time.ts"
import * as AsyncContext from "./AsyncContext.ts"
import * as Fibers from "./Fibers.ts"
import * as LooseSleep from "./LooseSleep.ts"
import { PriorityHeap } from "./PriorityHeap.ts"

/** Deadlines that share one sleep. */
interface Deadlines {
  /** Calls `fire` at `at`, or soon after. Returns a slot for `cancel`. */
  readonly schedule: (at: number, fire: () => void) => number
  /** The slot must be of a timer that has not fired. After `close` there is none, and this does nothing. */
  readonly cancel: (slot: number) => void
}

/** Deadlines of one herd, in milliseconds of its monotonic clock. */
export interface Timers extends Deadlines {
  readonly clock: Clock.Clock
  readonly now: () => number
  /** Milliseconds of the wall clock, which may jump. */
  readonly wallClock: () => number
  /**
   * Those that nobody waits for, such as the next look of a scaling policy, or the end of an idle worker. They keep a process
   * only while they are asked to.
   */
  readonly beside: Deadlines & {
    /** The clock, for what sleeps on such a deadline. */
    readonly clock: Clock.Clock
    /** Whether somebody waits for what they bring. */
    readonly keep: (keep: boolean) => void
  }
  readonly close: () => void
}

interface Line extends Deadlines {
  readonly keep: (keep: boolean) => void
  readonly close: () => void
}

/** A sleep on any clock. It keeps the process that it is in. */
const onClock =
  (clock: Clock.Clock, context: Context.Context<never>): LooseSleep.Sleep =>
  (millis, wake) => {
    const fiber = Fibers.start(context, clock.sleep(Duration.millis(millis)))
    Fibers.onEnd(fiber, (exit) => {
      if (exit._tag === "Success") wake()
    })
    return { cancel: () => Fibers.interrupt(fiber), keep: () => {} }
  }

const line = (now: () => number, context: Context.Context<never>, begin: LooseSleep.Sleep): Line => {
  const heap = new PriorityHeap<() => void>()
  const own = AsyncContext.here()
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
  let lulled = false
  let sequence = 0
  let sleeper: LooseSleep.Sleeping | undefined
  let wakesAt = Infinity
  let open = true
  let kept = false

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
    const millis = Math.max(1, Math.ceil(wakesAt - now()))
    let mine: LooseSleep.Sleeping | undefined
    const begun = AsyncContext.run(own, begin, millis, () => {
      if (sleeper === mine) wake()
    })
    mine = sleeper = begun
    if (kept) begun.keep(true)
    old?.cancel()
  }
  const rest = () => {
    const old = sleeper
    sleeper = undefined
    wakesAt = Infinity
    old?.cancel()
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
      if (heap.size === 0) rest()
    }, 0)
  }

  return {
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
    keep: (keep) => {
      kept = keep
      sleeper?.keep(keep)
    },
    close: () => {
      open = false
      heap.clear()
      rest()
    }
  }
}

/** A clock whose sleeps are deadlines. */
const clockOf = (clock: Clock.Clock, now: () => number, { cancel, schedule }: Deadlines): Clock.Clock =>
  Object.assign(Object.create(clock), {
    sleep: (duration: Duration.Duration) => {
      const millis = Duration.toMillis(duration)
      if (!(millis > 0) || millis === Infinity) return clock.sleep(duration)
      return Effect.callback<void>((resume) => {
        const slot = schedule(now() + millis, () => resume(Effect.void))
        return Effect.sync(() => cancel(slot))
      })
    }
  })

export const make = (clock: Clock.Clock, context: Context.Context<never>): Timers => {
  const now = () => Time.monotonic(clock)
  const all = line(now, context, onClock(clock, context))
  const time = { clock, now, wallClock: () => clock.currentTimeMillisUnsafe() }
  // Virtual time keeps no process, and has one order for all.
  if (!LooseSleep.isLive(clock)) return { ...all, ...time, beside: { ...all, clock } }
  const beside = line(now, context, LooseSleep.begin)
  return {
    ...all,
    ...time,
    beside: { ...beside, clock: clockOf(clock, now, beside) },
    close: () => {
      all.close()
      beside.close()
    }
  }
}
