/** The command line of the simulator. `pnpm simulate --help` says what it can do. */
import { folded } from "@lemmings/examples-usage"
import { Effect } from "effect"
import { Load, simulate, type SimulationReport } from "lemmings/testing"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { flowScenes } from "./Flows.ts"
import { type Scene, scenes } from "./Loads.ts"
import { drawOverload } from "./OverloadPicture.ts"
import { draw, drawing as drawWays } from "./Picture.ts"
import { policies } from "./Policies.ts"
import { rowOf, tableFor } from "./Row.ts"

const pictures = fileURLToPath(new URL("../../../docs/simulation", import.meta.url))

const help = `Usage: pnpm simulate [options]

Runs real herds under simulated loads in virtual time, compares the scaling policies, and draws a picture of each load.

Loads:
${scenes.map(({ about, load }) => `  ${load.name.padEnd(18)}${about}`).join("\n")}

Loads with more work than workers, on which no policies are compared:
${flowScenes.map(({ about, name }) => `  ${name.padEnd(18)}${about}`).join("\n")}

Policies: ${policies.map(({ name }) => name).join(", ")}

Options:
  --load NAME     only this load; may be repeated
  --policy NAME   only this policy; may be repeated. No pictures are drawn then
  --csv FILE      your own load instead: one task a line, "seconds" or "seconds,milliseconds"
  --max N         most workers (default 64)
  --seed N        of everything random (default 1)
  --out FOLDER    where the pictures go (default docs/simulation)
  --quick         all loads but the day, which takes longest
  --list          print the names of the loads and the policies
  --json          print one JSON object, and draw nothing
  --help          print this
`

/** Bad usage: a message and exit code 2. */
const refuse = (message: string): never => {
  console.error(folded(`${message}\nTry: pnpm simulate --help`))
  process.exit(2)
}

const parse = () => {
  try {
    return parseArgs({
      options: {
        load: { type: "string", multiple: true },
        policy: { type: "string", multiple: true },
        csv: { type: "string" },
        max: { type: "string" },
        seed: { type: "string", default: "1" },
        out: { type: "string" },
        quick: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const whole = (name: string, value: string, least: number): number => {
  const n = Number(value)
  return Number.isInteger(n) && n >= least
    ? n
    : refuse(`--${name} must be an integer from ${least}, got ${value}`)
}

const select = <A>(
  what: string,
  all: ReadonlyArray<A>,
  nameOf: (a: A) => string,
  names: ReadonlyArray<string> = []
) => {
  for (const name of names) {
    if (!all.some((a) => nameOf(a) === name)) {
      refuse(`There is no ${what} "${name}". There are: ${all.map(nameOf).join(", ")}`)
    }
  }
  return names.length === 0 ? all : all.filter((a) => names.includes(nameOf(a)))
}

/** A trace of one's own. Nobody knows the right number of workers for it. */
const ownScene = (file: string, max: number): Scene => {
  let csv: string
  try {
    csv = readFileSync(resolve(process.env["INIT_CWD"] ?? ".", file), "utf8")
  } catch (error) {
    return refuse(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  const load = Effect.runSync(Effect.result(Load.fromCsv(file.split(/[\\/]/).at(-1) ?? file, csv)))
  if (load._tag === "Failure") return refuse(load.failure.message)
  return { about: "your trace", load: load.success, tuned: max, max }
}

const run = (
  { between, creation, faults, load, max, service, tuned }: Scene,
  policy: (typeof policies)[number],
  seed: number
) =>
  Effect.runPromise(
    simulate({
      load,
      policy: policy.policy === undefined ? "fixed" : policy.policy(),
      workers: policy.policy === undefined ? { min: tuned, max: tuned } : { min: 2, max },
      seed,
      creation,
      between,
      faults,
      service
    })
  )

const names = [...scenes.map(({ load }) => load.name), ...flowScenes.map(({ name }) => name)]
const values = parse()
if (values.help) {
  console.log(folded(help))
  process.exit()
}
if (values.list) {
  for (const name of names) console.log(`load ${name}`)
  for (const { name } of policies) console.log(`policy ${name}`)
  process.exit()
}
const seed = whole("seed", values.seed, 0)
const max = values.max === undefined ? undefined : whole("max", values.max, 2)
const wanted = select(
  "load",
  names,
  (name) => name,
  values.load ?? (values.quick ? names.filter((name) => name !== "day") : undefined)
)
const chosen =
  values.csv === undefined
    ? scenes.filter(({ load }) => wanted.includes(load.name))
    : [ownScene(values.csv, max ?? 64)]
// Policies are not compared on them.
const chosenFlows =
  values.csv === undefined && values.policy === undefined
    ? flowScenes.filter(({ name }) => wanted.includes(name))
    : []
const compared = select("policy", policies, ({ name }) => name, values.policy)
const drawing = !values.json && values.policy === undefined
const out = values.out === undefined ? pictures : resolve(process.env["INIT_CWD"] ?? ".", values.out)

const pictureOf = (name: string, svg: string) => {
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, `${name}.svg`), svg)
}

const rows: Array<ReturnType<typeof rowOf>> = []
const terminal = (process.stdout.columns ?? Number(process.env["COLUMNS"])) || 80
const scalingTable = tableFor(terminal)
const flowTable = tableFor(terminal, "flow")
const say = (text: string) => {
  if (!values.json) console.log(text)
}
if (chosen.length > 0) say(scalingTable.heading)
for (const scene of chosen) {
  const given = max === undefined ? scene : { ...scene, max }
  const reports: Array<SimulationReport> = []
  for (const policy of compared) {
    const report = await run(given, policy, seed)
    reports.push(report)
    rows.push(rowOf(report))
    say(scalingTable.textOf(rowOf(report)))
  }
  if (drawing) pictureOf(scene.load.name, draw(scene.about, reports))
}
if (chosenFlows.length > 0) say(flowTable.heading)
for (const { about, name, picture, variants } of chosenFlows) {
  const reports: Array<SimulationReport> = []
  const ran: Array<ReturnType<typeof rowOf>> = []
  for (const variant of variants) {
    const report = {
      ...(await Effect.runPromise(simulate({ ...variant.options, seed }))),
      policy: variant.name
    }
    const row = rowOf(report)
    reports.push(report)
    ran.push(row)
    say(flowTable.textOf(row))
  }
  rows.push(...ran)
  if (drawing && name === "overload") pictureOf(name, drawOverload(about, ran))
  if (drawing && picture !== undefined)
    pictureOf(name, drawWays(about, reports, picture.panels, picture.legend))
}
if (values.json) console.log(JSON.stringify({ rows }))
