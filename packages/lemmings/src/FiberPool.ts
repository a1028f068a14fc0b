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
import { Clock, Context, Duration, Effect, Fiber, Layer, Schedule, Scheduler } from "effect"
import { HerdEvents } from "./HerdEvent.ts"
import { Ring } from "./internal/Ring.ts"
import { type Owned, ResourcePool } from "./ResourcePool.ts"
import type { QueuedTask, WorkerInfo } from "./Task.ts"
import type { Line, Offer } from "./TaskQueue.ts"

/**
 * A right to run one task now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease extends WorkerInfo {
  readonly resource: Owned | undefined
  /** Who holds it. Written by the holder. */
  holder: Leasable | undefined
  /** The task and the effects that still work for it. Owned by the pool. */
  holds: number
  /** Owned by the pool. */
  healthy: boolean
}

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
export interface Leasable extends QueuedTask, Deliverable {
  /** Begins the work. It ends with `release`, once. */
  readonly start: (lease: Lease) => void
  /** Interrupts the work, for a closing herd. */
  readonly close: () => void
  /** Lets those who wait go on although the work does not end. Returns whether it had not ended. */
  readonly giveUp: () => boolean
}

/**
 * Workers counted, as in `HerdStats`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolCounts {
  readonly min: number
  readonly max: number
  readonly target: number
  readonly size: number
  readonly idle: number
  readonly busy: number
  readonly starting: number
  readonly stopping: number
  readonly base: number
  readonly burst: number
  readonly peak: number
}

/**
 * What the owner of a pool wants to know.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolListener {
  /** Creation failed, and no worker can run a task. */
  readonly starved: () => void
  /** A worker became able to run tasks. */
  readonly fed: () => void
  /** The loop has nothing left to do for now. */
  readonly quiet: () => void
  readonly workerStarted: (worker: WorkerInfo) => void
  readonly workerStopped: (worker: WorkerInfo) => void
}

/**
 * The workers of one herd. Synchronous: nothing waits, except in `close`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pool<T extends Leasable> {
  readonly counts: () => PoolCounts
  /** The tasks that hold a worker. */
  readonly running: () => Iterable<Leasable>
  readonly paused: () => boolean
  readonly setPaused: (paused: boolean) => void
  /** Sets the number of workers wanted. Returns at once; idle workers leave first, busy ones after their task. */
  readonly resize: (target: number) => void
  readonly setBounds: (min: number, max: number) => void
  /** Starts the task on an idle worker, or offers it to the line. */
  readonly submit: (task: T) => Offer<T>
  /** Lends an idle worker without regard to the line. None while paused. */
  readonly borrow: () => Lease | undefined
  /** Makes a lease beside the workers. `returned` is called when it ends. */
  readonly guest: (resource: Owned | undefined, returned: (healthy: boolean) => void) => Lease
  /** Calls `f` after the event loop has had its turn. */
  readonly soon: (f: () => void) => void
  /** Ends a task's hold on its lease. An unhealthy worker's resource is replaced before the worker counts again. */
  readonly release: (lease: Lease, healthy: boolean) => void
  /** Runs `onInterrupt`, and keeps the lease until that has ended. */
  readonly unblock: (lease: Lease) => void
  /** Has `deliver` called by the next `pump`. */
  readonly settle: (ended: Deliverable) => void
  /** Starts what can start. */
  readonly pump: () => void
  /** Stops all workers and destroys all resources. Returns how many fibers had not ended in time. */
  readonly close: (limitMillis: number) => Effect.Effect<number>
  /** Runs an effect beside the herd. A failure is reported as `where`. */
  readonly background: (where: string, effect: Effect.Effect<unknown, unknown>) => void
}

/**
 * @category models
 * @since 0.1.0
 */
export interface FiberPoolOptions {
  readonly min: number
  readonly max: number
  /** When to call a failing `onCreate` again. */
  readonly createRetry?: Schedule.Schedule<unknown> | undefined
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
    /** Creates a pool without workers. The herd calls it once. */
    readonly make: <T extends Leasable>(line: Line<T>, listener: PoolListener) => Effect.Effect<Pool<T>>
  }
>()("lemmings/FiberPool") {
  /** Workers as the module describes. */
  static readonly layer = (options: FiberPoolOptions): Layer.Layer<FiberPool, never, ResourcePool | HerdEvents> =>
    Layer.effect(
      FiberPool,
      Effect.gen(function* () {
        const resources = yield* ResourcePool
        const events = yield* HerdEvents
        return FiberPool.of({ make: (line, listener) => make(options, resources, events, line, listener) })
      })
    )
}

interface Worker extends Lease {
  burst: boolean
  resource: Owned | undefined
  state: "starting" | "idle" | "busy" | "stopping"
  /** Leaves as soon as its task has ended. */
  leaving: boolean
  starter: Fiber.Fiber<unknown, unknown> | undefined
}

interface Guest extends Lease {
  readonly returned: (healthy: boolean) => void
}

const isGuest = (lease: Lease): lease is Guest => "returned" in lease
const isWorker = (lease: Lease): lease is Worker => "leaving" in lease

// 10 ms doubling to 5 s, jittered, without end: the backoff of HikariCP's pool.
const creationBackoff = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

// How long the loop may keep the event loop, and how many steps it takes between two looks at the clock.
const sliceNanos = 8_000_000n
const stepsPerLook = 128
const mostSteps = 16_384
// Tasks that start tasks nest on one stack, at most this deep.
const mostNested = 16

const make = Effect.fnUntraced(function* <T extends Leasable>(
  options: FiberPoolOptions,
  resources: ResourcePool["Service"],
  events: HerdEvents["Service"],
  line: Line<T>,
  listener: PoolListener
) {
  const context = yield* Effect.context()
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(context)
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
  const workers = new Map<number, Worker>()
  const idle: Array<Worker> = []
  const ended = new Ring<Deliverable>()
  const guests = new Set<Lease>()
  const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  let { max, min } = options
  let target = 0
  let nextId = 1
  let busy = 0
  let starting = 0
  let stopping = 0
  let leaving = 0
  let peak = 0
  let nested = 0
  let isPaused = false
  let pumping = false
  let scheduled = false
  let open = true

  const background = (where: string, effect: Effect.Effect<unknown, unknown>) => {
    const fiber = run(effect)
    if (fiber.pollUnsafe() === undefined) fibers.add(fiber)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      if (fibers.size === 0) allEnded?.()
      if (exit._tag === "Failure" && exit.cause.reasons.some((reason) => reason._tag !== "Interrupt")) {
        events.report(where, exit.cause)
      }
    })
    return fiber
  }

  const size = () => workers.size - stopping - leaving

  const pump = () => {
    if (pumping) return
    pumping = true
    let began: bigint | undefined
    let steps = 0
    try {
      for (;;) {
        const done = ended.shift()
        if (done !== undefined) done.deliver()
        else {
          if (isPaused || idle.length === 0) break
          const next = line.pop()
          if (next === undefined) break
          lend(next)
        }
        if (++steps % stepsPerLook === 0) {
          const now = clock.monotonicTimeNanosUnsafe()
          if (began === undefined) began = now
          if (steps >= mostSteps || now - began > sliceNanos) {
            later()
            break
          }
        }
      }
    } finally {
      pumping = false
      // A task's caller that throws on our stack must not stop the others.
      if (ended.size > 0) later()
    }
    if (ended.size === 0) listener.quiet()
  }

  const later = () => {
    if (scheduled) return
    scheduled = true
    dispatcher.scheduleTask(() => {
      scheduled = false
      pump()
    }, 0)
  }

  const take = (): Worker | undefined => {
    const worker = idle.pop()
    if (worker === undefined) return undefined
    worker.state = "busy"
    worker.holds = 1
    busy++
    return worker
  }

  const lend = (task: T) => {
    const worker = take()
    if (worker !== undefined) task.start(worker)
  }

  const toIdle = (worker: Worker) => {
    worker.state = "idle"
    idle.push(worker)
  }

  const started = (worker: Worker, resource: Owned | undefined, replaced: boolean) => {
    worker.resource = resource
    // Sent away meanwhile: whoever did that waits for the starter, and then destroys the resource.
    if (worker.state !== "starting") return
    starting--
    worker.starter = undefined
    worker.healthy = true
    toIdle(worker)
    events.emit({ _tag: replaced ? "WorkerReplaced" : "WorkerStarted", workerId: worker.workerId, burst: worker.burst })
    listener.workerStarted(worker)
    listener.fed()
    pump()
  }

  const startWorker = (worker: Worker, replaced: boolean) => {
    worker.state = "starting"
    starting++
    const old = worker.resource
    worker.resource = undefined
    if (!resources.owning) return started(worker, undefined, replaced)
    const failed = Effect.sync(() => {
      if (idle.length === 0 && busy === 0) listener.starved()
    })
    const create = resources.create(worker).pipe(
      Effect.tapError(() => failed),
      Effect.retry(options.createRetry ?? creationBackoff),
      // A schedule that gives up must not leave a herd without workers.
      Effect.retry(Schedule.spaced("5 seconds"))
    )
    const fiber = background(
      "the start of a worker",
      Effect.uninterruptibleMask((restore) =>
        (old === undefined ? Effect.void : resources.destroy(old)).pipe(
          Effect.andThen(restore(create)),
          Effect.flatMap((resource) => Effect.sync(() => started(worker, resource, replaced)))
        )
      )
    )
    if (worker.state === "starting") worker.starter = fiber
  }

  const spawn = () => {
    const worker: Worker = {
      workerId: nextId++,
      burst: size() >= min,
      resource: undefined,
      state: "starting",
      leaving: false,
      healthy: true,
      holds: 0,
      holder: undefined,
      starter: undefined
    }
    workers.set(worker.workerId, worker)
    peak = Math.max(peak, size())
    startWorker(worker, false)
  }

  const gone = (worker: Worker) => {
    stopping--
    workers.delete(worker.workerId)
    events.emit({ _tag: "WorkerStopped", workerId: worker.workerId, burst: worker.burst })
    listener.workerStopped(worker)
    adjust()
  }

  /** Sends away a worker that is neither busy nor in the idle list. */
  const retire = (worker: Worker) => {
    if (worker.leaving) leaving--
    if (worker.state === "starting") starting--
    worker.leaving = false
    worker.state = "stopping"
    stopping++
    const { starter } = worker
    worker.starter = undefined
    if (starter === undefined && worker.resource === undefined) return gone(worker)
    background(
      "the stop of a worker",
      Effect.gen(function* () {
        if (starter !== undefined) yield* Fiber.interrupt(starter)
        const { resource } = worker
        worker.resource = undefined
        if (resource !== undefined) yield* resources.destroy(resource)
        gone(worker)
      }).pipe(Effect.uninterruptible)
    )
  }

  /** Burst workers leave before base ones, the newest first; starting ones before idle ones before busy ones. */
  const leaver = (): Worker | undefined => {
    const rank = { starting: 0, idle: 1, busy: 2, stopping: 3 }
    let best: Worker | undefined
    for (const worker of workers.values()) {
      if (worker.leaving || worker.state === "stopping") continue
      if (
        best === undefined ||
        rank[worker.state] < rank[best.state] ||
        (worker.state === best.state &&
          (worker.burst === best.burst ? worker.workerId > best.workerId : worker.burst))
      ) {
        best = worker
      }
    }
    return best
  }

  const adjust = () => {
    if (!open) return
    while (size() < target) {
      const staying = leaving === 0 ? undefined : [...workers.values()].find((worker) => worker.leaving)
      if (staying !== undefined) {
        staying.leaving = false
        leaving--
      } else if (workers.size < max) spawn()
      else return
    }
    while (size() > target) {
      const worker = leaver()
      if (worker === undefined) return
      if (worker.state === "busy") {
        worker.leaving = true
        leaving++
      } else {
        if (worker.state === "idle") idle.splice(idle.indexOf(worker), 1)
        retire(worker)
      }
    }
  }

  const relabel = () => {
    let kept = 0
    for (const worker of workers.values()) {
      if (!worker.leaving && worker.state !== "stopping") worker.burst = kept++ >= min
    }
  }

  const released = (worker: Worker) => {
    busy--
    if (worker.leaving || !open) return retire(worker)
    if (!worker.healthy) return startWorker(worker, true)
    const { resource } = worker
    if (resources.ready === undefined || resource === undefined) return toIdle(worker)
    const { ready } = resources
    worker.state = "starting"
    starting++
    const asked = background(
      "the wait for ready",
      Effect.onExit(Effect.exit(ready(resource)), (exit) =>
        Effect.sync(() => {
          if (worker.state !== "starting") return
          starting--
          worker.starter = undefined
          if (exit._tag === "Success" && exit.value._tag === "Success") toIdle(worker)
          else startWorker(worker, true)
          pump()
        })
      )
    )
    if (worker.state === "starting" && asked.pollUnsafe() === undefined) worker.starter = asked
  }

  const release = (lease: Lease, healthy: boolean) => {
    if (!healthy) lease.healthy = false
    if (--lease.holds > 0) return
    if (isWorker(lease)) return released(lease)
    guests.delete(lease)
    if (isGuest(lease)) lease.returned(lease.healthy)
  }

  let allEnded: (() => void) | undefined

  const close = (limitMillis: number) =>
    Effect.gen(function* () {
      open = false
      target = 0
      idle.length = 0
      for (const worker of workers.values()) {
        if (worker.state === "stopping") continue
        if (worker.state === "busy") busy--
        retire(worker)
      }
      yield* resources.close
      const ends = Effect.callback<void>((resume) => {
        if (fibers.size === 0) return resume(Effect.void)
        allEnded = () => resume(Effect.void)
      })
      yield* Effect.timeoutOption(Effect.interruptible(ends), Duration.millis(limitMillis))
      const left = fibers.size
      for (const fiber of fibers) fiber.interruptUnsafe()
      return left
    })

  const pool: Pool<T> = {
    counts: () => {
      let burst = 0
      for (const worker of workers.values()) if (worker.burst && !worker.leaving && worker.state !== "stopping") burst++
      return {
        min,
        max,
        target,
        size: size(),
        idle: idle.length,
        busy,
        starting,
        stopping: stopping + leaving,
        base: size() - burst,
        burst,
        peak
      }
    },
    running: () =>
      [...workers.values(), ...guests].flatMap(({ holder }) => (holder === undefined ? [] : [holder])),
    paused: () => isPaused,
    setPaused: (paused) => {
      isPaused = paused
      pump()
    },
    resize: (n) => {
      target = Math.min(n, max)
      adjust()
      pump()
    },
    setBounds: (low, high) => {
      min = low
      max = high
      target = Math.min(Math.max(target, low), high)
      relabel()
      adjust()
      pump()
    },
    submit: (task) => {
      if (isPaused || idle.length === 0 || nested >= mostNested || line.size() > 0 || line.admitting() > 0) {
        const offer = line.offer(task)
        if (idle.length > 0) pump()
        return offer
      }
      nested++
      task.admitted()
      try {
        lend(task)
      } finally {
        nested--
      }
      return "accepted"
    },
    borrow: () => (isPaused ? undefined : take()),
    guest: (resource, returned) => {
      const guest: Guest = {
        workerId: 0,
        burst: false,
        resource,
        holder: undefined,
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
          Effect.sync(() => release(lease, true))
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
