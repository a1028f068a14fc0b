// Runs a race: contestants in turn, again and again, each time in a fresh process, and the median of each.
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type Account, median, nanos, takeAccount } from "./measure.ts"
import type { Contestant, Race, Sample, Size } from "./Race.ts"
import { caseName } from "./Race.ts"
import type { Figure, Result } from "./Report.ts"

export interface Rules {
  readonly repetitions: number
  /** `"quick"` runs everything in this process: fast, and its figures mean nothing. */
  readonly size: Size
  /** How long the whole race may take. The first round is run in any case. Defaults to as long as it takes. */
  readonly millis?: number
}

/** What a contestant's process says. */
export interface Run {
  readonly sample: Sample
  readonly account: Account
}

/** A contestant that takes longer is out of the race. */
const limitMillis: Record<Size, number> = { quick: 120_000, usual: 20_000, long: 120_000 }
/** A contestant that has taken this long in all is not run again. */
const enoughMillis = 60_000

const compiled = fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url))
const child = fileURLToPath(import.meta.resolve("./child.ts"))

/** What a contestant is called in a race; ours has no other name. */
export const contestants = (race: Race): ReadonlyArray<readonly [name: string, run: Contestant]> => [
  ["ours", race.ours],
  ...Object.entries(race.peers)
]

/** `undefined`: stopped for taking too long. `program` is the `child.ts` of this checkout, or that of another. */
export const inFreshProcess = (
  race: string,
  who: string,
  size: Size,
  program = child
): Promise<Run | undefined> =>
  new Promise((resolve, reject) => {
    const args = ["--max-old-space-size=8192", program, race, who, size]
    // What a contestant loads is compiled for the first only; what it runs warms up in any case.
    const env = { NODE_COMPILE_CACHE: compiled, ...process.env }
    execFile(process.execPath, args, { env, timeout: limitMillis[size] }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Run)
      else if (error.killed === true) resolve(undefined)
      else reject(new Error(`${who} failed in ${race}\n${stderr}`))
    })
  })

const inThisProcess = async (run: Contestant): Promise<Run> => ({
  sample: await run(),
  account: takeAccount()
})

const summarize = (values: ReadonlyArray<number>): Figure => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

export interface Outcome {
  readonly results: ReadonlyArray<Result>
  readonly note: string
  /** How long the last round took. */
  readonly roundMillis: number
}

export const referee = async (race: Race, rules: Rules): Promise<Outcome> => {
  const samples = new Map<string, Array<Sample>>()
  const spent = new Map<string, number>()
  const fewer = new Map<string, number>()
  const late = new Set<string>()
  const { millis = Infinity, size } = rules
  const repetitions = size === "quick" ? 1 : Math.min(rules.repetitions, race.repetitions ?? Infinity)
  const began = nanos()
  const elapsed = () => (nanos() - began) / 1e6
  let rounds = 0
  let last = 0
  // Another round has to fit in as the last did.
  for (; rounds < repetitions && (rounds === 0 || elapsed() + last < millis); rounds++) {
    const before = elapsed()
    // Back and forth: what comes first or last in every round would have the machine in another state than the rest.
    const round = contestants(race)
    for (const [name, run] of rounds % 2 === 0 ? round : round.toReversed()) {
      if (late.has(name) || (spent.get(name) ?? 0) > enoughMillis) continue
      const start = nanos()
      const ran = size === "quick" ? await inThisProcess(run) : await inFreshProcess(race.name, name, size)
      spent.set(name, (spent.get(name) ?? 0) + (nanos() - start) / 1e6)
      if (ran === undefined) late.add(name)
      else {
        samples.set(name, [...(samples.get(name) ?? []), ran.sample])
        if (ran.account.fewer !== undefined) fewer.set(name, ran.account.fewer)
      }
    }
    last = elapsed() - before
  }
  const ours = samples.get("ours")
  if (ours === undefined || late.has("ours")) {
    throw new Error(`ours did not finish ${race.name} in ${limitMillis[size] / 1_000} s`)
  }
  const figure = (of: ReadonlyArray<Sample>, suffix: string) => summarize(of.map((one) => one[suffix] ?? NaN))
  const results = Object.entries(race.units).map(([suffix, unit]): Result => {
    const peers = Object.keys(race.peers).flatMap((name) => {
      const all = samples.get(name)
      return all === undefined || late.has(name) ? [] : [[name, figure(all, suffix)] as const]
    })
    // Of one round: a machine that is slower for a while is so for both.
    const ratio = (of: ReadonlyArray<Sample>) =>
      median(of.map((one, i) => (ours[i]?.[suffix] ?? NaN) / (one[suffix] ?? NaN)).filter(Number.isFinite))
    return {
      case: caseName(race.name, suffix),
      unit,
      ours: figure(ours, suffix),
      peers: Object.fromEntries(peers),
      ratios: Object.fromEntries(peers.map(([name]) => [name, ratio(samples.get(name) ?? [])]))
    }
  })
  const medians = (of: ReadonlyArray<Sample>): Sample =>
    Object.fromEntries(Object.keys(race.units).map((unit) => [unit, figure(of, unit).median]))
  const finished = [...samples].filter(([name]) => name !== "ours" && !late.has(name))
  const note = [
    race.note,
    ...(fewer.size === 0
      ? []
      : [
          `Fewer tasks, by the time that a run may take: ${[...fewer].map(([name, n]) => `${name} ${n}`).join(", ")}.`
        ]),
    ...[...late].map((name) => `${name} is absent: not done in ${limitMillis[size] / 1_000} s.`),
    ...(rounds < repetitions
      ? [`${rounds} of ${repetitions} rounds, by the time that there is; --long runs all.`]
      : []),
    race.verdict?.(medians(ours), Object.fromEntries(finished.map(([name, of]) => [name, medians(of)])))
  ]
  return { results, note: note.filter((part) => part !== undefined).join(" "), roundMillis: last }
}
