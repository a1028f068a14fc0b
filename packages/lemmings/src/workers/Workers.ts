/**
 * The workers of a herd and what each is doing: starting, idle, busy or stopping.
 *
 * `starting` + live + stopping workers never exceed `max`. A worker counts as able
 * to run tasks only once its resource is ready. Synchronous: creation and destruction go on in
 * background fibers that report back here.
 *
 * @since 0.1.0
 */
import { Effect, Fiber, type Schedule } from "effect"
import type { HerdEvents } from "../model/HerdEvent.ts"
import type { RecycleReason } from "../model/HerdStats.ts"
import type { Owned, Resources } from "./Resources.ts"
import type { WorkerInfo } from "../model/Task.ts"
import type { Timers } from "../internal/Timers.ts"
import * as Upkeep from "./Upkeep.ts"
import { roomiest, stays, type Worker } from "./Worker.ts"
import * as WorkerStart from "./WorkerStart.ts"

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
  /** Tasks that wait for a worker. */
  readonly waiting: () => number
  /** Whether a policy makes workers when they are needed, so that unneeded ones may go. */
  readonly elastic: () => boolean
  /** There are fewer workers wanted, because one was not needed. */
  readonly shrunk: (from: number, reason: string) => void
  /** The wall clock and the monotonic clock went apart. */
  readonly clockJumped: (millis: number) => void
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkersOptions {
  readonly min: number
  readonly max: number
  /** Most resources in creation at one time. */
  readonly maxCreating: number
  /** Milliseconds. `Infinity`: never. */
  readonly idleTimeToLive: number
  readonly reuse: "lifo" | "fifo"
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
  readonly full: () => boolean
  /** Workers that are not on their way out. */
  readonly size: () => number
  /**
   * Makes an idle worker busy. One whose resource is too old is replaced, and one whose resource is doubtful is
   * validated, before it is there again: then there may be none although some are idle.
   */
  readonly take: (now: number) => Worker | undefined
  /** A busy worker that has room for one more task, the one with the fewest. */
  readonly roomy: (now: number) => Worker | undefined
  /** Ends a busy worker's task: it becomes idle, is replaced when unhealthy, or leaves. `now` spares a look at the clock. */
  readonly released: (worker: Worker, now: number | undefined) => void
  readonly resize: (target: number) => void
  /** Replaces every resource, or the one given, those in use when they come back. Returns how many. */
  readonly evict: (reason: RecycleReason, only?: unknown) => number
  readonly setBounds: (min: number, max: number) => void
  /** Sends every worker away, and lets none come. */
  readonly close: () => void
}

/**
 * Creates a set without workers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: WorkersOptions,
  resources: Resources["Service"],
  events: HerdEvents["Service"],
  timers: Timers,
  background: WorkerStart.Background,
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
  let checking = 0
  let open = true

  const size = () => workers.size - stopping - leaving

  const lifo = options.reuse === "lifo"
  const next = () => (lifo ? idle.pop() : idle.shift())

  const take = (now: number): Worker | undefined => {
    for (;;) {
      let worker = next()
      if (worker === undefined) return undefined
      const { resource } = worker
      if (resource !== undefined) {
        const stale = resources.stale(resource, now)
        if (stale !== undefined) {
          recycle(worker, stale)
          continue
        }
        if (resources.doubtful(resource, now)) {
          // A worker being validated is for a task that waits: one each, not all for the first.
          if (checking === 0 || checking < listener.waiting()) {
            check(worker, true)
            continue
          }
          backToIdle(worker)
          worker = fresh(now)
          if (worker === undefined) return undefined
        }
      }
      worker.state = "busy"
      worker.holds = 1
      busy++
      return worker
    }
  }

  /** An idle worker whose resource needs no validation. The one used last is, if any. */
  const fresh = (now: number): Worker | undefined => {
    const last = idle.at(-1)?.resource
    if (last === undefined || resources.doubtful(last, now)) return undefined
    return resources.stale(last, now) === undefined ? idle.pop() : undefined
  }

  const tell = ({ burst, workerId }: Worker, reason: RecycleReason) =>
    events.emit({ _tag: "ResourceRecycled", workerId, burst, reason })

  /** Replaces the resource of a worker that is neither busy nor in the idle list, or lets the worker go. */
  const recycle = (worker: Worker, reason: RecycleReason) => {
    tell(worker, reason)
    if (worker.burst && listener.elastic() && listener.waiting() <= idle.length) surplus(worker, reason)
    else startWorker(worker, true)
  }

  /** Lets a worker go that is neither busy nor in the idle list, and wants one fewer. */
  const surplus = (worker: Worker, reason: string) => {
    const from = target
    target = Math.max(0, target - 1)
    retire(worker)
    relabel()
    listener.shrunk(from, reason)
  }

  /** Validates the resource of a worker that is not in the idle list, `wanted` for a task that waits. */
  const check = (worker: Worker, wanted: boolean) => {
    const { resource } = worker
    if (resource === undefined) return
    worker.state = "starting"
    starting++
    if (wanted) checking++
    const ask = Effect.flatMap(resources.validate(resource), (valid) =>
      Effect.sync(() => {
        if (worker.state !== "starting") return
        starting--
        worker.starter = undefined
        worker.state = "idle"
        // It may have been evicted meanwhile.
        const reason = valid ? resources.stale(resource, timers.now()) : "invalid"
        if (reason === undefined) backToIdle(worker)
        else recycle(worker, reason)
      })
    ).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          if (wanted) checking--
          listener.ready()
        })
      )
    )
    WorkerStart.begin(worker, () => background("validate", ask, false))
  }

  const toIdle = (worker: Worker, now = timers.now()) => {
    worker.state = "idle"
    worker.idleSince = now
    idle.push(worker)
    upkeep.rests(worker)
  }

  /** Puts a worker that was not used back into its place among the idle ones, where it is as near to its turn as before. */
  const backToIdle = (worker: Worker) => {
    const at = worker.idleSince
    worker.state = "idle"
    const later = idle.findIndex(({ idleSince }) => (lifo ? idleSince > at : idleSince >= at))
    idle.splice(later === -1 ? idle.length : later, 0, worker)
  }

  const started = (worker: Worker, resource: Owned | undefined, replaced: boolean) => {
    // Gone before anybody knew of the starter: nobody waits for it.
    if (resource !== undefined && !workers.has(worker.workerId))
      return void background("the stop of a worker", resources.destroy(resource))
    worker.resource = resource
    // Sent away meanwhile: whoever did that waits for the starter, and then destroys the resource.
    if (worker.state !== "starting") return
    starting--
    worker.starter = undefined
    worker.healthy = true
    toIdle(worker)
    if (resource !== undefined) {
      upkeep.watch(resource)
      resources.watch(resource, () => void evict("lost", resource.value))
    }
    events.emit({
      _tag: replaced ? "WorkerReplaced" : "WorkerStarted",
      workerId: worker.workerId,
      burst: worker.burst
    })
    listener.workerStarted(worker)
    listener.fed()
    listener.ready()
  }

  /** Whether a worker whose resource cannot be made at once is still worth the wait. */
  const needed = (worker: Worker) => !worker.burst || !listener.elastic() || listener.waiting() > idle.length

  const starts = WorkerStart.make(options, resources, background, {
    needed,
    unneeded: (worker) => surplus(worker, "nobody waits for a worker that is not there yet"),
    started,
    failed: () => {
      if (idle.length === 0 && busy === 0) listener.starved()
      listener.ready()
    }
  })

  const startWorker = (worker: Worker, replaced: boolean) => {
    worker.state = "starting"
    starting++
    if (resources.owning) starts.start(worker, replaced)
    else started(worker, undefined, replaced)
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
      idleSince: 0.5,
      starter: undefined,
      shares: 0
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
    starts.forget(worker)
    worker.leaving = false
    worker.state = "stopping"
    stopping++
    upkeep.left()
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

  /**
   * Starting workers leave before idle ones, and those before busy ones; of these, burst workers before base ones. Of
   * the idle ones the one that is idle longest, otherwise the newest.
   */
  const leaver = (): Worker | undefined => {
    let best: Worker | undefined
    for (const worker of workers.values()) {
      if (worker.leaving || worker.state === "stopping" || worker.state === "idle") continue
      if (best === undefined || before(worker, best)) best = worker
    }
    if (best?.state === "starting") return best
    return idle.find((worker) => worker.burst) ?? idle[0] ?? best
  }
  const before = (a: Worker, b: Worker) => {
    if (a.state !== b.state) return a.state === "starting"
    return a.burst === b.burst ? a.workerId > b.workerId : a.burst
  }

  const adjust = () => {
    if (!open) return
    while (size() < target) {
      const staying = leaving === 0 ? undefined : [...workers.values()].find((worker) => worker.leaving)
      if (staying !== undefined) {
        staying.leaving = false
        leaving--
      } else if (workers.size < max) spawn()
      else break
    }
    while (size() > target) {
      const worker = leaver()
      if (worker === undefined) break
      if (worker.state === "busy") {
        worker.leaving = true
        leaving++
      } else {
        if (worker.state === "idle") idle.splice(idle.indexOf(worker), 1)
        retire(worker)
      }
    }
    relabel()
  }

  const relabel = () => {
    let kept = 0
    for (const worker of workers.values()) if (stays(worker)) worker.burst = kept++ >= min
  }

  const released = (worker: Worker, at: number | undefined) => {
    // A closing herd has already sent it away.
    if (worker.state !== "busy") return
    busy--
    if (worker.leaving || !open) return retire(worker)
    if (!worker.healthy) {
      tell(worker, "unhealthy")
      return startWorker(worker, true)
    }
    if (worker.resource !== undefined) {
      const stale = resources.used(worker.resource, at ?? timers.now())
      if (stale !== undefined) return recycle(worker, stale)
    }
    const { resource } = worker
    if (resources.ready === undefined || resource === undefined) return toIdle(worker, at)
    const { ready } = resources
    worker.state = "starting"
    starting++
    const ask = Effect.onExit(Effect.exit(ready(resource)), (exit) =>
      Effect.sync(() => {
        if (worker.state !== "starting") return
        starting--
        worker.starter = undefined
        if (exit._tag === "Success" && exit.value._tag === "Success") toIdle(worker)
        else startWorker(worker, true)
        listener.ready()
      })
    )
    WorkerStart.begin(worker, () => background("the wait for ready", ask))
  }

  const upkeep = Upkeep.make(timers, {
    idleTimeToLive: options.idleTimeToLive,
    /** Those beyond `min`, as far as a policy would make them again. */
    spare: () => (listener.elastic() ? Math.max(0, size() - min) : 0),
    owning: () => open && resources.owning && workers.size > 0,
    idle,
    act: (worker, what) => {
      const place = idle.indexOf(worker)
      // What was done for another may have given it to a task.
      if (place === -1) return
      idle.splice(place, 1)
      if (what === "check") check(worker, false)
      else if (what === "idle") {
        tell(worker, "idle")
        surplus(worker, "idleTimeToLive")
      } else recycle(worker, what)
    },
    jumped: (millis) => {
      listener.clockJumped(millis)
      evict("clock")
    }
  })

  const evict = (reason: RecycleReason, only?: unknown): number => {
    let evicted = 0
    for (const worker of Array.from(workers.values())) {
      const { resource } = worker
      if (resource === undefined || resource.condemned !== undefined) continue
      if (only !== undefined && resource.value !== only) continue
      resource.condemned = reason
      evicted++
      if (worker.state !== "idle") continue
      idle.splice(idle.indexOf(worker), 1)
      recycle(worker, reason)
    }
    return evicted
  }

  return {
    full: () => target >= max,
    size,
    evict,
    counts: () => {
      const burst = [...workers.values()].filter((worker) => worker.burst && stays(worker)).length
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
    roomy: (now) => (busy === 0 ? undefined : roomiest(workers.values(), resources, now)),
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
      upkeep.close()
      for (const worker of workers.values()) {
        if (worker.state === "stopping") continue
        if (worker.state === "busy") busy--
        // One by one, because an onDestroy may look at the stats.
        else if (worker.state === "idle") idle.splice(idle.indexOf(worker), 1)
        retire(worker)
      }
    }
  }
}
