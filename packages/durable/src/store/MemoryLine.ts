/**
 * The waiting jobs of the store in memory.
 *
 * @since 0.4.0
 */
import type {
  DeadLetter,
  Failure,
  JobRecord,
  JobState,
  Json,
  NewJob,
  QueueSpec,
  QueueStats
} from "../port/JobStore.ts"

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
  /** Executions that were lost. */
  losses: number
  /** Claimed only by who asks for such. */
  apart: boolean
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
 * A new job. The time is in epoch milliseconds.
 *
 * @category constructors
 * @since 0.5.0
 */
export const rowOf = (job: NewJob, sequence: number, at: number): Row => ({
  id: job.id,
  queue: job.queue,
  payload: job.payload,
  sequence,
  createdAt: at,
  group: job.group,
  trace: job.trace,
  maxAttempts: job.attempts,
  losses: 0,
  apart: false,
  state: "waiting",
  priority: job.priority,
  startAt: at,
  claim: 0,
  attempts: 0,
  leasedUntil: 0,
  endedAt: undefined,
  result: undefined,
  failure: undefined,
  watched: job.watched === true
})

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
  /** Those that are set apart. */
  #apart = 0

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

  /** Whether one of them is set apart, or none. */
  has(apart: boolean): boolean {
    return (apart ? this.#apart : this.#size - this.#apart) > 0
  }

  /** When the first of them could have run. Infinity where there is none. */
  get oldest(): number {
    let oldest = Infinity
    for (const level of this.#levels.values())
      for (const { startAt } of level) if (startAt < oldest) oldest = startAt
    return oldest
  }

  #count(row: Row, by: 1 | -1) {
    this.#size += by
    if (row.apart) this.#apart += by
  }

  add(row: Row) {
    this.#count(row, 1)
    const level = this.#level(row.priority)
    level.splice(Line.#place(level, row.sequence), 0, row)
  }

  remove(row: Row) {
    const level = this.#level(row.priority)
    const place = Line.#place(level, row.sequence)
    if (level[place] !== row) return
    level.splice(place, 1)
    this.#count(row, -1)
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
    for (const row of taken) this.#count(row, -1)
    return taken
  }
}

/**
 * A queue in memory.
 *
 * @category models
 * @since 0.5.0
 */
export interface Queue {
  spec: QueueSpec
  paused: boolean
  /** When the rate of its claims is as good as unused. */
  freeAt: number
  readonly rows: Map<string, Row>
  readonly line: Line
  /** Waiting rows whose time has not come when they were last looked at. */
  readonly later: Set<Row>
  readonly running: Set<Row>
  /** Ended rows, oldest first. */
  readonly ended: Set<Row>
  readonly dead: Map<string, DeadLetter>
}

/**
 * What ended in the last minute.
 *
 * @category getters
 * @since 0.5.0
 */
export const lastMinute = (ended: Iterable<Row>, at: number): QueueStats["lastMinute"] => {
  const lately = [...ended].filter((row) => row.endedAt! > at - 60_000)
  const count = (state: JobState) => lately.filter((row) => row.state === state).length
  return {
    completed: count("completed"),
    failed: count("failed"),
    cancelled: count("cancelled"),
    attempts: lately.reduce((sum, row) => sum + row.attempts, 0)
  }
}
