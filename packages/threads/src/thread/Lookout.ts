/**
 * Whether a thread looks for its next message for a moment before it sleeps, and for how long.
 *
 * **Details**
 *
 * To be woken takes as long as a short task. A look is worth it where the last messages came soon after the thread had
 * gone to rest, and only then: a look in vain takes a processor from others. Imports nothing of Effect: threads load it.
 */
import { Shared } from "../wire/Wire.ts"

/** Milliseconds of a look, and looks between two readings of the clock. */
const lookMillis = 0.05
const looksPerTime = 8
/** Messages that must come soon, after a look in vain, before the next look. */
const messagesPerMiss = 16

// Lets the other half of the core go on. Node 24 has it.
const { pause = () => {} } = Atomics as { readonly pause?: () => void }

/** Looks at the shared numbers of a thread. Times are milliseconds. */
export class Lookout {
  readonly #states: Int32Array
  readonly #now: () => number
  #received = 0
  #restedAt = -Infinity
  /** Messages that must come soon before the next look. */
  #wanted = 1

  constructor(states: Int32Array, now: () => number) {
    this.#states = states
    this.#now = now
  }

  /** A message was taken, however it came. */
  took(): void {
    this.#received = (this.#received + 1) | 0
  }
  /** The thread sleeps until a message wakes it. */
  rests(): void {
    this.#restedAt = this.#now()
  }
  /** A message has woken it. */
  woken(): void {
    if (this.#wanted > 0 && this.#now() - this.#restedAt < 2 * lookMillis) this.#wanted--
  }

  /** Looks, if that is worth it, until a message is there: `true`, or for 50 microseconds. */
  look(): boolean {
    if (this.#wanted > 0) return false
    const from = this.#now()
    let now = from
    do {
      for (let i = 0; i < looksPerTime && !this.#hasCome; i++) pause()
      now = this.#now()
    } while (!this.#hasCome && now - from < lookMillis)
    Atomics.add(this.#states, Shared.looked, (now - from) * 1000)
    if (this.#hasCome) return true
    this.#wanted = messagesPerMiss
    return false
  }
  get #hasCome(): boolean {
    return ((Atomics.load(this.#states, Shared.posted) - this.#received) | 0) > 0
  }
}
