// What a run of the benchmarks says, as JSON and as text.
import { Schema } from "effect"
import { readFileSync } from "node:fs"
import { findPackageJSON } from "node:module"
import { cpus, totalmem } from "node:os"

const Case = Schema.Struct({
  case: Schema.String,
  unit: Schema.String,
  ours: Schema.Finite,
  peers: Schema.Record(Schema.String, Schema.Finite),
  note: Schema.optionalKey(Schema.String)
})

export const Report = Schema.Struct({
  machine: Schema.Struct({
    cpu: Schema.String,
    cores: Schema.Int,
    memory: Schema.String,
    node: Schema.String
  }),
  versions: Schema.Record(Schema.String, Schema.String),
  cases: Schema.Array(Case)
})

export type Report = typeof Report.Type

/** The figures of one contestant over the repetitions. */
export interface Figure {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** A case before the spread of its figures is dropped. */
export interface Result {
  readonly case: string
  readonly unit: string
  readonly ours: Figure
  readonly peers: Readonly<Record<string, Figure>>
  /** What ours is of each peer's: the median over the rounds. */
  readonly ratios: Readonly<Record<string, number>>
}

export const machine = (): Report["machine"] => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version
})

const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

const versionOf = (name: string): string => {
  const path = findPackageJSON(name, import.meta.url)
  if (path === undefined) throw new Error(`${name} is not installed: run pnpm install`)
  return Schema.decodeUnknownSync(Package)(readFileSync(path, "utf8")).version
}

const libraries = [
  "lemmings",
  "effect",
  "p-queue",
  "p-limit",
  "fastq",
  "async",
  "bottleneck",
  "tarn",
  "generic-pool",
  "piscina",
  "tinypool",
  "poolifier",
  "workerpool",
  "pg-boss",
  "@electric-sql/pglite",
  "bullmq",
  "graphile-worker",
  "@effect/sql-pg"
]

export const versions = (): Report["versions"] =>
  Object.fromEntries(libraries.map((name) => [name, versionOf(name)]))

const round = (n: number): number => Number(n.toPrecision(4))

export const toCase = (result: Result, note: string): typeof Case.Type => ({
  case: result.case,
  unit: result.unit,
  ours: round(result.ours.median),
  peers: Object.fromEntries(Object.entries(result.peers).map(([name, { median }]) => [name, round(median)])),
  ...(note === "" ? {} : { note })
})

const shown = (n: number): string =>
  Math.abs(n) >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en-US") : n.toPrecision(3)

export const headText = (): string => {
  const { cores, cpu, memory, node } = machine()
  const libraries = Object.entries(versions()).map(([name, version]) => `${name} ${version}`)
  return `${cpu}, ${cores} cores, ${memory}, Node ${node}\n${libraries.join(", ")}\n`
}

/** One aligned table: each contestant, its median, its least and greatest, and what part of it ours is. */
export const caseText = ({ case: name, ours, peers, ratios, unit }: Result): string => {
  if (Object.keys(peers).length === 0) return `${name}  ${shown(ours.median)} ${unit}`
  const line = (who: string, { max, median, min }: Figure, ratio: string) => [
    who,
    shown(median),
    `${shown(min)} to ${shown(max)}`,
    ratio
  ]
  const rows = [
    [name, unit, "range", "ours/peer"],
    line("ours", ours, ""),
    ...Object.entries(peers).map(([peer, figure]) => line(peer, figure, (ratios[peer] ?? NaN).toFixed(2)))
  ]
  return table(rows)
}

/** Columns one below the other, the first to the left and all others to the right. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
        )
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
