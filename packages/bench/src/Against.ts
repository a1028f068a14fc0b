// The same race on this tree and on another commit, in turns: how much of what it took there does it take here?
import type { Checkout } from "./Checkout.ts"
import { median, nanos, quantile } from "./measure.ts"
import { caseName, type Race, type Size } from "./Race.ts"
import { inFreshProcess, type Run } from "./Referee.ts"
import { table } from "./Report.ts"

/** Ratios of one figure, a pair each: here to there. Below 1 it is less here. */
interface Ratio {
  readonly median: number
  /** A quarter of the pairs lies below, and a quarter above. */
  readonly middle: readonly [low: number, high: number]
  readonly range: readonly [least: number, greatest: number]
}

export interface Comparison {
  readonly case: string
  /** `CPU ns/task`, or `CPU µs` for whatever was timed, where it is the CPU time of our process. */
  readonly unit: string
  readonly here: number
  readonly there: number
  readonly ratio: Ratio
}

export interface Pair {
  readonly here: Run
  readonly there: Run
}

const ratioOf = (ratios: ReadonlyArray<number>): Ratio => ({
  median: median(ratios),
  middle: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  range: [Math.min(...ratios), Math.max(...ratios)]
})

/** What pairs come to: each figure of the race, and the CPU time where something was timed. */
export const compare = (
  race: Pick<Race, "name" | "units">,
  pairs: ReadonlyArray<Pair>
): ReadonlyArray<Comparison> => {
  const comparison = (name: string, unit: string, of: (run: Run) => number): Comparison => ({
    case: name,
    unit,
    here: median(pairs.map(({ here }) => of(here))),
    there: median(pairs.map(({ there }) => of(there))),
    // Of one pair: a machine that is slower for a while is so for both.
    ratio: ratioOf(pairs.map(({ here, there }) => of(here) / of(there)))
  })
  const figures = Object.entries(race.units).map(([suffix, unit]) =>
    comparison(caseName(race.name, suffix), unit, ({ sample }) => sample[suffix] ?? NaN)
  )
  const all = (counted: (run: Run) => number) =>
    pairs.every(({ here, there }) => counted(here) > 0 && counted(there) > 0)
  if (all(({ account }) => account.tasks)) {
    const cpu = ({ account }: Run) => (1000 * account.cpu) / account.tasks
    return [...figures, comparison(race.name, "CPU ns/task", cpu)]
  }
  if (all(({ account }) => account.calls)) {
    return [...figures, comparison(race.name, "CPU µs", ({ account }) => account.cpu / account.calls)]
  }
  return figures
}

export interface Duel {
  readonly size: Size
  readonly pairs: number
  /** How long the pairs may take. Three are run in any case. */
  readonly millis: number
}

/** Pairs that are run in any case. */
export const fewest = 3

/** Runs ours here and there, in turns, each time in a fresh process. */
export const duel = async (race: Race, there: Checkout, rules: Duel): Promise<ReadonlyArray<Pair>> => {
  const once = async (program?: string) => {
    const run = await inFreshProcess(race.name, "ours", rules.size, program)
    if (run === undefined) throw new Error(`ours did not finish ${race.name} in time`)
    return run
  }
  const pairs: Array<Pair> = []
  const began = nanos()
  for (let last = 0; pairs.length < rules.pairs;) {
    const before = (nanos() - began) / 1e6
    if (pairs.length >= fewest && before + last > rules.millis) break
    // Each is first as often as the other.
    if (pairs.length % 2 === 0) {
      const here = await once()
      pairs.push({ here, there: await once(there.child) })
    } else {
      const other = await once(there.child)
      pairs.push({ here: await once(), there: other })
    }
    last = (nanos() - began) / 1e6 - before
  }
  return pairs
}

/** One aligned table. */
export const comparisonText = (
  comparisons: ReadonlyArray<Comparison>,
  commit: string,
  pairs: number
): string => {
  const two = ([low, high]: readonly [number, number]) => `${low.toFixed(2)} to ${high.toFixed(2)}`
  const shown = (n: number) => (Math.abs(n) >= 100 ? Math.round(n).toLocaleString("en-US") : n.toPrecision(3))
  const rows = comparisons.map(({ case: name, here, ratio, there, unit }) => [
    name,
    unit,
    shown(here),
    shown(there),
    ratio.median.toFixed(3),
    two(ratio.middle),
    two(ratio.range)
  ])
  const head = [`${pairs} pairs`, "", "here", commit, "ratio", "middle half", "range"]
  return table([head, ...rows])
}
