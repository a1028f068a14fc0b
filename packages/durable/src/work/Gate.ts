/** Whether a limit keeps a puller from asking for jobs. */
import * as Limits from "../port/Limits.ts"

/** Closed by what the store said to a claim, until the limit opens. Times are epoch milliseconds. */
export class Gate {
  readonly #limits: Limits.Limits
  readonly #pollMillis: number
  #closedUntil = 0
  /** Whether the end of a running job opens it before. */
  #full = false
  /** Batches of settlements that were written. */
  #batches = 0

  constructor(limits: Limits.Limits | undefined, pollMillis: number) {
    this.#limits = limits ?? {}
    this.#pollMillis = pollMillis
  }

  get closedUntil(): number {
    return this.#closedUntil
  }

  /** To be taken before a claim. */
  get batches(): number {
    return this.#batches
  }

  /** After a claim of which jobs were kept back, and which began after `batches`. */
  close(opensInMillis: number, now: number, batches: number) {
    this.#full = opensInMillis === Infinity
    // What was written during the claim may have made room that it did not see.
    if (this.#full && batches !== this.#batches) return
    this.#closedUntil = now + Limits.rest(this.#limits, opensInMillis, this.#pollMillis)
  }

  /** Ends of jobs were written. Says whether that has opened it. */
  written(): boolean {
    this.#batches++
    if (!this.#full) return false
    this.#full = false
    this.#closedUntil = 0
    return true
  }
}
