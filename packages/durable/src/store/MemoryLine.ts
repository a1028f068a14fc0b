/** The waiting jobs of the store in memory. */
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

/** A job in memory. */
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

/** A new job. The time is in epoch milliseconds. */
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

/** What is shown of it. */
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

/** Waiting rows in the order in which they are claimed. */
export class Line {
  readonly #levels = new Map<number, Array<Row>>()
  /** Those of groups that were full when it was their turn: nobody looks at them before there is room. */
  readonly #full = new Map<string | undefined, Array<Row>>()
  #order: Array<number> = []
  #size = 0
  /** Those that are set apart. */
  readonly #apart: Array<Row> = []

  #level(priority: number): Array<Row> {
    let level = this.#levels.get(priority)
    if (level === undefined) {
      level = []
      this.#levels.set(priority, level)
      this.#order = [...this.#levels.keys()].toSorted((a, b) => b - a)
    }
    return level
  }

  get size(): number {
    return this.#size + this.#apart.length
  }

  /** Whether one of them is set apart, or none. */
  has(apart: boolean): boolean {
    return (apart ? this.#apart.length : this.#size) > 0
  }

  /** When the first of them could have run. Infinity where there is none. */
  get oldest(): number {
    let oldest = Infinity
    for (const rows of [...this.#levels.values(), ...this.#full.values(), this.#apart])
      for (const { startAt } of rows) if (startAt < oldest) oldest = startAt
    return oldest
  }

  add(row: Row) {
    if (row.apart) return enter(this.#apart, row)
    this.#size++
    enter(this.#level(row.priority), row)
  }

  remove(row: Row) {
    if (row.apart) leave(this.#apart, row)
    else if (leave(this.#level(row.priority), row) || leave(this.#full.get(row.group) ?? [], row))
      this.#size--
  }

  /** The next ones. `room` says how many more of a group may run. */
  take(max: number, room: (group: string | undefined) => number): Array<Row> {
    for (const [group, rows] of this.#full) {
      // Those that may run now compete again.
      for (const row of rows.splice(0, room(group))) enter(this.#level(row.priority), row)
      if (rows.length === 0) this.#full.delete(group)
    }
    const taken: Array<Row> = []
    const left = new Map<string | undefined, number>()
    for (const priority of this.#order) {
      const level = this.#levels.get(priority)!
      let seen = 0
      while (seen < level.length && taken.length < max) {
        const row = level[seen++]!
        const more = left.get(row.group) ?? room(row.group)
        left.set(row.group, more - 1)
        if (more > 0) taken.push(row)
        else this.#pass(row)
      }
      level.splice(0, seen)
      if (taken.length >= max) break
    }
    this.#size -= taken.length
    return taken
  }

  /** The next one of those that are set apart. */
  takeApart(room: (group: string | undefined) => number): Array<Row> {
    const at = this.#apart.findIndex(({ group }) => room(group) > 0)
    return at < 0 ? [] : this.#apart.splice(at, 1)
  }

  #pass(row: Row) {
    const rows = this.#full.get(row.group) ?? []
    this.#full.set(row.group, rows)
    enter(rows, row)
  }
}

const isBefore = (a: Row, b: Row): boolean =>
  a.priority > b.priority || (a.priority === b.priority && a.sequence < b.sequence)

/** Where a row stands among others, or would. */
const place = (rows: ReadonlyArray<Row>, row: Row): number => {
  let low = 0
  let high = rows.length
  // The newest row comes last: most additions end here.
  if (high === 0 || isBefore(rows[high - 1]!, row)) return high
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(rows[middle]!, row)) low = middle + 1
    else high = middle
  }
  return low
}

const enter = (rows: Array<Row>, row: Row) => void rows.splice(place(rows, row), 0, row)

const leave = (rows: Array<Row>, row: Row): boolean => {
  const at = place(rows, row)
  if (rows[at] !== row) return false
  rows.splice(at, 1)
  return true
}

/** A queue in memory. */
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
  /** How many of a group wait, in line or not. */
  readonly waitingIn: Map<string, number>
  /** Ended rows, oldest first. */
  readonly ended: Set<Row>
  readonly dead: Map<string, DeadLetter>
}

/** One more of its group waits, or one fewer. */
export const countWaiting = ({ waitingIn }: Queue, { group }: Row, by: 1 | -1) => {
  if (group === undefined) return
  const count = (waitingIn.get(group) ?? 0) + by
  if (count === 0) waitingIn.delete(group)
  else waitingIn.set(group, count)
}

/** What ended in the last minute. */
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
