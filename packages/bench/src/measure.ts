// Clocks, heaps and medians: what every race needs, and nothing about any library.
import { setImmediate as nextTurn } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Size } from "./Race.ts"

/** Nanoseconds on a monotonic clock. */
export const nanos = (): number => performance.now() * 1e6

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** Collects garbage, twice: what the first pass frees may be what kept other objects alive. */
export const gc = async (): Promise<void> => {
  await nextTurn()
  collect()
  await nextTurn()
  collect()
}

/** Bytes that live objects take, after a collection: heap and what hangs on it outside. */
export const bytesInUse = async (): Promise<number> => {
  await gc()
  const { external, heapUsed } = process.memoryUsage()
  return external + heapUsed
}

/** What was timed in this process. */
export interface Account {
  /** How often something was timed. */
  calls: number
  /** CPU time of this process meanwhile, in microseconds: of all its threads, system and user. */
  cpu: number
  /** The tasks in it, where it is tasks that were timed. */
  tasks: number
  /** Tasks of a full run, where they are fewer than were asked for. */
  fewer: number | undefined
}

const nothing: Account = { calls: 0, cpu: 0, tasks: 0, fewer: undefined }
const account = { ...nothing }

/** Takes what was timed so far. */
export const takeAccount = (): Account => {
  const taken = { ...account }
  Object.assign(account, nothing)
  return taken
}

/** Nanoseconds until `work` has ended. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage()
  const start = nanos()
  await work()
  const took = nanos() - start
  const { system, user } = process.cpuUsage(before)
  account.calls++
  account.cpu += system + user
  return took
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? NaN
  const high = sorted[Math.ceil(at)] ?? NaN
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** How long small runs warm a library up, and how many full runs are timed. */
export interface Effort {
  readonly warmMillis: number
  readonly runs: number
  /**
   * How long a full run may take, by what the last warm one took. A library for which that is not enough gets fewer tasks, and the
   * report says so. Defaults to as long as it takes.
   */
  readonly mostMillis?: number
  /**
   * `"kept"`: no garbage is collected between the runs. With the last object of a kind a collection throws away the code that
   * was compiled for it, and a short run would be over before it is compiled again.
   */
  readonly warmth?: "kept"
}

/** Enough for a race of libraries that hand tasks out. */
export const efforts: Record<Size, Effort> = {
  quick: { warmMillis: 0, runs: 1 },
  usual: { warmMillis: 150, runs: 3, mostMillis: 250 },
  long: { warmMillis: 300, runs: 3 }
}

/**
 * Nanoseconds per task of `prepare(n)()`, where `prepare` builds the tasks and is not timed.
 *
 * Each library has been compiled when its time is taken, and the median of its full runs counts.
 * One that takes two seconds is not run again.
 */
export const perTask = async (
  n: number,
  effort: Effort,
  prepare: (n: number) => () => Promise<unknown>
): Promise<number> => {
  const warm = Math.min(n, 5_000)
  const until = nanos() + effort.warmMillis * 1e6
  let last = 0
  do {
    const work = prepare(warm)
    const start = nanos()
    await work()
    last = nanos() - start
  } while (nanos() < until)
  const affordable = Math.floor(((effort.mostMillis ?? Infinity) * 1e6 * warm) / last)
  const count = Math.min(n, Math.max(2, affordable))
  if (count < n) account.fewer = count
  const runs: Array<number> = []
  do {
    const work = prepare(count)
    if (effort.warmth !== "kept") await gc()
    runs.push(await timed(work))
    account.tasks += count
  } while (runs.length < effort.runs && (runs[0] ?? 0) < 2e9)
  return median(runs) / count
}

/** Random numbers from 0 to 1 that are the same in every run (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
