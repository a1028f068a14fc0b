/**
 * Pulls the jobs of one queue into a herd, and says what became of them.
 *
 * **Details**
 *
 * Three fibers: one claims, one settles (`Settler`), one keeps the leases. What they share is plain data that is changed in
 * single steps. A claim cannot be interrupted, and every claimed job ends in exactly one settlement, whatever its task does,
 * throws or returns.
 */
import { Cause, type Clock, type Context, Effect, Exit, type Fiber } from "effect"
import * as Time from "lemmings/internal/Time"
import * as Fibers from "lemmings/internal/Fibers"
import * as Waits from "lemmings/internal/Waits"
import type { HerdStats } from "lemmings"
import type { TaskOptions } from "lemmings/Task"
import { Gate } from "./Gate.ts"
import { afterFailure, type AnyJob } from "../job/JobDefinition.ts"
import type { FailureReason, JobStoreError } from "../port/JobError.ts"
import type { Claim, Swept, ClaimedJob, Settlement, Store, Within } from "../port/JobStore.ts"
import { traceFrom } from "../job/JobTrace.ts"
import * as Housekeeping from "../port/Housekeeping.ts"
import { describe, messageOf } from "../port/Json.ts"
import { Apart } from "./Apart.ts"
import { Deaths } from "./Deaths.ts"
import * as Handling from "./Handling.ts"
import { Leases } from "./Leases.ts"
import * as Pull from "./Pull.ts"
import {
  dueOf,
  endedBy,
  gaveUp,
  type JobContext,
  type Outcome,
  type PulledHerd,
  type Settings,
  type Tally
} from "./PullerModel.ts"
import { Settler } from "./Settler.ts"
import { Signal } from "../port/Signal.ts"

/** A job that this process holds. */
interface Held {
  readonly job: ClaimedJob
  readonly claimedAt: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  begunAt: number | undefined
  /** Nobody waits for the outcome: the claim was lost, or was given back. */
  dropped: boolean
  /** Interrupted by us to be given back. */
  returning: boolean
}

/** How long a claimed job may wait for a worker before it is given back to others. */
const patienceMillis = 1_000

/** How long the herd is not asked to grow after jobs were given back because it had not. */
const sulkMillis = 5_000

/** How long none is claimed to wait in the herd's line after one was given back. */
const courtesyMillis = 100

/** How long to wait, while work is known to be there, for workers that others keep busy. */
const recheckMillis = 50

/** Claims under way for a herd, by whichever puller. */
const claimingOf = new WeakMap<object, { count: number }>()

const unreachable = Time.backoff(100, 2_000)

/** One queue's way into a herd. */
export class Puller {
  readonly tally: Tally = {
    claimed: 0,
    completed: 0,
    retried: 0,
    discarded: 0,
    released: 0,
    lost: 0
  }
  readonly #held = new Map<string, Held>()
  readonly #pull = new Signal()
  readonly #quiet = Waits.make()
  readonly #leases: Leases
  readonly #apart: Apart
  readonly #claiming: { count: number }
  readonly #settler: Settler
  readonly #claims: ReturnType<typeof Housekeeping.teller>
  readonly #deaths: Deaths
  #stopping = false
  /** Whether there may be jobs: after news, after a claim that was full, when it is time to look. */
  #available = true
  #claimMillis = 0
  #runMillis = 0
  #mayGrowAt = 0
  #mayWaitAt = 0
  readonly #gate: Gate
  /** Held jobs, or fewer, at which it is worth to look for more. */
  #lookAt = 0
  #ahead = 0
  #inClaim = false
  /** Whether jobs were claimed last to wait among the herd's own tasks. */
  #stoodInLine = false
  /** When retries of our own come due, the earliest. */
  #dueAt = Infinity

  readonly #store: Store
  readonly #job: AnyJob
  readonly #herd: PulledHerd
  readonly #handler: (payload: unknown, context: JobContext) => Effect.Effect<unknown, unknown>
  readonly #settings: Settings
  readonly #clock: Clock.Clock
  readonly #context: Context.Context<never>
  readonly #handling: Context.Context<never>
  readonly #queue: string
  readonly #options: TaskOptions<unknown>

  constructor(
    store: Store,
    job: AnyJob,
    herd: PulledHerd,
    handler: (payload: unknown, context: JobContext) => Effect.Effect<unknown, unknown>,
    settings: Settings,
    clock: Clock.Clock,
    context: Context.Context<never>
  ) {
    this.#store = store
    this.#job = job
    this.#herd = herd
    this.#handler = handler
    this.#settings = settings
    this.#clock = clock
    this.#context = context
    this.#handling = Handling.within(context, job.name, herd)
    this.#queue = job.name
    // Attempts are the store's: the herd runs each once.
    this.#options = { once: true, label: job.name, timeout: job.settings.timeout }
    this.#gate = new Gate(settings.limits, settings.pollMillis)
    const claiming = claimingOf.get(herd) ?? { count: 0 }
    claimingOf.set(herd, claiming)
    this.#claiming = claiming
    this.#deaths = new Deaths(store, job, context, settings.onDead)
    this.#claims = Housekeeping.teller(`The claim of jobs of "${job.name}"`)
    this.#settler = new Settler(
      store,
      job.name,
      (batch, lost) => this.#written(batch, lost),
      () => this.#quiet.check()
    )
    this.#leases = new Leases(
      store,
      job.name,
      () => Array.from(this.#held.values(), ({ job: { claim, id } }) => ({ id, claim })),
      () => this.#settler.unwritten,
      (claim) => this.#lost(claim)
    )
    this.#apart = new Apart(store, () => this.#pull.notify())
  }

  #now() {
    // Not that of the wall, which may be set back.
    return Time.monotonic(this.#clock)
  }

  /** Jobs that failed for good, by the last failure. */
  get died(): { readonly [reason in FailureReason]: number } {
    return this.#deaths.tally
  }

  /** Jobs that this process holds. */
  get held(): number {
    return this.#held.size
  }

  /** Looks for jobs now. */
  readonly wake = () => {
    this.#available = true
    this.#pull.notify()
  }

  /** Looks now whether the claims are still held. */
  readonly beat = () => this.#leases.beat()

  /** Looks for jobs that are set apart, now. */
  readonly apart = () => this.#apart.told()

  // ---- claiming ----

  /** Claims as long as there are jobs and workers for them. Ends by interruption alone. */
  readonly pulling: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() => Effect.flatMap(this.#herd.stats, (stats) => this.#step(stats)))
  )

  #step(stats: HerdStats): Effect.Effect<void> {
    const now = this.#now()
    this.#giveBackUnbegun(now)
    if (this.#stopping || stats.state !== "running")
      return Effect.asVoid(this.#pull.wait(this.#settings.pollMillis))
    if (now >= this.#dueAt) {
      this.#dueAt = Infinity
      this.#available = true
    }
    const { alone, asks } = this.#apart
    const open = (this.#available || asks) && !alone && now >= this.#gate.closedUntil
    const max = open ? this.#wanted(stats, now) : 0
    if (max > 0) return asks ? this.#claim(1, true) : this.#claim(max, false)
    this.#lookAt = this.#available ? this.#held.size - Math.max(1, this.#ahead >>> 1) : -1
    return Effect.asVoid(this.#pull.wait(this.#pause(now)))
  }

  #wanted({ paused, queue, scaling, workers }: HerdStats, now: number): number {
    if (paused || scaling.paused) return 0
    const situation: Pull.Situation = {
      workers: { ...workers, max: Math.min(workers.max, scaling.pinned ? workers.target : workers.max) },
      queued: queue.depth,
      claiming: this.#claiming.count,
      held: this.#held.size,
      limit: this.#settings.limit,
      unbegun: this.#unbegunAt() === Infinity ? 0 : 1,
      claimMillis: this.#claimMillis,
      // Where few may run at a time none is held for later: another machine may have a worker free.
      runMillis: this.#settings.limits?.perQueue === undefined ? this.#runMillis : 0,
      mayGrow: now >= this.#mayGrowAt,
      mayWait: now >= this.#mayWaitAt
    }
    this.#ahead = Pull.ahead(situation)
    const wanted = Pull.wanted(situation)
    this.#stoodInLine = wanted === 0 ? this.#stoodInLine : workers.idle + workers.starting === 0
    return wanted
  }

  /** How long there is nothing to do unless somebody tells. */
  #pause(now: number): number {
    const closed = this.#gate.closedUntil - now
    const recheck = closed > 0 ? closed : recheckMillis
    // Otherwise somebody tells: the store, or who looks for all queues.
    const looks = (this.#available && !this.#apart.alone) || this.#apart.asks
    const poll = looks && !this.#stopping ? recheck : Infinity
    return Math.max(1, Math.min(poll, this.#dueAt - now, this.#unbegunAt() - now))
  }

  #claim(max: number, apart: boolean): Effect.Effect<void> {
    const started = this.#now()
    if (apart) this.#apart.begin()
    this.#claiming.count += max
    this.#inClaim = true
    const { limits } = this.#settings
    const { batches } = this.#gate
    const claim: Effect.Effect<Within, JobStoreError> =
      limits === undefined
        ? Effect.map(this.#store.claim(this.#queue, max, apart), (jobs) => ({
            jobs,
            opensInMillis: undefined
          }))
        : this.#store.claimWithin(this.#queue, max, limits, apart)
    return Effect.uninterruptible(
      Effect.exit(claim).pipe(
        Effect.flatMap((exit) => {
          this.#claiming.count -= max
          this.#inClaim = false
          if (Exit.isFailure(exit)) {
            if (apart) this.#apart.given(undefined, true)
            if (this.#stopping) this.#quiet.check()
            return Effect.as(this.#claims.failed(exit.cause, "does not succeed"), false)
          }
          this.#claims.well()
          const { jobs, opensInMillis } = exit.value
          const now = this.#now()
          this.#claimMillis = Pull.average(this.#claimMillis, now - started)
          // A claim that is not full says that there is nothing left, or that others were faster.
          if (apart) this.#apart.given(jobs[0], opensInMillis !== undefined)
          else this.#available = jobs.length >= max
          this.tally.claimed += jobs.length
          if (opensInMillis !== undefined) {
            this.#available = true
            this.#gate.close(opensInMillis, now, batches)
          }
          for (const job of jobs) this.#take(job, now)
          if (this.#stopping) this.#quiet.check()
          return Effect.succeed(true)
        })
      )
    ).pipe(Effect.flatMap((reached) => (reached ? Effect.void : this.#unreachable)))
  }

  #failures = 0
  /** Waits for longer and longer while the store does not answer. */
  readonly #unreachable: Effect.Effect<void> = Effect.suspend(() => {
    return Effect.sleep(unreachable.after(++this.#failures))
  })

  // ---- running ----

  #take(job: ClaimedJob, now: number) {
    this.#failures = 0
    const held: Held = {
      job,
      claimedAt: now,
      fiber: undefined,
      begunAt: undefined,
      dropped: false,
      returning: this.#stopping
    }
    this.#held.set(job.id, held)
    if (this.#held.size === 1) this.#leases.begin()
    if (this.#stopping) return this.#end(held, { _tag: "Release" })
    // A row is what anybody wrote into it, and the schema is the user's.
    try {
      this.#begin(held, this.#job.codecs.payload.decode(job.payload))
    } catch (error) {
      this.#end(held, { _tag: "Discard", failure: { reason: "undecodable", message: messageOf(error) } })
    }
  }

  #begin(held: Held, payload: unknown) {
    const { job } = held
    const context: JobContext = {
      id: job.id,
      queue: this.#queue,
      attempt: job.attempt,
      attempts: job.attempts,
      losses: job.losses,
      priority: job.priority,
      heartbeat: Effect.suspend(() => Effect.ignore(this.#leases.renew([job])))
    }
    const task = Effect.suspend(() => {
      held.begunAt = this.#now()
      // Another one may stand in the herd's line now.
      if (this.#stoodInLine) this.#pull.notify()
      return this.#handler(payload, context)
    })
    const traced = job.trace === undefined ? task : traceFrom(job.trace, this.#queue, task)
    const running = this.#herd.run(traced, { ...this.#options, id: job.id, priority: job.priority })
    held.fiber = Fibers.start(this.#handling, running)
    Fibers.onEnd(held.fiber, (exit) => this.#ended(held, exit))
  }

  #ended(held: Held, exit: Exit.Exit<unknown, unknown>) {
    if (held.begunAt !== undefined)
      this.#runMillis = Pull.average(this.#runMillis, Math.max(0.02, this.#now() - held.begunAt))
    if (held.dropped) return this.#forget(held, true)
    if (Exit.isSuccess(exit)) return this.#succeeded(held, exit.value)
    const { cause } = exit
    if (Cause.hasInterruptsOnly(cause) && held.returning) return this.#end(held, this.#givenBack(held))
    const failed = cause.reasons.find(Cause.isFailReason)
    if (held.begunAt === undefined && failed !== undefined && gaveUp(failed.error)) {
      this.#mayGrowAt = this.#mayWaitAt = this.#now() + sulkMillis
      return this.#end(held, { _tag: "Release" })
    }
    this.#failed(held, cause)
  }

  #succeeded(held: Held, value: unknown) {
    let result: unknown
    try {
      result = this.#job.codecs.success.encode(value)
    } catch (error) {
      // A result that is not in the schema is the handler's mistake.
      return this.#failed(held, Cause.die(error))
    }
    this.#end(held, result === null ? { _tag: "Complete" } : { _tag: "Complete", result })
  }

  /** What has begun for the last time never begins again. */
  #givenBack({ begunAt, job: { attempt, attempts } }: Held): Outcome {
    if (begunAt === undefined || attempt < attempts) return { _tag: "Release" }
    const failure = { reason: "interrupted" as const, message: "a shutdown interrupted its last attempt" }
    return { _tag: "Discard", failure }
  }

  /** Interrupted by a herd that closes: given back like an interruption of ours. */
  #failed(held: Held, cause: Cause.Cause<unknown>) {
    const { attempt, attempts, id } = held.job
    const judged = Effect.flatMap(this.#herd.stats, ({ state }): Effect.Effect<Outcome> => {
      if (state !== "running" && endedBy(cause)) return Effect.succeed(this.#givenBack(held))
      return afterFailure(this.#job, attempt, cause, id, attempts)
    })
    const settled = Effect.matchCause(judged, {
      onSuccess: (next) => this.#end(held, next),
      onFailure: (why) => {
        const message = `its end could not be judged: ${describe(Cause.squash(why))}`
        this.#end(held, { _tag: "Discard", failure: { reason: "defect", message } })
      }
    })
    Fibers.start(this.#context, settled)
  }

  #forget(held: Held, lost = false) {
    this.#held.delete(held.job.id)
    if (lost) this.#apart.over(held.job.id)
    // Looking costs more than a short job: only when there is something to decide.
    if (this.#held.size <= this.#lookAt) this.#pull.notify()
    if (this.#held.size === 0) this.#quiet.check()
  }

  #end(held: Held, what: Outcome) {
    const { attempt, claim, id } = held.job
    if (what._tag === "Complete") this.tally.completed++
    else if (what._tag === "Discard") {
      this.tally.discarded++
      this.#deaths.coming(id, attempt)
    } else if (what._tag === "Release") this.tally.released++
    else this.tally.retried++
    this.#settler.push({ id, claim, ...what })
    this.#forget(held)
  }

  // ---- giving back ----

  /** When the first job that waits for a worker has waited too long. */
  #unbegunAt(): number {
    let at = Infinity
    for (const held of this.#held.values()) {
      if (held.begunAt === undefined) at = Math.min(at, held.claimedAt + patienceMillis)
      // In the order of claims: later ones were claimed later.
      if (at !== Infinity) break
    }
    return at
  }

  #giveBackUnbegun(now: number) {
    if (this.#unbegunAt() > now) return
    for (const held of this.#held.values()) {
      if (held.begunAt !== undefined || held.claimedAt + patienceMillis > now) continue
      this.#mayGrowAt = now + sulkMillis
      // Others come first, who may have a worker free.
      this.#mayWaitAt = now + courtesyMillis
      this.#giveBack(held)
    }
  }

  /** Interrupts its task. It is released when its finalizers have ended. */
  #giveBack(held: Held) {
    held.returning = true
    Fibers.interrupt(held.fiber)
  }

  // ---- settling ----

  /** Writes what has ended, batch after batch. Ends by interruption alone. */
  get settling(): Effect.Effect<never> {
    return this.#settler.settling
  }

  #written(batch: ReadonlyArray<Settlement>, lost: ReadonlyArray<string>) {
    this.tally.lost += lost.length
    this.#deaths.written(batch, lost)
    for (const { id } of batch) this.#apart.over(id)
    if (this.#gate.written()) this.#pull.notify()
    // A claim may have left jobs behind whose group was full.
    if (this.#settings.limits?.perGroup !== undefined) this.wake()
    const dueAt = dueOf(batch, this.#now())
    if (dueAt >= this.#dueAt) return
    this.#dueAt = dueAt
    this.#pull.notify()
  }

  // ---- leases ----

  #lost({ claim, id }: Claim) {
    const held = this.#held.get(id)
    // Not one that was settled meanwhile.
    if (held === undefined || held.job.claim !== claim || held.dropped) return
    held.dropped = true
    this.tally.lost++
    Fibers.interrupt(held.fiber)
  }

  /** Keeps the leases. Ends by interruption alone. */
  get keeping(): Effect.Effect<never> {
    return this.#leases.keeping
  }

  /** What a sweep has ended for good. */
  readonly swept = ({ attempts, failure, id }: Swept["dead"][number]) =>
    this.#deaths.died(id, attempts, failure)

  // ---- the end ----

  /**
   * Stops claiming and gives back what has not begun; waits for what runs, then interrupts and gives that back too; and
   * waits until all of it is written. Nothing of it waits for ever.
   */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.#stopping = true
    for (const held of this.#held.values()) if (held.begunAt === undefined) this.#giveBack(held)
    const idle = () => this.#held.size === 0 && !this.#inClaim
    const written = () => idle() && this.#settler.idle
    return this.#until(idle, this.#settings.drainMillis).pipe(
      Effect.andThen(
        Effect.sync(() => {
          for (const held of this.#held.values()) this.#giveBack(held)
        })
      ),
      Effect.andThen(this.#until(idle, 5_000)),
      Effect.andThen(this.#until(written, 5_000)),
      Effect.andThen(Effect.sync(() => this.#apart.close()))
    )
  })

  #until(done: () => boolean, millis: number): Effect.Effect<void> {
    return Effect.asVoid(Effect.timeoutOption(this.#quiet.until(done), millis))
  }
}
