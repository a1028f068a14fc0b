/**
 * The arguments of an example, and the room that it has to answer.
 */
import { parseArgs } from "node:util"

/** Says what is wrong, and how it would be right, and ends with 2. */
export const refuse = (why: string, usage: string): never => {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}

/** The arguments that were given, at most so many. `--help` shows the usage and ends. */
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
