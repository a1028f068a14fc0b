/** Jobs that were lost again and again: one at a time in a process, of all its queues. See `Losses`. */
import type { ClaimedJob, Store } from "../port/JobStore.ts"

/** Whose turn it is in this process, by store. */
interface Turns {
  taken: Apart | undefined
  readonly all: Set<Apart>
}

const turnsOf = new WeakMap<Store, Turns>()

/** The turn of one queue. */
export class Apart {
  /** Whether there may be such jobs. */
  #waiting: boolean
  /** The job that has the turn, once it is known. */
  #id: string | undefined
  #last = false
  readonly #turns: Turns
  readonly #wake: () => void

  constructor(store: Store, wake: () => void) {
    const turns = turnsOf.get(store) ?? { taken: undefined, all: new Set() }
    turnsOf.set(store, turns)
    turns.all.add(this)
    this.#turns = turns
    this.#wake = wake
    // Any other store says so when it is swept.
    this.#waiting = store.tellsAll
  }

  /** There are such jobs. */
  readonly told = () => {
    this.#waiting = true
    this.#wake()
  }

  /** Whether to ask the store for one now. */
  get asks(): boolean {
    return this.#waiting && this.#turns.taken === undefined
  }

  /** Whether one runs here for the last time that it may be lost: nothing else of its queue begins beside it. */
  get alone(): boolean {
    return this.#last
  }

  /** It is asked for one. */
  begin() {
    this.#turns.taken = this
  }

  /** What the store has given. */
  given(job: ClaimedJob | undefined, more: boolean) {
    if (job === undefined) {
      this.#waiting = more
      return this.#end()
    }
    this.#id = job.id
    this.#last = job.losses + 1 >= job.attempts - job.losses
  }

  /** What became of the job is stored, or is nothing of ours any more. Only then has it not killed this process. */
  over(id: string) {
    if (id === this.#id) this.#end()
  }

  close() {
    this.#turns.all.delete(this)
    if (this.#turns.taken === this) this.#end()
  }

  #end() {
    this.#id = undefined
    this.#last = false
    this.#turns.taken = undefined
    for (const other of this.#turns.all) if (other.#waiting) other.#wake()
  }
}
