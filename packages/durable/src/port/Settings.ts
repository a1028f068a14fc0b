/**
 * The settings of durable jobs: one table with every name, default, rule and meaning, from which decoding and documentation
 * are made.
 */
import type { Duration, Redacted } from "effect"
import * as Durations from "lemmings/internal/Durations"
import { InvalidConfig, type Priority, priorityLevel } from "lemmings"
import * as Address from "./Address.ts"

/** A setting. */
export interface Setting<in I, out A> {
  readonly path: string
  readonly meaning: string
  /** Completes "must be …". */
  readonly rule: string
  /** What holds where nothing is said. */
  readonly fallback: string
  /** Throws `InvalidConfig` where the value breaks the rule. */
  readonly decode: (value: I | undefined) => A
}

interface Said<A> {
  readonly meaning: string
  readonly rule: string
  /** In words, where the default is none that could be said. */
  readonly none?: string
  /** `undefined`: the value breaks the rule. */
  readonly read: (value: unknown) => A | undefined
}

const optional = <I, A>(path: string, said: Said<A>): Setting<I, A | undefined> => ({
  path,
  meaning: said.meaning,
  rule: said.rule,
  fallback: said.none ?? "none",
  decode: (value) => {
    if (value === undefined) return undefined
    const read = said.read(value)
    if (read === undefined) throw new InvalidConfig({ field: path, value, rule: said.rule })
    return read
  }
})

const setting = <I, A>(
  path: string,
  fallback: I & (string | number | boolean),
  said: Said<A>
): Setting<I, A> => {
  const { decode, ...rest } = optional<I, A>(path, said)
  return { ...rest, fallback: String(fallback), decode: (value) => decode(value ?? fallback) as A }
}

const duration = (meaning: string, { millis, text }: Durations.Rule) => ({
  meaning,
  rule: text,
  read: millis
})

const grouped = (n: number) => n.toLocaleString("en")

const integer = (meaning: string, least: number, most: number) => ({
  meaning,
  rule: `an integer from ${grouped(least)} to ${grouped(most)}`,
  read: (value: unknown) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined
})

/** What PostgreSQL has in an `integer`. */
const [leastInt, mostInt] = [-2_147_483_648, 2_147_483_647]

const number = setting<number, number>
const flag = (meaning: string): Said<boolean> => ({
  meaning,
  rule: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined)
})
const aSecond = Durations.rule({ least: 1_000 })

const levelOf = (value: unknown): number | undefined => {
  try {
    const level = priorityLevel(value as Priority)
    return level >= leastInt && level <= mostInt ? level : undefined
  } catch {
    return undefined
  }
}

/** Of every store. */
export const store = {
  lease: setting<Duration.Input, number>(
    "lease",
    "15 seconds",
    duration(
      "How long a job may be without a sign of life of its process. The same for all processes of a store.",
      Durations.rule({ least: 1_000, finite: true })
    )
  )
} as const

/** Of `Jobs.layerEmbedded`. */
export const embedded = {
  directory: optional<string, string>("directory", {
    meaning: "Where jobs are kept; made where it is not there.",
    rule: "a path, not empty and without NUL characters",
    none: "in memory",
    read: (value) =>
      typeof value === "string" && value !== "" && !value.includes("\u0000") ? value : undefined
  })
} as const

/** Of `Jobs.layerPostgres`. */
export const postgres = {
  url: {
    path: "url",
    meaning: "The database. No error and no log line repeats it.",
    rule: Address.urlRule,
    fallback: "required",
    decode: Address.urlOf
  } satisfies Setting<string | Redacted.Redacted, string>,
  schema: setting<string, string>("schema", "lemmings", {
    meaning: "Where tables are made.",
    rule: `lower-case letters, digits and "_", at most 50, not beginning with a digit or "pg_"`,
    read: (value) =>
      typeof value === "string" && /^[a-z_][a-z0-9_]{0,49}$/.test(value) && !value.startsWith("pg_")
        ? value
        : undefined
  }),
  connections: number(
    "connections",
    6,
    integer(
      "Most connections, and one more to listen. Two are for claims, leases and settlements alone.",
      1,
      10_000
    )
  ),
  statementTimeout: setting<Duration.Input, number>(
    "statementTimeout",
    "30 seconds",
    duration("Longest that the server works on one statement, and that a transaction stands still.", aSecond)
  )
} as const

/** Of `Job.make`. */
export const job = {
  priority: setting<Priority, number>("priority", "normal", {
    meaning: "Which waiting job is next, on all machines.",
    rule: `"low", "normal", "high", "critical", or an integer from ${grouped(leastInt)} to ${grouped(mostInt)}`,
    read: levelOf
  }),
  timeout: optional<Duration.Input, number>("timeout", {
    ...duration("Longest run of one attempt.", Durations.rule({ least: 1 })),
    none: "no limit"
  }),
  attempts: number(
    "attempts",
    5,
    integer(
      "Most executions that end. As many lost ones, which are counted apart, are the end too.",
      1,
      1_000_000
    )
  ),
  deadLetter: setting<boolean, boolean>(
    "deadLetter",
    true,
    flag("Whether a job that failed for good is copied to the dead letters.")
  ),
  maxPayloadBytes: number(
    "maxPayloadBytes",
    1_048_576,
    integer("Longest payload, in bytes of its JSON.", 1, 268_435_456)
  ),
  maxWaitingPerGroup: number(
    "maxWaitingPerGroup",
    100_000,
    integer("Most jobs of one group that may wait: who enqueues more gets `full`.", 1, 1_000_000_000)
  ),
  maxResultBytes: number(
    "maxResultBytes",
    16_777_216,
    integer("Longest result, and longest typed error, in bytes of its JSON.", 1, 268_435_456)
  ),
  "retention.ended": setting<Duration.Input, number>(
    "retention.ended",
    "1 day",
    duration("How long completed, failed and cancelled jobs are kept.", aSecond)
  ),
  "retention.deadLetters": setting<Duration.Input, number>(
    "retention.deadLetters",
    "90 days",
    duration("How long dead letters are kept.", aSecond)
  )
} as const

const most = (meaning: string) => ({ ...integer(meaning, 1, mostInt), none: "no limit" })

/** Of `toLayer`. */
export const workers = {
  concurrency: optional<number, number>("concurrency", {
    ...integer("Most jobs of this queue that this process runs at one time.", 1, 1_000_000),
    none: "16; with a herd, its workers"
  }),
  perQueue: optional<number, number>(
    "perQueue",
    most("Most jobs of this queue that run at one time, on all machines together.")
  ),
  perGroup: optional<number, number>(
    "perGroup",
    most("Most jobs of one group that run at one time, on all machines together.")
  ),
  "rate.limit": optional<number, number>(
    "rate.limit",
    most("Jobs that are claimed in `rate.per`, on all machines together.")
  ),
  "rate.per": optional<Duration.Input, number>("rate.per", {
    ...duration("The span of the rate.", Durations.finite),
    none: "with limit"
  }),
  drain: setting<Duration.Input, number>(
    "drain",
    "30 seconds",
    duration("How long jobs may go on when the layer closes.", Durations.any)
  ),
  pollInterval: setting<Duration.Input, number>(
    "pollInterval",
    "1 second",
    duration(
      "How often to look for jobs that nobody told about, and how late delayed ones begin.",
      Durations.positive
    )
  )
} as const
