// Runs a race: contestants in turn, again and again, each time in a fresh process, and the median of each.
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { median, nanos } from "./measure.ts"
import type { Contestant, Race, Sample } from "./Race.ts"
import { caseName } from "./Race.ts"
import type { Figure, Result } from "./Report.ts"

export interface Rules {
  readonly repetitions: number
  /** Runs everything once in this process: fast, and its figures mean nothing. */
  readonly quick: boolean
}

/** A contestant that takes longer is out of the race. */
const limitMillis = 120_000
/** A contestant that has taken this long in all is not run again. */
const enoughMillis = 60_000

const child = fileURLToPath(import.meta.resolve("./child.ts"))

/** What a contestant is called in a race; ours has no other name. */
export const contestants = (race: Race): ReadonlyArray<readonly [name: string, run: Contestant]> => [
  ["ours", race.ours],
  ...Object.entries(race.peers)
]

/** `undefined`: stopped for taking too long. */
const inFreshProcess = (race: Race, who: string): Promise<Sample | undefined> =>
  new Promise((resolve, reject) => {
    const args = ["--max-old-space-size=8192", child, race.name, who]
    execFile(process.execPath, args, { timeout: limitMillis }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Sample)
      else if (error.killed === true) resolve(undefined)
      else reject(new Error(`${who} failed in ${race.name}\n${stderr}`))
    })
  })

const summarize = (values: ReadonlyArray<number>): Figure => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

export interface Outcome {
  readonly results: ReadonlyArray<Result>
  readonly note: string
}

export const referee = async (race: Race, rules: Rules): Promise<Outcome> => {
  const samples = new Map<string, Array<Sample>>()
  const spent = new Map<string, number>()
  const late = new Set<string>()
  const repetitions = rules.quick ? 1 : Math.min(rules.repetitions, race.repetitions ?? Infinity)
  for (let i = 0; i < repetitions; i++) {
    // Back and forth: what comes first or last in every round would have the machine in another state than the rest.
    const round = contestants(race)
    for (const [name, run] of i % 2 === 0 ? round : round.toReversed()) {
      if (late.has(name) || (spent.get(name) ?? 0) > enoughMillis) continue
      const start = nanos()
      const sample = rules.quick ? await run() : await inFreshProcess(race, name)
      spent.set(name, (spent.get(name) ?? 0) + (nanos() - start) / 1e6)
      if (sample === undefined) late.add(name)
      else samples.set(name, [...(samples.get(name) ?? []), sample])
    }
  }
  const ours = samples.get("ours")
  if (ours === undefined || late.has("ours")) {
    throw new Error(`ours did not finish ${race.name} in ${limitMillis / 1_000} s`)
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
    ...[...late].map((name) => `${name} is absent: not done in ${limitMillis / 1_000} s.`),
    race.verdict?.(medians(ours), Object.fromEntries(finished.map(([name, of]) => [name, medians(of)])))
  ]
  return { results, note: note.filter((part) => part !== undefined).join(" ") }
}
