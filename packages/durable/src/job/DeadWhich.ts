/** Which dead letters somebody means. What could mean all of them by mistake is refused. */
import { InvalidConfig } from "lemmings"
import type { DeadFilter } from "../port/JobStore.ts"
import { describe, jsonOf, plain } from "../port/Json.ts"

const known = new Set(["ids", "payload", "diedBefore"])

const refuse = (field: string, value: unknown, rule: string) => new InvalidConfig({ field, value, rule })

/** Fields that are `undefined`, however deep: they would be left out of what is compared. */
const undefinedIn = (value: unknown): boolean =>
  value === undefined ||
  (typeof value === "object" && value !== null && Object.values(value).some(undefinedIn))

const payloadOf = (payload: unknown): NonNullable<DeadFilter["payload"]> => {
  const rule = "fields of the payload with their values as JSON: at least one, and none undefined"
  let value: unknown
  try {
    value = plain(payload)
  } catch (error) {
    throw refuse("payload", describe(error), rule)
  }
  const fields = typeof value === "object" && value !== null && !Array.isArray(value)
  if (!fields || Object.keys(value as object).length === 0 || undefinedIn(payload))
    throw refuse("payload", jsonOf(value), rule)
  return value as NonNullable<DeadFilter["payload"]>
}

/**
 * A filter, read once. Throws `InvalidConfig` where a field is unknown, `undefined`, or not what it should be, or where there
 * is none.
 */
export const filterOf = (given: unknown): DeadFilter => {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw refuse("filter", describe(given), `a filter, or "all"`)
  const filter: { -readonly [K in keyof DeadFilter]: DeadFilter[K] } = {}
  for (const [field, value] of Object.entries(given)) {
    if (!known.has(field) || value === undefined)
      throw refuse(field, value, "ids, payload or diedBefore, and not undefined")
    if (field === "payload") filter.payload = payloadOf(value)
    else if (field === "diedBefore") {
      if (typeof value !== "number" || !(Math.abs(value) <= 8.64e15))
        throw refuse(field, value, "epoch milliseconds")
      filter.diedBefore = Math.max(value, 0)
    } else {
      if (!Array.isArray(value) || value.some((id) => typeof id !== "string"))
        throw refuse(field, describe(value), "a list of ids of dead letters")
      filter.ids = [...(value as ReadonlyArray<string>)]
    }
  }
  if (Object.keys(filter).length === 0)
    throw refuse("filter", "{}", `at least one of ids, payload and diedBefore, or "all"`)
  return filter
}

/** A filter, or all of them, which must be said. Throws `InvalidConfig`. */
export const whichOf = (given: unknown): DeadFilter | undefined =>
  given === "all" ? undefined : filterOf(given)
