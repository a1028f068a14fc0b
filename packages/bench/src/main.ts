// The command line of the benchmarks. `pnpm bench --help` says what it can do.
import { parseArgs } from "node:util"
import { type Comparison, compare, comparisonText, duel, fewest } from "./Against.ts"
import { allBenches } from "./benches.ts"
import { checkout, commitOf } from "./Checkout.ts"
import { nanos } from "./measure.ts"
import type { Bench, Race, Size } from "./Race.ts"
import { caseName, selects } from "./Race.ts"
import { referee } from "./Referee.ts"
import type { Report } from "./Report.ts"
import { caseText, headText, machine, toCase, versions } from "./Report.ts"

const help = (benches: ReadonlyArray<Bench>) => `Usage: pnpm bench [name ...] [options]

Measures lemmings and its peers side by side. Without a name, everything.
A name is a bench, or a case or the beginning of its path: dispatch/run/promise.

${benches.map(({ about, name }) => `  ${name.padEnd(10)}${about}`).join("\n")}

Options:
  --json          print one JSON object
  --against REF   ours alone, on this tree and on that commit, in turns: the ratio by pairs, in time and CPU time
  --long          larger sizes, and all repetitions, however long they take
  --reps N        repetitions, of which the median counts (default 7), or pairs (default 15)
  --quick         small sizes, one repetition, one process: checks the benchmark, not the libraries
  --list          print the names of all cases
  --help          print this

Contestants take turns, each time in a fresh process, after warming up. A bench takes two minutes at most: a slow
peer gets fewer tasks, rounds end early, and races for which no time is left are left out; the output says so.
Smaller is better everywhere.
`

/** Bad usage: a message and exit code 2. */
const refuse = (message: string): never => {
  console.error(`${message}\nTry: pnpm bench --help`)
  process.exit(2)
}

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        long: { type: "boolean", default: false },
        against: { type: "string" },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        reps: { type: "string" }
      }
    })
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const casesOf = (race: Race): ReadonlyArray<string> =>
  Object.keys(race.units).map((suffix) => caseName(race.name, suffix))

const { positionals, values } = parse()
const repetitions = Number(values.reps ?? (values.against === undefined ? 7 : 15))
if (!Number.isInteger(repetitions) || repetitions < 1)
  refuse(`--reps must be an integer from 1, got ${values.reps}`)
const commit = values.against === undefined ? undefined : commitOf(values.against)
if (values.against !== undefined && commit === undefined) refuse(`There is no commit ${values.against}.`)

// What they compare takes a while to load.
const benches = await allBenches()
if (values.help) {
  console.log(help(benches))
  process.exit()
}

const size: Size = values.quick ? "quick" : values.long ? "long" : "usual"

/** Every race, by the bench that it belongs to. */
const all = benches.flatMap(({ name, races }) => races(size).map((race) => ({ bench: name, race })))

const wanted = (selector: string) =>
  all.filter(({ bench, race }) => selector === bench || casesOf(race).some((name) => selects(selector, name)))

for (const selector of positionals) {
  if (wanted(selector).length === 0) {
    refuse(
      `Unknown bench "${selector}". There are ${benches.map(({ name }) => name).join(", ")}, and --list.`
    )
  }
}
const selected =
  positionals.length === 0 ? all : all.filter((one) => positionals.some((s) => wanted(s).includes(one)))

if (values.list) {
  console.log(selected.flatMap(({ race }) => casesOf(race)).join("\n"))
  process.exit()
}

/** How long one bench may take in all, unless it is asked for more. */
const benchMillis = values.long || values.quick ? Infinity : 120_000

/**
 * Goes through the races. Each may take its share of what is left of its bench's time. Those for which that is less than the
 * race before it took at least, which `run` says, are left out.
 */
const eachRace = async (run: (race: Race, millis: number) => Promise<number>) => {
  for (const { name } of benches) {
    const races = selected.filter(({ bench }) => bench === name)
    const until = nanos() / 1e6 + benchMillis
    let least = 0
    for (const [i, { race }] of races.entries()) {
      const left = until - nanos() / 1e6
      if (left > least) least = await run(race, left / (races.length - i))
      else console.error(`${race.name} is left out: the time of its bench is over. --long runs it.\n`)
    }
  }
}

const sideBySide = async () => {
  const cases: Array<Report["cases"][number]> = []
  if (!values.json) console.log(headText())
  await eachRace(async (race, millis) => {
    const { note, results, roundMillis } = await referee(race, { size, repetitions, millis })
    for (const result of results) {
      cases.push(toCase(result, note))
      if (!values.json) console.log(caseText(result))
    }
    if (!values.json) console.log(`${note}\n`)
    return roundMillis
  })
  if (!values.json) return
  const report: Report = { machine: machine(), versions: versions(), cases }
  console.log(JSON.stringify(report, null, 2))
}

const against = async (commit: string) => {
  console.error(`Installing ${commit} aside.`)
  const other = await checkout(commit)
  const all: Array<Comparison & { readonly pairs: number }> = []
  try {
    await eachRace(async (race, millis) => {
      const began = nanos()
      const pairs = await duel(race, other, { size, pairs: repetitions, millis })
      const compared = compare(race, pairs)
      all.push(...compared.map((one) => ({ ...one, pairs: pairs.length })))
      if (!values.json) console.log(`${comparisonText(compared, commit, pairs.length)}\n`)
      return (((nanos() - began) / 1e6) * fewest) / pairs.length
    })
  } finally {
    other.remove()
  }
  if (values.json) console.log(JSON.stringify({ machine: machine(), commit, cases: all }, null, 2))
  else
    console.log(
      "A ratio below 1: less here than there. Each pair ran one after the other, in fresh processes."
    )
}

if (commit === undefined) await sideBySide()
else if (values.quick) refuse("--against measures, and --quick does not")
else await against(commit)
// Bottleneck and others keep timers.
process.exit()
