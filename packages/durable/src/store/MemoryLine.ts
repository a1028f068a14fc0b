/**
 * The waiting jobs of the store in memory.
 *
 * @since 0.4.0
 */
import type { Failure, JobRecord, JobState, Json } from "../port/JobStore.ts"

/**
 * A job in memory.
 *
 * @category models
 * @since 0.4.0
 */
export interface Row {
  readonly id: string
  readonly queue: string
  readonly payload: Json
  /** Order of acceptance. */
  readonly sequence: number
  readonly createdAt: number
  readonly group: string | undefined
  readonly trace: string | undefined
  readonly maxAttempts: number
  state: JobState
  priority: number
  startAt: number
  claim: number
  attempts: number
  /** While running: when the lease lapses. */
  leasedUntil: number
  endedAt: number | undefined
  result: Json
  failure: Failure | undefined
  watched: boolean
}

/**
 * What is shown of it.
 *
 * @category getters
 * @since 0.4.0
 */
export const recordOf = (row: Row): JobRecord => ({
  id: row.id,
  queue: row.queue,
  state: row.state,
  attempts: row.attempts,
  priority: row.priority,
  payload: row.payload,
  createdAt: row.createdAt,
  startAt: row.startAt,
  endedAt: row.endedAt,
  result: row.result,
  failure: row.failure
})

/**
 * Waiting rows in the order in which they are claimed.
 *
 * @category models
 * @since 0.4.0
 */
export class Line {
  readonly #levels = new Map<number, Array<Row>>()
  #order: Array<number> = []
  #size = 0

  #level(priority: number): Array<Row> {
    let level = this.#levels.get(priority)
    if (level === undefined) {
      level = []
      this.#levels.set(priority, level)
      this.#order = [...this.#levels.keys()].toSorted((a, b) => b - a)
    }
    return level
  }

  /** Where a row stands in its level, or would. */
  static #place(level: ReadonlyArray<Row>, sequence: number): number {
    let low = 0
    let high = level.length
    // The newest row comes last: most additions end here.
    if (high === 0 || level[high - 1]!.sequence < sequence) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (level[middle]!.sequence < sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  get size(): number {
    return this.#size
  }

  /** When the first of them could have run. Infinity where there is none. */
  get oldest(): number {
    let oldest = Infinity
    for (const level of this.#levels.values())
      for (const { startAt } of level) if (startAt < oldest) oldest = startAt
    return oldest
  }

  add(row: Row) {
    this.#size++
    const level = this.#level(row.priority)
    level.splice(Line.#place(level, row.sequence), 0, row)
  }

  remove(row: Row) {
    const level = this.#level(row.priority)
    const place = Line.#place(level, row.sequence)
    if (level[place] !== row) return
    level.splice(place, 1)
    this.#size--
  }

  take(max: number, may: (row: Row) => boolean): Array<Row> {
    const taken: Array<Row> = []
    for (const priority of this.#order) {
      const level = this.#levels.get(priority)!
      const left: Array<Row> = []
      let seen = 0
      while (seen < level.length && taken.length < max) {
        const row = level[seen++]!
        if (may(row)) taken.push(row)
        else left.push(row)
      }
      level.splice(0, seen, ...left)
      if (taken.length >= max) break
    }
    this.#size -= taken.length
    return taken
  }
}
