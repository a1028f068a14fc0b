/**
 * Looks after idle workers: lets those go that nobody has wanted for long, replaces resources that are too old, and
 * validates those that have to be kept alive.
 *
 * **Details**
 *
 * One timer, at the next time that something is due: with nothing due there is none. It also notices that the wall clock
 * has jumped, as it does when the machine slept, when a resource is wanted or something is due: what is on the other end
 * of a resource may be gone.
 */
import type { RecycleReason } from "../model/HerdStats.ts"
import type { Owned } from "./Resources.ts"
import type { Timers } from "../internal/Timers.ts"

/** A worker that has nothing to do. */
interface Idler {
  readonly resource: Owned | undefined
  /** Since when, in milliseconds on the herd's monotonic clock. */
  readonly idleSince: number
}

/** What is due for an idle worker. */
type Due = "check" | RecycleReason

const noResource = { checkAt: Infinity, expiresAt: Infinity }

/** What is due for it, and otherwise the time at which something may be. `leaves`: when it may go. */
const due = ({ resource }: Idler, now: number, leaves: number): Due | number => {
  if (resource?.condemned !== undefined) return resource.condemned
  const { checkAt, expiresAt } = resource ?? noResource
  if (now >= leaves) return "idle"
  if (now >= expiresAt) return "expired"
  if (now >= checkAt) return "check"
  return Math.min(leaves, expiresAt, checkAt)
}

interface Housekeeping<W extends Idler> {
  /** Milliseconds. `Infinity`: never. */
  readonly idleTimeToLive: number
  /** Workers that may go. */
  readonly spare: () => number
  /** Whether there are resources, idle or in use. */
  readonly owning: () => boolean
  /** Idle workers, the one that is idle longest first. */
  readonly idle: ReadonlyArray<W>
  /** Takes a worker out of `idle` and does what is due. */
  readonly act: (worker: W, what: Due) => void
  readonly jumped: (millis: number) => void
}

export interface Upkeep {
  /** There is a new resource. */
  readonly watch: (resource: Owned) => void
  /** Somebody wants a resource. */
  readonly look: (now: number) => void
  /** A worker has nothing to do from now on. */
  readonly rests: (worker: Idler) => void
  /** A worker has gone: where no other may and nothing is owned, no timer is left. */
  readonly left: () => void
  readonly close: () => void
}

// How often the clocks are compared while resources are wanted.
const lookMillis = 100
// How far the two clocks may go apart between two looks. Wall clocks are corrected by some milliseconds all the time.
const jumpMillis = 15_000
const unset = -1

export const make = <W extends Idler>(timers: Timers, house: Housekeeping<W>): Upkeep => {
  let slot = unset
  let wakesAt = Infinity
  let apart: number | undefined
  let lookedAt = -Infinity

  const arm = (at: number) => {
    if (at >= wakesAt) return
    if (slot !== unset) timers.beside.cancel(slot)
    wakesAt = at
    slot = timers.beside.schedule(at, keep)
  }

  const compare = (now: number) => {
    lookedAt = now
    const before = apart
    apart = timers.wallClock() - now
    if (before !== undefined && Math.abs(apart - before) > jumpMillis && house.owning())
      house.jumped(apart - before)
  }

  const keep = () => {
    slot = unset
    wakesAt = Infinity
    const now = timers.now()
    compare(now)
    let next = Infinity
    let spare = house.spare()
    for (const worker of house.idle.slice()) {
      const what = due(worker, now, spare > 0 ? worker.idleSince + house.idleTimeToLive : Infinity)
      if (typeof what === "number") next = Math.min(next, what)
      else {
        if (what === "idle") spare--
        house.act(worker, what)
      }
    }
    arm(next)
  }

  const close = () => {
    if (slot !== unset) timers.beside.cancel(slot)
    slot = unset
    wakesAt = Infinity
  }

  return {
    watch: ({ checkAt, expiresAt }) => {
      apart ??= timers.wallClock() - timers.now()
      arm(Math.min(checkAt, expiresAt))
    },
    look: (now) => {
      if (apart !== undefined && now - lookedAt >= lookMillis) compare(now)
    },
    rests: ({ idleSince, resource }) => {
      // It may have been in use when it was due.
      if (resource !== undefined) arm(Math.max(idleSince, Math.min(resource.checkAt, resource.expiresAt)))
      // The first one may have had to stay until there was another.
      const leaves = (house.idle[0]?.idleSince ?? idleSince) + house.idleTimeToLive
      if (leaves < wakesAt && house.spare() > 0) arm(leaves)
    },
    left: () => {
      if (!house.owning() && house.spare() === 0) close()
    },
    close
  }
}
