/** What PostgreSQL's errors mean to jobs: a table of SQLSTATE classes and codes. */
import { NotJson } from "../port/Json.ts"

/**
 * - `away`: the database cannot be reached, or takes nothing. Asking again later is right, and nobody else gets through.
 * - `passing`: this statement did not get through, for a reason that passes. Asking again is right.
 * - `refused`: it said no, and would say so again.
 */
export type Kind = "away" | "passing" | "refused"

/** The first one that fits counts. */
const table: ReadonlyArray<readonly [pattern: RegExp, kind: Kind, what: string]> = [
  [/^08/, "away", "connection exceptions"],
  [/^28/, "away", "the role, or its password, is not accepted"],
  [/^3D000/, "away", "there is no such database"],
  [/^53400/, "refused", "a configured limit was exceeded"],
  [/^53/, "away", "no room: the disk, memory, or connections"],
  [/^57014/, "passing", "a statement was cancelled, or took longer than statement_timeout"],
  [/^57/, "away", "the server is stopped, starts, or ends sessions"],
  [/^58/, "away", "errors of the machine below"],
  [/^25006/, "away", "the database takes no writes: it is a replica, or was made one"],
  [/^25P0[34]/, "passing", "a transaction took longer than it may"],
  [/^40/, "passing", "a deadlock, or two transactions that cannot both be"],
  [/^55/, "passing", "an object is in use, or is locked"],
  [/^26000/, "passing", "a pooler lost a prepared statement"],
  [/^0A000/, "passing", "a plan is of before the last migration"],
  [/^XX/, "passing", "internal errors, such as a row that two changed"]
]

/** Errors of a socket, and of the driver, which have codes of their own. */
const socket = /^(E[A-Z]{2,}|ERR_)/

const codeOf = (error: unknown): string | undefined => {
  const code: unknown = Reflect.get(Object(error), "code")
  return typeof code === "string" ? code : undefined
}

/** The SQLSTATE of an error, or of what it was made of: a client of another library wraps it. */
const stateOf = (error: unknown, depth = 5): string | undefined => {
  if (typeof error !== "object" || error === null || depth === 0) return undefined
  const code = codeOf(error)
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !socket.test(code)) return code
  return stateOf(Reflect.get(error, "cause"), depth - 1) ?? stateOf(Reflect.get(error, "reason"), depth - 1)
}

/** Whether an error is that there is no room on the disk or in memory: others may still find some. */
export const isFull = (error: unknown): boolean => /^(53[12]|58)/.test(stateOf(error) ?? "")

/** What an error means. One that no server has said is about reaching it. */
export const kindOf = (error: unknown): Kind => {
  if (!(error instanceof Error)) return "away"
  // Thrown before anything was sent.
  if (error instanceof NotJson) return "refused"
  if (error.name === "AssertionError") return /not opened/.test(error.message) ? "away" : "refused"
  const state = stateOf(error)
  if (state !== undefined) return table.find(([pattern]) => pattern.test(state))?.[1] ?? "refused"
  const code = codeOf(error)
  return code === undefined || socket.test(code) ? "away" : "refused"
}
