/**
 * The workers of a herd and what each is doing: starting, idle, busy or stopping.
 *
 * `starting` + live + stopping workers never exceed `max`. A worker counts as able
 * to run tasks only once its resource is ready. Synchronous: creation and destruction go on in
 * background fibers that report back here.
 *
 * @since 0.1.0
 */
import { Effect, Fiber, Schedule } from "effect"
import type { HerdEvents } from "./HerdEvent.ts"
import type { Owned, ResourcePool } from "./ResourcePool.ts"
import type { WorkerInfo } from "./Task.ts"

/**
 * What holds a lease.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  /** Interrupts the work, for a closing herd. */
  readonly close: () => void
  /** Lets those who wait go on although the work does not end. Returns whether it had not ended. */
  readonly giveUp: () => boolean
}

/**
 * A right to run one task now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease extends WorkerInfo {
  readonly resource: Owned | undefined
  /** Who holds it. Written by the holder. */
  holder: Holder | undefined
  /** The task and the effects that still work for it. Owned by the pool. */
  holds: number
  /** Owned by the pool. */
  healthy: boolean
  /** Milliseconds on the herd's monotonic clock. Written by the holder. */
  startedAt: number
}

/**
 * A numbered slot that owns one resource and runs one task at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Worker extends Lease {
  burst: boolean
  resource: Owned | undefined
  state: "starting" | "idle" | "busy" | "stopping"
  /** Leaves as soon as its task has ended. */
  leaving: boolean
  starter: Fiber.Fiber<unknown, unknown> | undefined
}

/**
 * Workers counted, as in `HerdStats`.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerCounts {
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
 * What the owner of the workers wants to know.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkersListener {
  /** Creation failed, and no worker can run a task. */
  readonly starved: () => void
  /** A worker became able to run tasks. */
  readonly fed: () => void
  /** A worker is idle. */
  readonly ready: () => void
  readonly workerStarted: (worker: WorkerInfo) => void
  readonly workerStopped: (worker: WorkerInfo) => void
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkersOptions {
  readonly min: number
  readonly max: number
  /** When to call a failing `onCreate` again. */
  readonly createRetry?: Schedule.Schedule<unknown> | undefined
}

/**
 * The workers of one herd.
 *
 * @category models
 * @since 0.1.0
 */
export interface Workers {
  readonly counts: () => WorkerCounts
  readonly all: () => Iterable<Worker>
  readonly idle: () => number
  /** Makes an idle worker busy. The one that was idle last, so that the others can be let go. */
  readonly take: () => Worker | undefined
  /** Ends a busy worker's task: it becomes idle, is replaced when unhealthy, or leaves. */
  readonly released: (worker: Worker) => void
  readonly resize: (target: number) => void
  readonly setBounds: (min: number, max: number) => void
  /** Sends every worker away, and lets none come. */
  readonly close: () => void
}

// 10 ms doubling to 5 s, jittered, without end: the backoff of HikariCP's pool.
const creationBackoff = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** Runs an effect beside the herd, reporting its failure. */
type Background = (
  where: string,
  effect: Effect.Effect<unknown, unknown>,
  counts?: boolean
) => Fiber.Fiber<unknown, unknown>

/**
 * Creates a set without workers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: WorkersOptions,
  resources: ResourcePool["Service"],
  events: HerdEvents["Service"],
  background: Background,
  listener: WorkersListener
): Workers => {
  const workers = new Map<number, Worker>()
  const idle: Array<Worker> = []
  let { max, min } = options
  let target = 0
  let nextId = 1
  let busy = 0
  let starting = 0
  let stopping = 0
  let leaving = 0
  let peak = 0
  let open = true

  const size = () => workers.size - stopping - leaving

  const take = (): Worker | undefined => {
    const worker = idle.pop()
    if (worker === undefined) return undefined
    worker.state = "busy"
    worker.holds = 1
    busy++
    return worker
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
    events.emit({
      _tag: replaced ? "WorkerReplaced" : "WorkerStarted",
      workerId: worker.workerId,
      burst: worker.burst
    })
    listener.workerStarted(worker)
    listener.fed()
    listener.ready()
  }

  const startWorker = (worker: Worker, replaced: boolean) => {
    worker.state = "starting"
    starting++
    if (!resources.owning) return started(worker, undefined, replaced)
    const failed = Effect.sync(() => {
      if (idle.length === 0 && busy === 0) listener.starved()
    })
    const create = resources
      .create(worker, (resource) => started(worker, resource, replaced))
      .pipe(
        Effect.tapError(() => failed),
        Effect.retry(options.createRetry ?? creationBackoff),
        // A schedule that gives up must not leave a herd without workers.
        Effect.retry(Schedule.spaced("5 seconds"))
      )
    const fiber = background(
      "the start of a worker",
      Effect.uninterruptibleMask((restore) => {
        // The worker keeps its old resource until here: a starter that is interrupted before leaves it to the stop.
        const old = worker.resource
        worker.resource = undefined
        return (old === undefined ? Effect.void : resources.destroy(old)).pipe(
          Effect.andThen(restore(create))
        )
      }),
      // A closing herd sends the worker away: the fiber that does so waits for this one.
      false
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
      startedAt: 0.5,
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
    // A closing herd has already sent it away.
    if (worker.state !== "busy") return
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
          listener.ready()
        })
      )
    )
    if (worker.state === "starting" && asked.pollUnsafe() === undefined) worker.starter = asked
  }

  return {
    counts: () => {
      let burst = 0
      for (const worker of workers.values())
        if (worker.burst && !worker.leaving && worker.state !== "stopping") burst++
      return {
        min,
        max,
        target,
        size: size(),
        idle: idle.length,
        // Those that leave after their task are counted as stopping.
        busy: busy - leaving,
        starting,
        stopping: stopping + leaving,
        base: size() - burst,
        burst,
        peak
      }
    },
    all: () => workers.values(),
    idle: () => idle.length,
    take,
    released,
    resize: (n) => {
      target = Math.min(n, max)
      adjust()
    },
    setBounds: (low, high) => {
      min = low
      max = high
      target = Math.min(Math.max(target, low), high)
      relabel()
      adjust()
    },
    close: () => {
      open = false
      target = 0
      idle.length = 0
      for (const worker of workers.values()) {
        if (worker.state === "stopping") continue
        if (worker.state === "busy") busy--
        retire(worker)
      }
    }
  }
}
