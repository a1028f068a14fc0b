/**
 * How many at once: workers, leases and dispatch.
 *
 * A lease is a task's exclusive right to a worker, from dispatch until everything
 * that works for the task has ended. The pool hands leases to the line's tasks,
 * never more than there are workers.
 *
 * **Details**
 *
 * One loop settles ended tasks and starts waiting ones. A task that ends while the
 * loop runs is settled by that loop and not on its own stack, so that a long line of
 * synchronous tasks needs no stack. The loop yields to the event loop after a few
 * milliseconds.
 *
 * @since 0.1.0
 */
import { Cause, Context, Duration, Effect, type Fiber, Layer, Scheduler } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { HerdEvents } from "../model/HerdEvent.ts"
import type { ScalingSample } from "../model/HerdStats.ts"
import { Ring } from "../internal/Ring.ts"
import { type Owned, Resources } from "../workers/Resources.ts"
import type { QueuedTask } from "../model/Task.ts"
import type { Line, Offer } from "./TaskQueue.ts"
import type { Timers } from "../internal/Timers.ts"
import { type Holder, type Lease, type Share, utilizationOf, type Worker } from "../workers/Worker.ts"
import * as Workers from "../workers/Workers.ts"
import type { WorkerCounts, WorkersListener, WorkersOptions } from "../workers/Crew.ts"

/**
 * News for somebody who waits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deliverable {
  /** Resumes those who wait. Called by the loop, on a short stack. */
  readonly deliver: () => void
}

/**
 * What the pool dispatches.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leasable extends QueuedTask, Deliverable, Holder {
  /** Begins the work. It ends with `release`, once. */
  readonly start: (lease: Lease, now: number | undefined) => void
  /** Milliseconds on the herd's monotonic clock, of the acceptance. */
  readonly enqueuedAt: number
}

/**
 * What the owner of a pool wants to know.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolListener extends Omit<WorkersListener, "ready" | "waiting"> {
  /** Tasks that wait for a worker. */
  readonly queued: () => number
  /** Whether tasks may be accepted. */
  readonly accepting: () => boolean
  /** A task is refused if no worker comes for it. Whether one does. */
  readonly wanted: () => boolean
  /** The loop has nothing left to do for now. */
  readonly quiet: () => void
  /** A limit may have opened: there may be more tasks that wait for a worker alone. */
  readonly opened: () => void
}

/**
 * The workers of one herd. Synchronous: nothing waits, except in `close`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pool<T extends Leasable> {
  /** Tells the owner what happens from now on. The herd calls it once, before there are workers. */
  readonly listen: (owner: PoolListener) => void
  readonly counts: () => WorkerCounts
  /** Whether there are as many workers as there may be. */
  readonly full: () => boolean
  /** Workers that are not on their way out. */
  readonly size: () => number
  readonly idle: () => number
  /** As in `Workers`. */
  readonly coming: () => number
  readonly betweenMillis: () => number
  /** When the task started that has held a worker longest, on the herd's monotonic clock. */
  readonly oldestStart: () => number | undefined
  /** For how long tasks have held their workers, on average. Looks at each of them. */
  readonly meanAge: (now: number) => number
  /** What the resources say of how busy they are. `undefined`: nothing. */
  readonly utilization: () => ScalingSample["utilization"]
  /** The leases that are held, in no order. */
  readonly leases: () => Array<Lease>
  readonly paused: () => boolean
  /** Call `pump` afterwards. */
  readonly setPaused: (paused: boolean) => void
  /**
   * Sets the number of workers wanted. Returns at once; idle workers leave first, then the busy ones whose task ends
   * first. Call `pump` afterwards.
   */
  readonly resize: (target: number) => void
  /** Call `pump` afterwards. */
  readonly setBounds: (min: number, max: number) => void
  /** Whether all that was settled has been delivered. */
  readonly told: () => boolean
  /** Starts the task on an idle worker, or offers it to the line, unless the herd closes. */
  readonly submit: (task: T) => Offer<T> | "closed"
  /** Replaces every resource, or the one given, those in use when they come back. Returns how many. */
  readonly evict: (only?: unknown) => number
  /** Lends an idle worker without regard to the line. None while paused, and none whose resource has to be looked at first. */
  readonly borrow: () => Lease | undefined
  /** Makes a lease beside the workers. `returned` is called when it ends. */
  readonly guest: (resource: Owned | undefined, returned: (healthy: boolean) => void) => Lease
  /** Calls `f` after the event loop has had its turn. */
  readonly soon: (f: () => void) => void
  /** Ends a task's hold on its lease. An unhealthy worker's resource is replaced before the worker counts again. */
  readonly release: (lease: Lease, healthy: boolean, now?: number) => void
  /** Runs `onInterrupt`, and keeps the lease until that has ended. */
  readonly unblock: (lease: Lease) => void
  /** Has `deliver` called by the next `pump`. */
  readonly settle: (ended: Deliverable) => void
  /** Starts what can start, and tells those who wait. `now` spares a look at the clock. */
  readonly pump: (now?: number) => void
  /** Stops all workers and destroys all resources. Returns how many fibers had not ended in time. */
  readonly close: (limitMillis: number) => Effect.Effect<number>
  /** Runs an effect beside the herd. A failure is reported as `where`. */
  readonly background: (where: string, effect: Effect.Effect<unknown, unknown>) => void
}

/**
 * Makes the workers of one herd.
 *
 * @category services
 * @since 0.1.0
 */
export class FiberPool extends Context.Service<
  FiberPool,
  {
    /** Creates a pool without workers, over the `Resources` and the `HerdEvents` of the herd that calls it, once. */
    readonly make: <T extends Leasable>(
      line: Line<T>,
      timers: Timers
    ) => Effect.Effect<Pool<T>, never, Resources | HerdEvents>
  }
>()("lemmings/FiberPool") {
  /** Workers as the module describes. */
  static readonly layer = (options: WorkersOptions): Layer.Layer<FiberPool> =>
    Layer.succeed(FiberPool, { make: (line, timers) => make(options, line, timers) })
}

interface Guest extends Lease {
  readonly returned: (healthy: boolean) => void
}

const isGuest = (lease: Lease): lease is Guest => "returned" in lease
const isWorker = (lease: Lease): lease is Worker => "leaving" in lease
const isShare = (lease: Lease): lease is Share => "worker" in lease

// How long the loop may keep the event loop, and in how many steps. The end of a task says what time it is; while it only
// resumes callers, the loop looks at the clock in so many steps, and at each when they are slow.
const sliceMillis = 8
const stepsPerLook = 16
const slowMillis = 1
const mostSteps = 16_384
// Tasks that start tasks nest on one stack, at most this deep.
const mostNested = 16
// No timer.
const unset = -1

const nobody: PoolListener = {
  queued: () => 0,
  accepting: () => false,
  elastic: () => false,
  wanted: () => false,
  quiet: () => {},
  starved: () => {},
  fed: () => {},
  workerStarted: () => {},
  workerStopped: () => {},
  shrunk: () => {},
  clockJumped: () => {},
  opened: () => {}
}

const make = Effect.fnUntraced(function* <T extends Leasable>(
  options: WorkersOptions,
  line: Line<T>,
  timers: Timers
) {
  const resources = yield* Resources
  const events = yield* HerdEvents
  const context = yield* Fibers.lasting
  const own = AsyncContext.here()
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
  const ended = new Ring<Deliverable>()
  const guests = new Set<Lease>()
  // Empty where a worker has one task at a time.
  const shares = new Set<Lease>()
  const sharing = resources.hasRoom !== undefined
  // Each with whether a pool that closes counts it: not when another fiber of the set waits for its end.
  const fibers = new Map<Fiber.Fiber<unknown, unknown>, boolean>()
  let owner = nobody
  // The lease that was held longest when somebody asked, and since when.
  let oldest: Lease | undefined
  let oldestAt: number | undefined
  // The latest time that somebody has read. A variable of the closure would be a new object at every change.
  const latest = { time: 0.5 }
  let nested = 0
  let isPaused = false
  let pumping = false
  let scheduled = false
  let allEnded: (() => void) | undefined
  const { flow } = line
  const reminder = { at: Infinity, slot: unset }

  const background = (where: string, effect: Effect.Effect<unknown, unknown>, counts = true) => {
    const fiber = AsyncContext.run(own, () => Fibers.start(context, effect))
    if (Fibers.exitOf(fiber) === undefined) fibers.set(fiber, counts)
    Fibers.onEnd(fiber, (exit) => {
      fibers.delete(fiber)
      if (fibers.size === 0) allEnded?.()
      if (exit._tag === "Failure" && exit.cause.reasons.some((reason) => reason._tag !== "Interrupt")) {
        events.report(where, exit.cause)
      }
    })
    return fiber
  }

  const pump = (now?: number) => {
    if (now !== undefined) latest.time = now
    // Whoever holds back the news of a step pumps after it.
    if (pumping || events.holding()) return
    pumping = true
    let began = now
    let steps = 0
    let nextLook = 1
    for (;;) {
      // A freed worker first, then the news of what freed it: never all of one before any of the other.
      const next = isPaused || waiting() === 0 || !mayTake() ? undefined : lend(now)
      now = undefined
      const done = ended.shift()
      if (done !== undefined) deliver(done)
      else if (next === undefined) break
      if (++steps >= nextLook && next === undefined) {
        const time = timers.now()
        nextLook = steps + (time - latest.time > slowMillis ? 1 : stepsPerLook)
        latest.time = time
      }
      began ??= latest.time
      if (latest.time - began > sliceMillis || steps >= mostSteps) {
        later()
        break
      }
    }
    pumping = false
    events.flush()
    // Also where no worker is free: what opens may want more workers.
    if (flow !== undefined && waiting() > 0) remind(flow.wakesAt(timers.now()))
    if (ended.size === 0) owner.quiet()
  }

  /** Resumes those who wait. What an observer of their fibers throws stays theirs. */
  const deliver = (done: Deliverable) => {
    try {
      done.deliver()
    } catch (defect) {
      events.report("an observer of a caller", Cause.die(defect))
    }
  }

  const later = () => {
    if (scheduled) return
    scheduled = true
    dispatcher.scheduleTask(() => {
      scheduled = false
      pump()
    }, 0)
  }

  const waiting = () => line.size() + line.admitting()

  /** Whether it is worth asking for a lease. */
  const mayTake = () => sharing || workers.idle() > 0

  /** A lease on a worker that needs nothing else first: an idle one, or one that has room beside its tasks. */
  const take = (now: number): Lease | undefined => {
    const idle = workers.take(now)
    if (!sharing) return idle
    const worker = idle ?? workers.roomy(now)
    if (worker === undefined) return undefined
    const share: Share = {
      workerId: worker.workerId,
      burst: worker.burst,
      resource: worker.resource,
      holder: undefined,
      startedAt: 0.5,
      holds: 1,
      healthy: true,
      worker
    }
    worker.shares++
    shares.add(share)
    return share
  }

  /** Starts the next task, if there is a worker for it and no limit holds it. */
  const lend = (now: number = timers.now()): T | undefined => {
    latest.time = now
    // Before a worker is taken: what is held takes nothing.
    if (flow !== undefined && flow.look(now) === undefined) return undefined
    const lease = take(now)
    if (lease === undefined) return undefined
    const next = line.pop(now)
    if (next !== undefined) {
      if (flow !== undefined) lease.seat = flow.seat()
      next.start(lease, now)
    }
    // A line that says that somebody waits, and then has nobody.
    else release(lease, true, now)
    return next
  }

  /** Looks again when a limit opens: one timer, for the earliest. */
  const remind = (at: number) => {
    if (at >= reminder.at) return
    if (reminder.slot !== unset) timers.beside.cancel(reminder.slot)
    reminder.at = at
    reminder.slot = timers.beside.schedule(at, () => {
      reminder.at = Infinity
      reminder.slot = unset
      pump()
      owner.opened()
    })
  }
  /** Everything that works for a task has ended: what it took of the limits is free. */
  const leaveSeat = (lease: Lease, now: number = timers.now()) => {
    const { seat } = lease
    if (seat === undefined) return
    lease.seat = undefined
    flow?.returned(seat, now)
  }

  const workers = Workers.make(options, resources, events, timers, background, {
    waiting: () => owner.queued(),
    ready: pump,
    elastic: () => owner.elastic(),
    starved: () => owner.starved(),
    fed: () => owner.fed(),
    workerStarted: (worker) => owner.workerStarted(worker),
    workerStopped: (worker) => owner.workerStopped(worker),
    shrunk: (from, reason) => owner.shrunk(from, reason),
    clockJumped: (millis) => owner.clockJumped(millis)
  })

  const release = (lease: Lease, healthy: boolean, now?: number) => {
    if (!healthy) lease.healthy = false
    if (--lease.holds > 0) return
    if (flow !== undefined) leaveSeat(lease, now)
    if (isWorker(lease)) return workers.released(lease, now)
    if (isShare(lease)) return unshare(lease, now)
    if (guests.delete(lease) && isGuest(lease)) lease.returned(lease.healthy)
  }

  const unshare = (share: Share, now: number | undefined) => {
    const { worker } = share
    if (!shares.delete(share)) return
    if (!share.healthy) worker.healthy = false
    if (--worker.shares === 0) return workers.released(worker, now)
    // The last one is counted when the worker comes back.
    if (share.resource !== undefined) resources.used(share.resource, now ?? timers.now())
  }

  const close = (limitMillis: number) =>
    Effect.gen(function* () {
      workers.close()
      // Those whose task was given up: nobody else will return them.
      for (const guest of guests) release(guest, false)
      yield* resources.close
      const ends = Effect.callback<void>((resume) => {
        if (fibers.size === 0) return resume(Effect.void)
        allEnded = () => resume(Effect.void)
      })
      yield* Effect.timeoutOption(Effect.interruptible(ends), Duration.millis(limitMillis))
      let left = 0
      for (const [fiber, counts] of fibers) {
        if (counts) left++
        Fibers.interrupt(fiber)
      }
      return left
    })

  /**
   * Whether the line decides on what is offered. Where that would be refused or dropped although there is a worker for
   * it, it is not the line's to decide: those for whom a worker is there or on its way wait for nobody's task to end.
   */
  const hasRoom = () => {
    const { capacity, overflow } = line
    if (line.size() < capacity || overflow === "suspend" || flow !== undefined || isPaused) return true
    const spare = () => line.size() < capacity + workers.coming()
    if (overflow === "reject") return !spare() && !(owner.wanted() && spare())
    return workers.idle() === 0 || line.size() > capacity
  }

  /** Workers for those that wait for a worker alone. Where one more would be refused, whoever decides is asked for more. */
  const spare = (): number => {
    if (isPaused) return 0
    if (line.overflow !== "reject") return workers.idle()
    const coming = workers.coming()
    if (flow === undefined || flow.ready(timers.now()) < coming) return coming
    return owner.wanted() ? workers.coming() : coming
  }

  const enqueue = (task: T): Offer<T> => {
    if (!hasRoom()) {
      task.admitted()
      line.push(task)
      if (mayTake()) pump()
      return "accepted"
    }
    const offer = line.offer(task, spare)
    // One that was dropped for it has to be counted first.
    if (typeof offer === "string" && mayTake()) pump()
    return offer
  }

  const pool: Pool<T> = {
    listen: (listener) => {
      owner = listener
    },
    counts: workers.counts,
    utilization: () => utilizationOf(workers.all(), resources),
    full: workers.full,
    size: workers.size,
    idle: workers.idle,
    coming: workers.coming,
    betweenMillis: workers.betweenMillis,
    oldestStart: () => {
      // It stays the oldest until its task ends: others start later.
      if (oldest?.holder !== undefined && oldest.startedAt === oldestAt) return oldestAt
      oldest = undefined
      for (const lease of sharing ? shares : workers.all()) {
        if (lease.holder !== undefined && (oldest === undefined || lease.startedAt < oldest.startedAt))
          oldest = lease
      }
      oldestAt = oldest?.startedAt
      return oldestAt
    },
    meanAge: (now) => {
      let sum = 0
      let held = 0
      for (const { holder, startedAt } of sharing ? shares : workers.all()) {
        if (holder === undefined) continue
        sum += Math.max(0, now - startedAt)
        held++
      }
      return held === 0 ? 0 : sum / held
    },
    leases: () => [...workers.all(), ...shares, ...guests].filter(({ holder }) => holder !== undefined),
    paused: () => isPaused,
    setPaused: (paused) => {
      isPaused = paused
    },
    resize: workers.resize,
    setBounds: workers.setBounds,
    told: () => ended.size === 0,
    submit: (task) => {
      const lease =
        flow !== undefined || isPaused || !mayTake() || nested >= mostNested || waiting() > 0
          ? undefined
          : take(task.enqueuedAt)
      // Taking one may ask the user about its resource, who may close the herd.
      if (resources.owning && !owner.accepting()) {
        if (lease !== undefined) release(lease, true)
        return "closed"
      }
      if (lease === undefined) return enqueue(task)
      nested++
      task.admitted()
      try {
        // Accepted and started in one step, hence at one time.
        task.start(lease, task.enqueuedAt)
      } finally {
        nested--
      }
      return "accepted"
    },
    evict: (only) => (only === undefined ? workers.evict("evicted") : workers.evict("unhealthy", only)),
    borrow: () => (isPaused || workers.idle() === 0 ? undefined : take(timers.now())),
    guest: (resource, returned) => {
      const guest: Guest = {
        workerId: 0,
        burst: false,
        resource,
        holder: undefined,
        startedAt: 0.5,
        holds: 1,
        healthy: true,
        returned
      }
      guests.add(guest)
      return guest
    },
    soon: (f) => dispatcher.scheduleTask(f, 0),
    release,
    unblock: (lease) => {
      if (resources.onInterrupt === undefined || lease.resource === undefined) return
      lease.holds++
      background(
        "onInterrupt",
        Effect.ensuring(
          resources.onInterrupt(lease.resource),
          Effect.sync(() => {
            release(lease, true)
            pump()
          })
        )
      )
    },
    settle: (done) => ended.push(done),
    pump,
    close,
    background: (where, effect) => void background(where, effect)
  }
  return pool
})
