/** The command of the benches, in a process of its own. */
import { Schema } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Report } from "../../src/Report.ts"

const main = fileURLToPath(import.meta.resolve("../../src/main.ts"))

export interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export const bench = (...args: ReadonlyArray<string>): Promise<Run> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1, stdout, stderr })
    })
  })

export const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Report))
