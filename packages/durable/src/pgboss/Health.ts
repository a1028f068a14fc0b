/**
 * Whether a store does what it is asked: decided by what is written, since a database that is full, read-only or a replica goes
 * on answering questions. Pure state; times are milliseconds of one clock.
 */

/** How long what is written must have gone well before the store is ready again, in milliseconds. */
const steadyMillis = 3_000

/** How long it counts that one kind of operation found no room, while others go well, in milliseconds. */
const fullMillis = 30_000

interface Trouble {
  readonly at: number
  /** What it says of others: an operation that found no room may fail while others go on. */
  readonly alone: boolean
}

/**
 * Begins not ready, and is ready with the first success. Then one failure ends it, and only some seconds without one bring it
 * back.
 */
export class Health {
  #ready = false
  #began = false
  #wellSince: number | undefined
  readonly #troubles = new Map<string, Trouble>()

  get ready(): boolean {
    return this.#ready
  }

  /** An operation has written. Says whether that changes anything. */
  wrote(operation: string, now: number): boolean {
    for (const [name, { alone, at }] of this.#troubles)
      if (name === operation || !alone || now - at >= fullMillis) this.#troubles.delete(name)
    if (this.#troubles.size > 0) {
      this.#wellSince = undefined
      return false
    }
    this.#wellSince ??= now
    if (this.#ready || (this.#began && now - this.#wellSince < steadyMillis)) return false
    this.#began = true
    this.#ready = true
    return true
  }

  /** An operation could not. `alone`: it says nothing of others. Says whether that changes anything. */
  failed(operation: string, alone: boolean, now: number): boolean {
    this.#troubles.set(operation, { at: now, alone })
    this.#wellSince = undefined
    if (!this.#ready) return false
    this.#ready = false
    return true
  }
}
