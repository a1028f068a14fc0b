// The command line of the benchmarks. `pnpm bench --help` says what it can do.
import { parseArgs } from "node:util"
import { allBenches } from "./benches.ts"
import type { Race } from "./Race.ts"
import { caseName, selects } from "./Race.ts"
import { referee } from "./Referee.ts"
import type { Report } from "./Report.ts"
import { caseText, headText, machine, toCase, versions } from "./Report.ts"

const benches = await allBenches()

const help = `Usage: pnpm bench [name ...] [options]

Measures lemmings and its peers side by side. Without a name, everything.
A name is a bench, or a case or the beginning of its path: dispatch/run/promise.

${benches.map(({ about, name }) => `  ${name.padEnd(10)}${about}`).join("\n")}

Options:
  --json     print one JSON object
  --reps N   repetitions, of which the median counts (default 7)
  --quick    small sizes, one repetition, one process: checks the benchmark, not the libraries
  --list     print the names of all cases
  --help     print this

Contestants take turns, each time in a fresh process, after warming up. One that needs more than
2 minutes is left out; one that has used a minute is not repeated. Smaller is better everywhere.
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
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        reps: { type: "string", default: "7" }
      }
    })
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const casesOf = (race: Race): ReadonlyArray<string> =>
  Object.keys(race.units).map((suffix) => caseName(race.name, suffix))

const { positionals, values } = parse()
const repetitions = Number(values.reps)
if (!Number.isInteger(repetitions) || repetitions < 1)
  refuse(`--reps must be an integer from 1, got ${values.reps}`)
if (values.help) {
  console.log(help)
  process.exit()
}

/** Every race, by the bench that it belongs to. */
const all = benches.flatMap(({ name, races }) => races(values.quick).map((race) => ({ bench: name, race })))

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

const cases: Array<Report["cases"][number]> = []
if (!values.json) console.log(headText())
for (const { race } of selected) {
  const { note, results } = await referee(race, { quick: values.quick, repetitions })
  for (const result of results) {
    cases.push(toCase(result, note))
    if (!values.json) console.log(caseText(result))
  }
  if (!values.json) console.log(`${note}\n`)
}
if (values.json) {
  const report: Report = { machine: machine(), versions: versions(), cases }
  console.log(JSON.stringify(report, null, 2))
}
// Bottleneck and others keep timers.
process.exit()
