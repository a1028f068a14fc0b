/**
 * The arguments of an example.
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
