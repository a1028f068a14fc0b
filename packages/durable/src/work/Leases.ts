/** Keeps the leases of what a puller holds, and of what has ended and is not written yet. */
import { Effect } from "effect"
import * as Housekeeping from "../port/Housekeeping.ts"
import type { JobStoreError } from "../port/JobError.ts"
import type { Claim, Store } from "../port/JobStore.ts"
import { Signal } from "../port/Signal.ts"

/** The leases of one queue in this process. */
export class Leases {
  readonly #beat = new Signal()
  /** There is something to be renewed. */
  readonly #busy = new Signal()
  readonly #store: Store
  readonly #queue: string
  readonly #held: () => ReadonlyArray<Claim>
  readonly #unwritten: () => ReadonlyArray<Claim>
  readonly #lost: (claim: Claim) => void

  constructor(
    store: Store,
    queue: string,
    /** What runs, or is about to. */
    held: () => ReadonlyArray<Claim>,
    /** What has ended and is not in the store. */
    unwritten: () => ReadonlyArray<Claim>,
    /** A claim that is not held any more. */
    lost: (claim: Claim) => void
  ) {
    this.#store = store
    this.#queue = queue
    this.#held = held
    this.#unwritten = unwritten
    this.#lost = lost
  }

  /** Something is held. */
  readonly begin = () => this.#busy.notify()

  /** Looks now whether the claims are still held. */
  readonly beat = () => this.#beat.notify()

  renew(claims: ReadonlyArray<Claim>): Effect.Effect<void, JobStoreError> {
    return Effect.map(this.#store.heartbeat(this.#queue, claims), (lost) => {
      const gone = new Set(lost)
      for (const claim of claims) if (gone.has(claim.id)) this.#lost(claim)
    })
  }

  /** Claims that had ended, and were not written, when leases were renewed before. */
  #before = new Set<string>()

  /**
   * A job that has ended is held until that is written, or another one would run it again. Not what has just ended: it is being
   * written, and there the two would meet.
   */
  readonly #renewUnwritten: Effect.Effect<unknown, JobStoreError> = Effect.suspend(() => {
    const unwritten = this.#unwritten()
    const late = unwritten.filter(({ claim, id }) => this.#before.has(`${id}:${claim}`))
    this.#before = new Set(unwritten.map(({ claim, id }) => `${id}:${claim}`))
    return late.length === 0 ? Effect.void : this.#store.heartbeat(this.#queue, late)
  })

  /** Three times in a lease: renews ours. When the store is back after it was away, within a sixth of a lease. */
  readonly keeping: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() => {
      if (this.#held().length === 0 && this.#unwritten().length === 0)
        return Effect.asVoid(this.#busy.wait(Infinity))
      const { leaseMillis } = this.#store
      // What is held when the time has come, and again with every try.
      const keep = Effect.suspend(() => Effect.andThen(this.renew(this.#held()), this.#renewUnwritten))
      return Effect.andThen(
        this.#beat.wait(leaseMillis / 3),
        Housekeeping.insist(`The renewal of leases of "${this.#queue}"`, keep, leaseMillis / 6)
      )
    })
  )
}
