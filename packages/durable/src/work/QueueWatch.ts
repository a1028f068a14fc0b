/**
 * What a process looks for in a store again and again, once for all its queues: jobs whose time has come or whose notice was
 * lost, leases that have lapsed, and jobs that were kept long enough. A thousand queues cost no more than one.
 */
import { Clock, Effect, Exit, Scope } from "effect"
import * as Time from "lemmings/internal/Time"
import * as Housekeeping from "../port/Housekeeping.ts"
import type { JobStoreError } from "../port/JobError.ts"
import type { Store, Swept } from "../port/JobStore.ts"
import { Signal } from "../port/Signal.ts"

/** A queue that is worked off here. */
export interface WatchedQueue {
  readonly queue: string
  /** Longest time between two looks for jobs. */
  readonly pollMillis: number
  /** There are jobs to be claimed. */
  readonly wake: () => void
  /** A lapsed lease was the job's last. */
  readonly died: (dead: Swept["dead"][number]) => void
  /** There are jobs that are set apart. */
  readonly apart: () => void
}

/** Looks that are due within this many milliseconds are one look. */
const together = 20

class Watch {
  readonly #store: Store
  readonly #clock: Clock.Clock
  readonly #queues = new Map<WatchedQueue, { lookAt: number }>()
  readonly #changed = new Signal()

  constructor(store: Store, clock: Clock.Clock) {
    this.#store = store
    this.#clock = clock
  }

  get #names(): ReadonlyArray<string> {
    return [...new Set(Array.from(this.#queues.keys(), ({ queue }) => queue))]
  }

  #now() {
    return Time.monotonic(this.#clock)
  }

  add(queue: WatchedQueue) {
    this.#queues.set(queue, { lookAt: this.#now() + queue.pollMillis })
    this.#changed.notify()
  }

  /** Says whether none is left. */
  remove(queue: WatchedQueue): boolean {
    this.#queues.delete(queue)
    return this.#queues.size === 0
  }

  /** Takes the queues that are due, and says when the next ones are. */
  #due() {
    const now = this.#now()
    const due: Array<WatchedQueue> = []
    let next = Infinity
    for (const [queue, place] of this.#queues) {
      if (place.lookAt <= now + together) {
        due.push(queue)
        place.lookAt = now + queue.pollMillis
      }
      next = Math.min(next, place.lookAt)
    }
    return { due, next: next - now }
  }

  /** Looks for jobs that nobody told about. */
  readonly looking = Effect.suspend(() => {
    if (this.#store.tellsAll) return Effect.never
    const { due, next } = this.#due()
    if (due.length === 0) return this.#changed.wait(next)
    return Effect.map(Effect.exit(this.#store.look(due.map(({ queue }) => queue))), (exit) => {
      // One that cannot be asked is asked by whoever claims.
      const found = Exit.isSuccess(exit) ? new Set(exit.value) : undefined
      for (const queue of due) if (found === undefined || found.has(queue.queue)) queue.wake()
    })
  }).pipe(Effect.forever)

  /** Ends leases that have lapsed. Not while the store is away: nobody can renew meanwhile. */
  readonly sweep = Effect.suspend(() =>
    Effect.flatMap(this.#store.readiness, ({ ready }) =>
      ready && this.#queues.size > 0
        ? Effect.map(this.#store.sweep(this.#names), (swept) => this.#swept(swept))
        : Effect.void
    )
  )

  #swept({ apart, dead }: Swept) {
    const queues = [...this.#queues.keys()]
    for (const queue of queues) if (apart.includes(queue.queue)) queue.apart()
    // Of two that work off one queue here, one tells.
    for (const one of dead) queues.find(({ queue }) => queue === one.queue)?.died(one)
  }

  readonly prune = Effect.suspend(() =>
    this.#queues.size === 0 ? Effect.succeed(0) : this.#store.prune(this.#names)
  )
}

/** The watches of stores, each until the last of its queues has left. */
const watches = new WeakMap<Store, { readonly watch: Watch; readonly scope: Scope.Closeable }>()

const begin = Effect.fnUntraced(function* (store: Store) {
  const scope = Scope.makeUnsafe()
  const watch = new Watch(store, yield* Clock.Clock)
  const third = store.leaseMillis / 3
  const keep = (what: string, work: Effect.Effect<never>) =>
    Effect.forkIn(Housekeeping.watched(`The ${what} of jobs`, work), scope)
  yield* keep("look for jobs", watch.looking)
  // A store that tells all says when. Any other is asked three times in a lease.
  const overdue = [new Signal(), new Signal()] as const
  yield* Scope.provide(
    store.listen(({ _tag }) => {
      if (_tag === "Overdue") for (const signal of overdue) signal.notify()
    }),
    scope
  )
  // What was refused is tried again in any case: what is due has been told already.
  const goesOn = (work: Effect.Effect<unknown, JobStoreError>, signal: Signal, what: string) => {
    let refused = false
    const noted = Effect.onExit(work, (exit) => Effect.sync(() => void (refused = Exit.isFailure(exit))))
    const pause = Effect.suspend(() =>
      Effect.asVoid(signal.wait(store.tellsAll && !refused ? Infinity : third))
    )
    return Housekeeping.repeat(noted, pause, what)
  }
  yield* keep("sweep", goesOn(watch.sweep, overdue[0], "The sweep of lapsed leases"))
  // Not with the leases: where there is much to remove they would lapse meanwhile.
  yield* keep("pruning", goesOn(watch.prune, overdue[1], "The pruning of jobs"))
  const begun = { watch, scope }
  watches.set(store, begun)
  return begun
})

/** Watches a queue until the scope closes. */
export const watch = (store: Store, queue: WatchedQueue): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.suspend(() => {
        const there = watches.get(store)
        return Effect.tap(there === undefined ? begin(store) : Effect.succeed(there), ({ watch }) =>
          Effect.sync(() => watch.add(queue))
        )
      }),
      ({ scope, watch }) =>
        Effect.suspend(() => {
          if (!watch.remove(queue)) return Effect.void
          watches.delete(store)
          return Scope.close(scope, Exit.void)
        })
    )
  )
