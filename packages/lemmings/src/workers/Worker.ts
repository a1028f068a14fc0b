/** A worker, the lease that a task has on it, and who holds the lease. */
import type { Fiber } from "effect"
import type { ScalingSample } from "../model/HerdStats.ts"
import type { Owned, Resources } from "./Resources.ts"
import type { WorkerInfo } from "../model/Task.ts"

/** What holds a lease. */
export interface Holder {
  /** Interrupts the work, for a closing herd. */
  readonly close: () => void
  /** Lets those who wait go on although the work does not end. Returns whether it had not ended. */
  readonly giveUp: () => boolean
  readonly id?: string | undefined
  readonly label?: string | undefined
  /** The fiber that runs the work. `undefined`: it has none yet. */
  readonly works?: object | undefined
}

/** What a task takes of its line's limits, for as long as it has its lease. */
export interface Seat {
  readonly weight: number
}

/** A right to run one task now. */
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
  /** What its task takes of the line's limits. Given back with the lease. Owned by the pool. */
  seat?: Seat | undefined
}

/** A numbered slot that owns one resource and runs one task at a time. */
export interface Worker extends Lease {
  burst: boolean
  resource: Owned | undefined
  state: "starting" | "idle" | "busy" | "stopping"
  /** Since when it has had nothing to do, in milliseconds on the herd's monotonic clock. */
  idleSince: number
  /** Its resource was validated for a task, and is given to it until then. */
  vettedUntil: number
  /** Resources in a row that were lost or found bad soon after they were made, before they served a task. */
  fruitless: number
  /** Since when it could not take a task although it has none. `undefined`: it can, or is new. */
  freedAt: number | undefined
  /** Leaves as soon as its task has ended, or stays in the place of another that has ended before. */
  leaving: boolean
  starter: Fiber.Fiber<unknown, unknown> | undefined
  /** Leases that are held beside each other, where resources take several tasks at a time. */
  shares: number
}

/** A worker that is about to start. */
export const unborn = (workerId: number, burst: boolean): Worker => ({
  workerId,
  burst,
  resource: undefined,
  state: "starting",
  healthy: true,
  holds: 0,
  holder: undefined,
  startedAt: 0.5,
  idleSince: 0.5,
  vettedUntil: -Infinity,
  fruitless: 0,
  freedAt: undefined,
  leaving: false,
  starter: undefined,
  shares: 0
})

/** Ends the time in which a worker without a task could not take one. Returns how long it was. */
export const heldUp = (worker: Worker, now: number): number => {
  const { freedAt = now } = worker
  worker.freedAt = undefined
  return Math.max(0, now - freedAt)
}

/** One of several leases on the same worker. */
export interface Share extends Lease {
  readonly worker: Worker
}

/** Whether a worker is not on its way out. */
export const stays = ({ leaving, state }: Worker): boolean => !leaving && state !== "stopping"

/** The busy worker with the fewest leases of those that may have one more. */
export const roomiest = (
  workers: Iterable<Worker>,
  { hasRoom, stale }: Pick<Resources["Service"], "hasRoom" | "stale">,
  now: number
): Worker | undefined => {
  let best: Worker | undefined
  for (const worker of workers) {
    const { healthy, leaving, resource, shares, state } = worker
    if (state !== "busy" || leaving || !healthy || resource === undefined) continue
    if (best !== undefined && shares >= best.shares) continue
    if (hasRoom?.(resource) === true && stale(resource, now) === undefined) best = worker
  }
  // Whoever was asked may have sent it away.
  return best !== undefined && best.state === "busy" && !best.leaving ? best : undefined
}

/** What the resources say of how busy they are. `undefined`: nothing. */
export const utilizationOf = (
  workers: Iterable<Worker>,
  { utilization }: Pick<Resources["Service"], "utilization">
): ScalingSample["utilization"] => {
  if (utilization === undefined) return undefined
  return Array.from(workers).flatMap(({ resource, workerId }) => {
    const said = resource === undefined ? undefined : utilization(resource)
    return said === undefined ? [] : [{ workerId, utilization: said }]
  })
}
