/** What may stand in the query of a request: the names that the API declares for its path, and no other. */
import { HttpApi } from "effect/http-api"
import { ControlApi } from "../api/ControlApi.ts"
import { BadRequest } from "../model/ControlError.ts"
import * as Paths from "./Paths.ts"

const declared = new Map<string, ReadonlySet<string>>()

HttpApi.reflect(ControlApi, {
  onGroup: () => {},
  onEndpoint: ({ endpoint: { method, path, query } }) => {
    const ast = query?.ast
    const names = ast?._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []
    declared.set(`${method} ${path}`, new Set(names))
  }
})

const none: ReadonlySet<string> = new Set()

const ruleOf = (changes: boolean, names: ReadonlySet<string>): string => {
  if (changes) return "left away: a change takes what it is told from its body"
  if (names.size === 0) return "left away: nothing is asked for in the query of this path"
  return `one of ${[...names].join(", ")}, or left away`
}

/** Whoever asks these restarts the process for a 400, or sends it no work, whatever is added to the address. */
const always: ReadonlySet<string> = new Set(["/health/live", "/health/ready"])

/** The first name in the query that nobody would read, as an answer. `path` is that of the route. */
export const misspelt = (method: string, path: string, url: string): BadRequest | undefined => {
  if (always.has(path)) return undefined
  const changes = method !== "GET" && method !== "HEAD"
  const names = declared.get(`${changes ? method : "GET"} ${path}`) ?? none
  const field = Paths.queryNames(url).find((name) => !names.has(name))
  if (field === undefined) return undefined
  const rule = ruleOf(changes, names)
  const message = `${field === "" ? `""` : field} must be ${rule}. Nothing was changed.`
  return new BadRequest({ field, rule, message })
}
