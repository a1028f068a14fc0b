/** The schedules of the store in memory. */
import { Effect } from "effect"
import type { Recurrence } from "../port/JobStore.ts"
import * as Recurring from "../port/Recurring.ts"
import { Signal } from "../port/Signal.ts"

interface Entry {
  readonly recurrence: Recurrence
  /** Epoch milliseconds. */
  due: number
}

/** Schedules of all queues, and what enqueues their jobs. */
export class MemorySchedules {
  readonly #queues = new Map<string, Map<string, Entry>>()
  readonly #changed = new Signal()
  readonly #now: () => number
  readonly #fire: (recurrence: Recurrence) => void

  constructor(now: () => number, fire: (recurrence: Recurrence) => void) {
    this.#now = now
    this.#fire = fire
  }

  put(recurrence: Recurrence) {
    const { cron, key, queue, zone } = recurrence
    const entries = this.#queues.get(queue) ?? new Map<string, Entry>()
    this.#queues.set(queue, entries)
    const before = entries.get(key)
    const same = before?.recurrence.cron === cron && before.recurrence.zone === zone
    entries.set(key, { recurrence, due: same ? before.due : Recurring.nextAfter(cron, zone, this.#now()) })
    this.#changed.notify()
  }

  remove(queue: string, key: string) {
    this.#queues.get(queue)?.delete(key)
  }

  list(queue: string, { after, limit }: { readonly limit: number; readonly after?: string | undefined }) {
    const keys = [...(this.#queues.get(queue)?.keys() ?? [])].toSorted()
    const from = after === undefined ? 0 : keys.findIndex((key) => key > after)
    if (from === -1) return []
    return keys.slice(from, from + limit).map((key) => this.#queues.get(queue)!.get(key)!.recurrence)
  }

  /** Enqueues what is due. Returns in how many milliseconds to look again. */
  #look(): number {
    const now = this.#now()
    let next = Infinity
    for (const entries of this.#queues.values()) {
      for (const entry of entries.values()) {
        if (entry.due <= now) {
          const decision = Recurring.decide(entry.recurrence, entry.due, now)
          entry.due = decision.next
          if (decision.fires !== undefined) this.#fire(entry.recurrence)
        }
        next = Math.min(next, entry.due)
      }
    }
    // A clock that is set forward is seen in time.
    return next === Infinity ? Infinity : Math.max(1, Math.min(Recurring.lookMillis, next - now))
  }

  /** Looks when something is due, until it is interrupted. */
  readonly keep: Effect.Effect<never> = Effect.forever(Effect.suspend(() => this.#changed.wait(this.#look())))
}
