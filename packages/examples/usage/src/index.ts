/**
 * The arguments of an example, and the room that it has to answer.
 */
import { parseArgs } from "node:util"

/** Says what is wrong, and how it would be right, and ends with 2. */
export const refuse = (why: string, usage: string): never => {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}

const isUrl = (text: string, schemes: RegExp): boolean =>
  URL.canParse(text) && schemes.test(new URL(text).protocol)

/** What the variables of the environment must be. Their values are not shown: one of them has a password. */
const variables: Readonly<Record<string, readonly [rule: string, holds: (text: string) => boolean]>> = {
  PORT: ["a number from 0 to 65535", (text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535],
  DATABASE_URL: [
    "an address such as postgres://user:password@host:5432/database",
    (text) => isUrl(text, /^postgres(ql)?:$/)
  ],
  OTEL_EXPORTER_OTLP_ENDPOINT: ["the URL of a collector", (text) => isUrl(text, /^https?:$/)]
}

/**
 * The arguments that were given, at most so many. `--help` shows the usage and ends. Variables of the environment that the
 * usage names are looked at as well.
 */
export const argumentsOf = (usage: string, most = 0): ReadonlyArray<string> => {
  const read = () => {
    try {
      return parseArgs({ allowPositionals: true, options: { help: { type: "boolean", short: "h" } } })
    } catch (error) {
      return refuse(error instanceof Error ? error.message : "These arguments make no sense.", usage)
    }
  }
  const { positionals, values } = read()
  if (values.help === true) {
    console.log(usage)
    process.exit(0)
  }
  for (const [name, [rule, holds]] of Object.entries(variables)) {
    const value = process.env[name]
    if (value !== undefined && usage.includes(name) && !holds(value))
      refuse(`${name} must be ${rule}.`, usage)
  }
  const extra = positionals[most]
  return extra === undefined ? positionals : refuse(`Nobody asked for "${extra}".`, usage)
}

/** Columns of the terminal, from 60 to 120; 80 where there is none that says so. */
export const columns = (): number => {
  const said = process.stdout.columns ?? Number(process.env["COLUMNS"])
  return Math.min(120, Math.max(60, said > 0 ? said : 80))
}

/** In lines of at most so many characters, broken between words where that can be. */
export const wrap = (text: string, most: number): string => joined(text.split(/\s+/), " ", most)

/** The parts in as few lines of at most so many characters as they need in this order. */
export const joined = (parts: ReadonlyArray<string>, between: string, most: number): string => {
  const lines: Array<string> = []
  let line = ""
  for (const part of parts.flatMap((each) => each.match(new RegExp(`.{1,${most}}`, "gu")) ?? [])) {
    if (line !== "" && line.length + between.length + part.length > most) {
      lines.push(line)
      line = part
    } else line = line === "" ? part : line + between + part
  }
  return [...lines, line].join("\n")
}
