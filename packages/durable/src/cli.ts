#!/usr/bin/env node
/** The command `lemmings-durable`: what `Admin` does, from a shell. */
import { Cause, Effect, Exit } from "effect"
import { parseArgs } from "node:util"
import * as Admin from "./Admin.ts"

const usage = `lemmings-durable migrate --url URL [--schema NAME] [--grant ROLE]
    installs the tables in PostgreSQL, or brings them up to this release; the role given may use them
lemmings-durable dump DIRECTORY FILE
    writes an embedded store, which nobody has open, into a file
lemmings-durable load FILE DIRECTORY
    makes an embedded store of such a file in an empty directory

URL defaults to the variable DATABASE_URL.
`

/** What the arguments ask for. `undefined`: nothing that there is. */
const commandOf = (args: ReadonlyArray<string>): Effect.Effect<void, Error> | "help" | undefined => {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      url: { type: "string" },
      schema: { type: "string" },
      grant: { type: "string" },
      help: { type: "boolean", short: "h" }
    }
  })
  if (values.help === true) return "help"
  const [name, from, to, ...more] = positionals
  const { grant, schema, url = process.env["DATABASE_URL"] } = values
  const plain = grant === undefined && schema === undefined && values.url === undefined
  if (name === "migrate" && url !== undefined && from === undefined)
    return Admin.migrate({ url, schema, grant })
  if (from === undefined || to === undefined || more.length > 0 || !plain) return undefined
  if (name === "dump") return Admin.dump({ directory: from, file: to })
  if (name === "load") return Admin.load({ file: from, directory: to })
  return undefined
}

const main = async () => {
  let command: Effect.Effect<void, Error> | "help" | undefined
  try {
    command = commandOf(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  }
  if (command === "help") return void process.stdout.write(usage)
  if (command === undefined) {
    process.stderr.write(usage)
    process.exitCode = 2
    return
  }
  const exit = await Effect.runPromiseExit(command)
  if (Exit.isSuccess(exit)) return
  const error = Cause.squash(exit.cause)
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

await main()
