/**
 * The arguments of an example, and the room that it has to answer.
 */
import { parseArgs } from "node:util"

// Who has read enough closes the pipe, as `head` does. Nothing is wrong then, and what is at work is finished.
for (const output of [process.stdout, process.stderr])
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") throw error
  })

/** Says what is wrong, and how it would be right, and ends with 2. */
export const refuse = (why: string, usage: string): never => {
  console.error(folded(`${why}\n\n${usage}`))
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
    console.log(folded(usage))
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

/** Columns of the terminal, from 60 to 120; 80, or so many, where there is none that says so. */
export const columns = (otherwise = 80): number => {
  const said = process.stdout.columns ?? Number(process.env["COLUMNS"])
  return said > 0 ? Math.min(120, Math.max(60, said)) : otherwise
}

/** Lines that fit between the edges of a terminal. What a program reads stays as it is. */
export const fitted = (text: string): string => folded(text, columns(Infinity))

/**
 * The text with its longer lines broken between words. What follows a wide gap, as the meaning of an option does, goes on
 * under its beginning, or in lines of its own where that is far to the right.
 */
export const folded = (text: string, most = columns()): string =>
  text
    .split("\n")
    .map((line) => (line.length <= most ? line : foldedLine(line, most)))
    .join("\n")

const foldedLine = (line: string, most: number): string => {
  const [, start = "", label = "", rest = ""] = /^( *)(?:(\S.*?) {2,}(?=\S))?(.*)$/u.exec(line) ?? []
  if (label === "") return indented(wrap(rest, most - start.length), start)
  const at = line.length - rest.length
  if (at <= most / 2) {
    const lines = indented(wrap(rest, most - at), " ".repeat(at))
    return line.slice(0, at) + lines.slice(at)
  }
  const deeper = `${start}    `
  const [first = "", ...more] = label.length + start.length <= most ? [label] : label.split(" ")
  const parts = [start + first, indented(wrap(more.join(" "), most - deeper.length), deeper)]
  return [...parts, indented(wrap(rest, most - deeper.length), deeper)]
    .filter((part) => part.trim() !== "")
    .join("\n")
}

const indented = (lines: string, by: string): string => by + lines.replaceAll("\n", `\n${by}`)

/** A formatter of a help whose lines fit. */
export const folding = <A extends { readonly formatHelpDoc: (doc: never) => string }>(formatter: A): A => ({
  ...formatter,
  formatHelpDoc: (doc: never) => folded(formatter.formatHelpDoc(doc))
})

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
