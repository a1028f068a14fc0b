/**
 * The workers of a herd and what each is doing: starting, idle, busy or stopping.
 *
 * `starting` + live + stopping workers never exceed `max`. A worker counts as able
 * to run tasks only once its resource is ready. Synchronous: creation and destruction go on in
 * background fibers that report back here.
 */
import { Effect, Fiber } from "effect"
import type { HerdEvents } from "../model/HerdEvent.ts"
import type { RecycleReason } from "../model/HerdStats.ts"
import { servedNothing, surplusOf, type Workers, type WorkersListener, type WorkersOptions } from "./Crew.ts"
import type { Owned, Resources } from "./Resources.ts"
import type { Timers } from "../internal/Timers.ts"
import * as Upkeep from "./Upkeep.ts"
import { heldUp, roomiest, stays, unborn, type Worker } from "./Worker.ts"
import * as WorkerStart from "./WorkerStart.ts"

// How long a resource that was validated for a task is good for it without another question.
const vettedMillis = 50

/** Creates a set without workers. */
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
  // Busy ones that leave after their task, as far as no other busy one is free before.
  const leavers = new Set<Worker>()
  let { max, min } = options
  let target = 0
  let nextId = 1
  let busy = 0
  let starting = 0
  let stopping = 0
  let peak = 0
  let checking = 0
  let open = true
  // Adjusting, and whether something has changed meanwhile.
  let adjusting = false
  let changed = false
  let betweenMillis = 0

  const isOpen = () => open
  const size = () => workers.size - stopping - leavers.size

  const lifo = options.reuse === "lifo"
  const next = () => (lifo ? idle.pop() : idle.shift())

  /** Changes several things in one step, of which others are told afterwards. What is idle then may be given away. */
  const step = (change: () => void) => {
    events.hold()
    try {
      change()
    } finally {
      events.release()
    }
    listener.ready()
  }

  const take = (now: number): Worker | undefined => {
    upkeep.look(now)
    for (;;) {
      let worker = next()
      if (worker === undefined) return undefined
      const { resource } = worker
      if (resource !== undefined) {
        const stale = resources.stale(resource, now)
        if (stale !== undefined) {
          worker.freedAt = now
          recycle(worker, stale)
          continue
        }
        if (now > worker.vettedUntil && resources.doubtful(resource, now)) {
          // A worker being validated is for a task that waits: one each, not all for the first.
          if (checking === 0 || checking < listener.waiting()) {
            worker.freedAt = now
            check(worker, true)
            continue
          }
          backToIdle(worker)
          worker = fresh(now)
          if (worker === undefined) return undefined
        }
        worker.vettedUntil = -Infinity
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
  const recycle = (worker: Worker, reason: RecycleReason) =>
    step(() => {
      worker.fruitless = servedNothing(worker.resource, reason, timers.now()) ? worker.fruitless + 1 : 0
      tell(worker, reason)
      if (worker.burst && listener.elastic() && listener.waiting() <= idle.length) surplus(worker, reason)
      else startWorker(worker, true)
    })

  /** Lets a worker go that is neither busy nor in the idle list, and wants one fewer. */
  const surplus = (worker: Worker, reason: string) =>
    step(() => {
      const from = target
      target = Math.max(0, target - 1)
      retire(worker)
      if (!worker.burst) relabel()
      listener.shrunk(from, reason)
    })

  /** Validates the resource of a worker that is not in the idle list, `wanted` for a task that waits. */
  const check = (worker: Worker, wanted: boolean) => {
    const { resource } = worker
    if (resource === undefined) return
    worker.state = "starting"
    starting++
    if (wanted) checking++
    const ask = Effect.flatMap(resources.validate(resource), (valid) =>
      Effect.sync(() => {
        if (worker.state !== "starting" || worker.resource !== resource) return
        starting--
        worker.starter = undefined
        worker.state = "idle"
        const now = timers.now()
        // It may have been evicted meanwhile.
        const reason = valid ? resources.stale(resource, now) : "invalid"
        if (reason !== undefined) return recycle(worker, reason)
        // For whoever it was asked for, however short `validateAfter` is.
        if (wanted) worker.vettedUntil = now + vettedMillis
        isFree(worker, now)
        backToIdle(worker)
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

  /** What keeps a worker from its next task counts as service: it takes as much of the herd as a run. */
  const isFree = (worker: Worker, now: number) => {
    if (worker.freedAt !== undefined) betweenMillis += heldUp(worker, now)
  }

  const toIdle = (worker: Worker, now = timers.now()) => {
    isFree(worker, now)
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
    upkeep.rests(worker)
  }

  /** Takes a worker out of the idle ones. `false`: it was none of them. */
  const fromIdle = (worker: Worker): boolean => {
    const place = idle.indexOf(worker)
    if (place !== -1) idle.splice(place, 1)
    return place !== -1
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
    listener.fed()
    events.emit({
      _tag: replaced ? "WorkerReplaced" : "WorkerStarted",
      workerId: worker.workerId,
      burst: worker.burst
    })
    listener.workerStarted(worker)
    if (resource !== undefined) {
      upkeep.watch(resource)
      resources.watch(resource, () => void evict("lost", resource.value))
    }
    listener.ready()
  }

  /** Whether a worker whose resource cannot be made at once is still worth the wait. */
  const needed = (worker: Worker) => !worker.burst || !listener.elastic() || listener.waiting() > idle.length

  const starts = WorkerStart.make(options, resources, timers, background, {
    needed,
    unneeded: (worker) => surplus(worker, "nobody waits for one that is not there yet"),
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
    const worker = unborn(nextId++, size() >= min)
    workers.set(worker.workerId, worker)
    peak = Math.max(peak, size())
    startWorker(worker, false)
  }

  const gone = (worker: Worker) => {
    if (!workers.delete(worker.workerId)) return
    stopping--
    events.emit({ _tag: "WorkerStopped", workerId: worker.workerId, burst: worker.burst })
    listener.workerStopped(worker)
    adjust()
  }

  /** Counts a worker as stopping that is neither busy nor in the idle list. Call `dismiss` afterwards. */
  const sendAway = (worker: Worker) => {
    if (worker.state === "starting") starting--
    starts.forget(worker)
    worker.state = "stopping"
    stopping++
  }

  /** Destroys what a stopping worker owns, after its starter has ended. */
  const dismiss = (worker: Worker) => {
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
      }).pipe(Effect.ensuring(Effect.sync(() => gone(worker))), Effect.uninterruptible)
    )
  }

  const retire = (worker: Worker) => {
    sendAway(worker)
    dismiss(worker)
  }

  const shrink = (count: number) => {
    const leaving = surplusOf(workers.values(), idle, count)
    // All are counted before one of them runs code of the user, who may look at the herd and change it.
    const away = leaving.filter((worker) => worker.state !== "busy")
    for (const worker of leaving) {
      if (worker.state === "busy") {
        worker.leaving = true
        leavers.add(worker)
      } else sendAway(worker)
    }
    const staying = idle.filter((worker) => worker.state === "idle")
    if (staying.length < idle.length) idle.splice(0, idle.length, ...staying)
    if (leaving.some((worker) => !worker.burst)) relabel()
    for (const worker of away) dismiss(worker)
  }

  /** Brings the number of workers to the target. Called again while it works, it goes on when it has worked. */
  const adjust = () => {
    if (!open) return
    changed = true
    if (adjusting) return
    adjusting = true
    try {
      for (;;) {
        if (!isOpen() || !changed) break
        changed = false
        for (const worker of leavers) {
          if (size() >= target) break
          stay(worker)
        }
        while (size() < target && workers.size < max) spawn()
        if (size() > target) shrink(size() - target)
      }
    } finally {
      adjusting = false
    }
  }

  const stay = (worker: Worker) => {
    worker.leaving = false
    leavers.delete(worker)
    relabel()
  }

  const relabel = () => {
    let kept = 0
    for (const worker of workers.values()) if (stays(worker)) worker.burst = kept++ >= min
  }

  // Called for each task: what is rare stands in functions of its own, or the compiler would not inline the rest.
  const released = (worker: Worker, at: number | undefined) => {
    // A closing herd has already sent it away.
    if (worker.state !== "busy") return
    const { resource } = worker
    // It asks the user, who may do anything meanwhile.
    const stale =
      worker.healthy && resource !== undefined ? resources.used(resource, at ?? timers.now()) : undefined
    if (worker.state !== "busy" || worker.shares > 0) return
    busy--
    if (leavers.size > 0) return leave(worker)
    if (!open) return retire(worker)
    const worn = worker.healthy ? stale : "unhealthy"
    if (worn !== undefined) return renew(worker, worn, at)
    if (resources.ready === undefined || resource === undefined) return toIdle(worker, at)
    getReady(worker, resource, at)
  }

  /** The first one that is free leaves, or more tasks would start than there may be workers. */
  const leave = (worker: Worker) => {
    const [other] = leavers
    const gone = worker.leaving ? worker : other
    if (gone !== undefined) {
      gone.leaving = false
      leavers.delete(gone)
    }
    const { burst } = worker
    retire(worker)
    if (!burst) relabel()
  }

  /** It was needed a moment ago: whether it still is, is the policy's to say. */
  const renew = (worker: Worker, worn: RecycleReason, at: number | undefined) => {
    worker.freedAt = at ?? timers.now()
    step(() => {
      tell(worker, worn)
      startWorker(worker, true)
    })
  }

  /** Idle when its resource is ready for the next task. */
  const getReady = (worker: Worker, resource: Owned, at: number | undefined) => {
    const { ready = () => Effect.void } = resources
    worker.freedAt = at ?? timers.now()
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
      // What was done for another may have given it to a task.
      if (!fromIdle(worker)) return
      if (what === "check") check(worker, false)
      else if (what === "idle")
        step(() => {
          tell(worker, "idle")
          surplus(worker, "idleTimeToLive")
        })
      else recycle(worker, what)
    },
    jumped: (millis) => {
      listener.clockJumped(millis)
      evict("clock")
    }
  })

  const evict = (reason: RecycleReason, only?: unknown): number => {
    const resting: Array<Worker> = []
    let evicted = 0
    for (const worker of workers.values()) {
      const { resource } = worker
      if (resource === undefined || resource.condemned !== undefined) continue
      if (only !== undefined && resource.value !== only) continue
      resource.condemned = reason
      evicted++
      if (worker.state === "idle") resting.push(worker)
    }
    // What is done for one may give another to a task, which finds that its resource is condemned.
    for (const worker of resting) if (fromIdle(worker)) recycle(worker, reason)
    return evicted
  }

  return {
    full: () => target >= max,
    size,
    evict,
    counts: () => {
      const all = size()
      const base = Math.min(min, all)
      // Those that leave after their task are counted as stopping.
      const here = { busy: busy - leavers.size, starting, stopping: stopping + leavers.size }
      return { min, max, target, size: all, idle: idle.length, ...here, base, burst: all - base, peak }
    },
    all: () => workers.values(),
    idle: () => idle.length,
    coming: () => idle.length + starting,
    betweenMillis: () => betweenMillis,
    take,
    roomy: (now) => (busy === 0 ? undefined : roomiest(workers.values(), resources, now)),
    released,
    resize: (n) => {
      target = Math.min(n, max)
      adjust()
      if (idle[0] !== undefined) upkeep.rests(idle[0])
    },
    setBounds: (low, high) => {
      min = low
      max = high
      target = Math.min(Math.max(target, low), high)
      relabel()
      adjust()
      if (idle[0] !== undefined) upkeep.rests(idle[0])
    },
    close: () => {
      open = false
      target = 0
      upkeep.close()
      idle.length = 0
      leavers.clear()
      const away: Array<Worker> = []
      for (const worker of workers.values()) {
        if (worker.state === "stopping") continue
        if (worker.state === "busy") busy--
        worker.leaving = false
        sendAway(worker)
        away.push(worker)
      }
      for (const worker of away) dismiss(worker)
    }
  }
}
