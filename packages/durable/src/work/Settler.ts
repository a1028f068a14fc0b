/**
 * Writes what became of jobs, batch after batch, until the store has all of it.
 *
 * **Details**
 *
 * Settlements are collected while the batch before is on its way, so that batches grow with the load by themselves. Every
 * settlement names its claim, so that writing one again does nothing. What the store does not take is narrowed down to single
 * settlements, so that no job waits for another one's, and each keeps its meaning: a retry stays a retry.
 */
import { Clock, Effect } from "effect"
import * as Time from "lemmings/internal/Time"
import { JobStoreError } from "../port/JobError.ts"
import type { Claim, Failure, Settlement, Store } from "../port/JobStore.ts"
import { Signal } from "../port/Signal.ts"

/** Settlements in one statement, at most. */
const batchMax = 2_000

const backoff = Time.backoff(50, 2_000).schedule

/** Tries of a batch that fails while other statements get through, before it is written in parts. */
const tries = 3

/** Between two tries of a settlement that the store does not take, in milliseconds: doubled each time, at most the second. */
const aside = Time.backoff(1_000, 30_000)

/** One that was set aside. */
interface Aside {
  readonly settlement: Settlement
  readonly tried: number
  readonly at: number
}

const refusal = "what there was to say of it was refused by the store"

/** The same settlement without what a job has put into it. `undefined`: there is nothing of a job in it. */
export const bare = (settlement: Settlement): Settlement | undefined => {
  if (settlement._tag === "Release") return undefined
  if (settlement._tag === "Complete") {
    const { result, ...rest } = settlement
    return result === undefined ? undefined : rest
  }
  const { error, message, reason } = settlement.failure
  if (error === undefined && message === refusal) return undefined
  const failure: Failure = { reason, message: refusal }
  return { ...settlement, failure }
}

/** The settlements of one queue in this process. */
export class Settler {
  #waiting: Array<Settlement> = []
  #writing: ReadonlyArray<Settlement> = []
  #aside: Array<Aside> = []
  readonly #signal = new Signal()
  readonly #store: Store
  readonly #queue: string
  readonly #written: (batch: ReadonlyArray<Settlement>, lost: ReadonlyArray<string>) => void
  readonly #quiet: () => void

  constructor(
    store: Store,
    queue: string,
    /** A batch is in the store; the ids are of claims that were not held any more. */
    written: (batch: ReadonlyArray<Settlement>, lost: ReadonlyArray<string>) => void,
    /** Nothing is left to write. */
    quiet: () => void
  ) {
    this.#store = store
    this.#queue = queue
    this.#written = written
    this.#quiet = quiet
  }

  readonly push = (settlement: Settlement) => {
    this.#waiting.push(settlement)
    this.#signal.notify()
  }

  /** Claims whose end the store does not have yet, as far as is known. */
  get unwritten(): ReadonlyArray<Claim> {
    const aside = this.#aside.map(({ settlement }) => settlement)
    return [...this.#writing, ...this.#waiting, ...aside].map(({ claim, id }) => ({ id, claim }))
  }

  /** Nothing is to be written, but for what the store does not take. */
  get idle(): boolean {
    return this.#waiting.length === 0 && this.#writing.length === 0
  }

  /** Writes what has ended, batch after batch. */
  readonly settling: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() => {
      // One turn later, so that jobs that end together are written together.
      if (this.#waiting.length === 0) return Effect.andThen(this.#wait, Effect.yieldNow)
      const batch = this.#waiting.splice(0, batchMax)
      this.#writing = batch
      return Effect.ensuring(
        this.#write(batch, 0),
        Effect.sync(() => {
          this.#writing = []
          if (this.#waiting.length === 0) this.#quiet()
        })
      )
    })
  )

  /** For news, or until it is time to try again what was set aside. */
  readonly #wait: Effect.Effect<void> = Effect.clockWith((clock) => {
    if (this.#aside.length === 0) return Effect.asVoid(this.#signal.wait(Infinity))
    const due = Math.min(...this.#aside.map(({ at }) => at)) - clock.currentTimeMillisUnsafe()
    return due > 0 ? Effect.asVoid(this.#signal.wait(due)) : this.#again(clock)
  })

  #again(clock: Clock.Clock): Effect.Effect<void> {
    const now = clock.currentTimeMillisUnsafe()
    const due = this.#aside.filter(({ at }) => at <= now)
    this.#aside = this.#aside.filter(({ at }) => at > now)
    return Effect.forEach(due, ({ settlement, tried }) => this.#write([settlement], tried), { discard: true })
  }

  #write(batch: ReadonlyArray<Settlement>, tried: number): Effect.Effect<void> {
    let failed = 0
    const settle = Effect.catchDefect(this.#store.settle(this.#queue, batch), (cause) =>
      Effect.fail(new JobStoreError({ operation: "settle", reason: "unavailable", cause }))
    )
    const attempt = Effect.retry(settle, {
      schedule: backoff,
      // A store that is away is waited for, with the whole batch. Where others get through, it is this batch.
      while: ({ reason }) =>
        reason === "unavailable" &&
        Effect.map(this.#store.readiness, ({ ready }) => !ready || ++failed < tries)
    })
    return Effect.matchEffect(attempt, {
      onSuccess: (lost) => Effect.sync(() => this.#written(batch, lost)),
      onFailure: (error) => this.#narrow(batch, tried, error)
    })
  }

  #narrow(batch: ReadonlyArray<Settlement>, tried: number, error: JobStoreError): Effect.Effect<void> {
    if (batch.length > 1) {
      const half = batch.length >>> 1
      return Effect.andThen(this.#write(batch.slice(0, half), 0), this.#write(batch.slice(half), 0))
    }
    const settlement = batch[0]!
    const { _tag, id } = settlement
    const less = error.reason === "refused" ? bare(settlement) : undefined
    if (less === undefined) return this.#setAside(settlement, tried + 1, error)
    const said = `The store refused the outcome (${_tag}) of job ${id}, which is written without what the job said`
    return Effect.andThen(Effect.logError(said, error), this.#write([less], tried))
  }

  #setAside(settlement: Settlement, tried: number, error: JobStoreError): Effect.Effect<void> {
    const { _tag, id } = settlement
    const pause = aside.after(tried)
    const put = Effect.map(Clock.currentTimeMillis, (now) => {
      this.#aside.push({ settlement, tried, at: now + pause })
    })
    return tried > 1
      ? put
      : Effect.andThen(
          Effect.logError(
            `The store does not take the outcome (${_tag}) of job ${id}, and is asked again`,
            error
          ),
          put
        )
  }
}
