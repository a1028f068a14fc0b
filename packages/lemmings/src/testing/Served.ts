/**
 * What a simulated herd did for each key: for figures of fairness and of rates. Pure, but for what it counts.
 *
 * @since 0.5.0
 */
import { Histogram } from "../internal/Histogram.ts"
import { type Limits, ofKey, type RateLaw } from "../model/Limits.ts"

/**
 * One key over the whole load.
 *
 * @category models
 * @since 0.5.0
 */
export interface KeyReport {
  readonly key: string
  /** Tasks that came. */
  readonly tasks: number
  /** Tasks that ended while the load lasted. */
  readonly done: number
  readonly waitP50Millis: number
  readonly waitP99Millis: number
}

/**
 * One key over one span of a simulation.
 *
 * @category models
 * @since 0.5.0
 */
export interface KeyPoint {
  /** Tasks that have not begun, at the end of the span. */
  readonly waiting: number
  /** Tasks that began in the span, and their waits. */
  readonly started: number
  readonly waitP95Millis: number
}

interface One {
  tasks: number
  done: number
  /** Milliseconds of work, times weight, that came and that ended while the load lasted. */
  wanted: number
  got: number
  readonly waits: Histogram
  readonly recent: Histogram
  recentStarts: number
  waiting: number
  readonly starts: Array<Start>
}

interface Start {
  readonly at: number
  readonly weight: number
}

/** How even numbers are: 1 when all are the same, 1 / n when one has everything (Jain, Chiu and Hawe, 1984). */
const jainOf = (all: ReadonlyArray<number>): number => {
  const sum = all.reduce((a, b) => a + b, 0)
  const squares = all.reduce((a, b) => a + b * b, 0)
  return squares === 0 ? 1 : sum ** 2 / (all.length * squares)
}

/** What each would get of `whole` if nobody got more than he wants, and the rest were shared out (max-min fairness). */
const dueOf = (
  wants: ReadonlyArray<{ readonly wanted: number; readonly share: number }>,
  whole: number
): ReadonlyArray<number> => {
  const due = wants.map(() => 0)
  let left = whole
  let open = wants.map((_, index) => index)
  while (open.length > 0 && left > 1e-9) {
    const shares = open.reduce((sum, index) => sum + wants[index]!.share, 0)
    const each = left / shares
    const full = open.filter((index) => wants[index]!.wanted - due[index]! <= each * wants[index]!.share)
    for (const index of full.length > 0 ? full : open) {
      const { share, wanted } = wants[index]!
      const more = full.length > 0 ? wanted - due[index]! : each * share
      due[index] = due[index]! + more
      left -= more
    }
    open = full.length > 0 ? open.filter((index) => !full.includes(index)) : []
  }
  return due
}

/** How far starts are from a rate, in parts of it: beyond it in any window, or below it where more than it came. */
const errorOf = (starts: ReadonlyArray<Start>, law: RateLaw, came: number, endMillis: number): number => {
  const most = law.window === "sliding" ? law.limit : law.limit + law.burst - 1
  let error = 0
  let first = 0
  let inWindow = 0
  let all = 0
  for (const { at, weight } of starts) {
    inWindow += weight
    all += weight
    while (starts[first]!.at <= at - law.perMillis) inWindow -= starts[first++]!.weight
    error = Math.max(error, (inWindow - most) / Math.max(1, most))
  }
  const allowed = (law.limit * (endMillis - (starts[0]?.at ?? 0))) / law.perMillis
  if (came <= allowed || allowed <= 0) return Math.max(0, error)
  // The start that is due at the end counts for neither.
  const heaviest = starts.reduce((most, { weight }) => Math.max(most, weight), 0)
  return Math.max(0, error, (all - allowed - law.burst) / allowed, (allowed - all - heaviest) / allowed)
}

/** Counts by key while a load lasts. */
export class Served {
  private readonly keys = new Map<string | undefined, One>()
  private readonly endMillis: number
  private readonly limits: Limits | undefined

  constructor(endMillis: number, limits: Limits | undefined) {
    this.endMillis = endMillis
    this.limits = limits
  }

  private of(key: string | undefined): One {
    let one = this.keys.get(key)
    if (one === undefined) {
      one = {
        tasks: 0,
        done: 0,
        wanted: 0,
        got: 0,
        waits: new Histogram(),
        recent: new Histogram(),
        recentStarts: 0,
        waiting: 0,
        starts: []
      }
      this.keys.set(key, one)
    }
    return one
  }
  came(key: string | undefined, work: number): void {
    const one = this.of(key)
    one.tasks++
    one.waiting++
    one.wanted += work
  }
  /** An attempt begins: of a task that has waited for so long since it came, or of one that is tried again. */
  started(key: string | undefined, at: number, waited: number | undefined, weight: number): void {
    const one = this.of(key)
    if (this.limits !== undefined && at <= this.endMillis) one.starts.push({ at, weight })
    if (waited === undefined) return
    one.waiting--
    one.waits.record(waited)
    one.recent.record(waited)
    one.recentStarts++
  }
  done(key: string | undefined, at: number, work: number): void {
    if (at > this.endMillis) return
    const one = this.of(key)
    one.done++
    one.got += work
  }

  /** What each key has started since this was asked last. Empty where no task has a key. */
  recent(): { readonly [key: string]: KeyPoint } {
    const found: { [key: string]: KeyPoint } = {}
    for (const [key, one] of this.keys) {
      if (key === undefined) continue
      found[key] = {
        waiting: one.waiting,
        started: one.recentStarts,
        waitP95Millis: one.recent.quantile(0.95)
      }
      one.recent.reset()
      one.recentStarts = 0
    }
    return found
  }

  reports(): ReadonlyArray<KeyReport> {
    return [...this.keys]
      .filter((entry): entry is [string, One] => entry[0] !== undefined)
      .map(([key, { done, tasks, waits }]) => ({
        key,
        tasks,
        done,
        waitP50Millis: waits.quantile(0.5),
        waitP99Millis: waits.quantile(0.99)
      }))
  }

  /** How even the keys were served, of what was due to each. 1 where there are no two keys. */
  jain(): number {
    const all = [...this.keys].filter(([key]) => key !== undefined)
    if (all.length < 2) return 1
    const share = (key: string | undefined) =>
      this.limits === undefined
        ? 1
        : ofKey(this.limits.perKey.share, key ?? "", { none: 1, broken: 1, least: 0 }, () => {}, "share")
    const whole = all.reduce((sum, [, { got }]) => sum + got, 0)
    const due = dueOf(
      all.map(([key, { wanted }]) => ({ wanted, share: share(key) })),
      whole
    )
    return jainOf(all.map(([, { got }], index) => (due[index]! > 0 ? got / due[index]! : 1)))
  }

  /** The largest error of a rate, 0 where there is none. */
  rateError(): number {
    if (this.limits === undefined) return 0
    const { perKey, rates } = this.limits
    const weightOf = (starts: ReadonlyArray<Start>) => starts.reduce((sum, { weight }) => sum + weight, 0)
    const all = [...this.keys.values()].flatMap(({ starts }) => starts).toSorted((a, b) => a.at - b.at)
    let error = 0
    for (const law of perKey.rates) {
      for (const [key, { starts, tasks }] of this.keys) {
        if (key === undefined || starts.length === 0) continue
        const came = (tasks * weightOf(starts)) / starts.length
        error = Math.max(error, errorOf(starts, law, came, this.endMillis))
      }
    }
    // A rate of the whole is not reached where its keys may not: only too much is an error then.
    for (const law of rates) error = Math.max(error, errorOf(all, law, 0, this.endMillis))
    return error
  }
}
