/** The closing report, as text. */
import { wrap } from "@lemmings/examples-usage"
import Table from "cli-table3"
import type { HerdMetrics, HerdStats, ScalingDecision, ShutdownReport } from "lemmings"
import prettyBytes from "pretty-bytes"
import { plot } from "simple-ascii-chart"
import type { Summary } from "./Index.ts"
import type { Sample } from "./Progress.ts"

/** Everything there is to say about a run that ended. */
export interface Run {
  readonly root: string
  readonly database: string
  readonly seconds: number
  /** Whether every file under the root was looked at. */
  readonly complete: boolean
  readonly stats: HerdStats
  readonly metrics: HerdMetrics
  readonly shutdown: ShutdownReport
  readonly summary: Summary
  /** Changes of the number of workers, each with the time since the start. */
  readonly changes: ReadonlyArray<ScalingDecision & { readonly seconds: number }>
  readonly samples: ReadonlyArray<Sample>
}

/** Files whose task succeeded and that the database does not have. Anything but 0 is a bug or a full disk. */
export const missing = ({ stats, summary }: Run): number => stats.tasks.succeeded - summary.totals.files

/** The report for a terminal of so many columns. `node` is what runs this Node.js in a shell. */
export const render = (run: Run, node: string, columns = 80): string => {
  const width = Math.min(120, Math.max(60, columns))
  return [
    run.complete ? "" : "Stopped early: what was indexed so far is kept.\n",
    overview(run, width),
    timings(run),
    chart(run, width),
    changes(run, width),
    kinds(run),
    duplicates(run, width),
    problems(run, width),
    `Database:\n${run.database}`,
    `Try:\n${query(run.database, node)}`
  ]
    .filter((part) => part !== "")
    .join("\n")
}

const count = (n: number): string => n.toLocaleString("en-US")
const ms = (n: number): string => n.toFixed(n < 10 ? 2 : 1)

/** A table without colours, so that a log shows what a terminal shows. */
const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  left: number = 1
): string => {
  const it = new Table({
    head: [...head],
    colAligns: head.map((_, i) => (i < left ? "left" : "right")),
    style: { head: [], border: [], compact: true }
  })
  for (const row of rows) it.push([...row])
  return it.toString()
}

const overview = ({ root, seconds, shutdown, stats, summary: { totals } }: Run, width: number): string =>
  table(
    ["Indexed", short(root, width - 20)],
    [
      ["files", count(totals.files)],
      ["size", `${prettyBytes(totals.bytes)} (${count(totals.bytes)} bytes)`],
      ["lines of text", count(totals.lines)],
      ["time", `${seconds.toFixed(2)} s`],
      [
        "speed",
        `${count(Math.round(totals.files / seconds))} files/s, ${prettyBytes(totals.bytes / seconds)}/s`
      ],
      ["workers", `${stats.workers.peak} at most, of ${stats.workers.max} allowed`],
      ["connections", `${stats.resources.created} opened, ${stats.resources.destroyed} closed`],
      ["retried", count(stats.tasks.retried)],
      ["left behind", count(shutdown.abandoned + shutdown.interrupted + shutdown.leaked)]
    ]
  )

const timings = ({ metrics: { run, wait } }: Run): string =>
  table(
    ["Milliseconds", "p50", "p95", "p99", "most"],
    [
      ["waiting for a worker", ms(wait.p50), ms(wait.p95), ms(wait.p99), ms(wait.max)],
      ["reading and hashing", ms(run.p50), ms(run.p95), ms(run.p99), ms(run.max)]
    ]
  )

const chart = ({ samples, seconds, stats }: Run, width: number): string => {
  if (samples.length < 3) return ""
  const columns = width - 8
  const step = Math.max(1, Math.ceil(seconds / 8))
  // A mark in each column: the number of workers holds until the next sample.
  const marks = Array.from({ length: columns }, (_, i) => {
    const x = (i * (samples.at(-1)?.seconds ?? 0)) / columns
    return { x, y: (samples.findLast((sample) => sample.seconds <= x) ?? samples[0])?.workers ?? 0 }
  })
  return plot(
    samples.map(({ busy, seconds }): [number, number] => [seconds, busy]),
    {
      title: "Workers (─) and busy workers (█) over seconds",
      width: columns,
      height: 6,
      fillArea: true,
      points: marks,
      symbols: { point: "─" },
      yRange: [0, stats.workers.peak],
      customXAxisTicks: Array.from({ length: Math.floor(seconds / step) + 1 }, (_, i) => i * step),
      formatter: String
    }
  )
}

const changes = ({ changes }: Run, width: number): string =>
  table(
    ["After", "Workers", "Why"],
    changes.map(({ by, from, reason, seconds, to }) => [
      `${Math.max(0, seconds).toFixed(2)} s`,
      `${from} -> ${to}`,
      wrap(`${by}: ${reason}`, width - 28)
    ]),
    3
  )

const kinds = ({ summary }: Run): string =>
  summary.kinds.length === 0
    ? ""
    : table(
        ["Media kind", "files", "size", "lines"],
        summary.kinds.map(({ bytes, files, kind, lines }) => [
          kind,
          count(files),
          prettyBytes(bytes),
          count(lines)
        ])
      )

const duplicates = ({ summary: { duplicates } }: Run, width: number): string => {
  if (duplicates.groups === 0) return "No duplicates."
  const rows = duplicates.top.map(({ bytes, copies, example, wasted }) => [
    short(example, width - 40),
    count(copies),
    prettyBytes(bytes),
    prettyBytes(wasted)
  ])
  return [
    `${count(duplicates.groups)} groups of duplicates.`,
    `All copies but one are ${prettyBytes(duplicates.wasted)} (hard links count once).`,
    table(["One of the copies", "copies", "each", "to free"], rows)
  ].join("\n")
}

const problems = ({ summary: { problems } }: Run, width: number): string =>
  problems.count === 0
    ? "No problems."
    : [
        `${count(problems.count)} problems${problems.count > problems.first.length ? ", the first of them" : ""}:`,
        table(
          ["Path", "reason", "message"],
          problems.first.map(({ message, path, reason }) => [
            short(path, half(width)),
            reason,
            wrap(message, half(width))
          ]),
          3
        )
      ].join("\n")

/** What is left for each of two columns beside a short one. */
const half = (width: number): number => Math.floor((width - 26) / 2)

/** The end of a path says more than its beginning. */
const short = (text: string, most: number): string =>
  text.length <= most ? text : `…${text.slice(1 - most)}`

/** One line for a shell. */
const query = (database: string, node: string): string => {
  const sql =
    "select kind, count(*) files, sum(bytes) bytes from files group by kind order by bytes desc limit 5"
  const script =
    `const { DatabaseSync } = require("node:sqlite"); ` +
    `console.table(new DatabaseSync(process.argv[1]).prepare("${sql}").all())`
  return `${node} -e '${script}' '${database.replaceAll("'", `'\\''`)}'`
}
