/**
 * Where a database is, as far as that can be seen without asking it. Nothing that is said of it repeats it.
 */
import { Redacted } from "effect"
import { InvalidConfig } from "lemmings"

const invalid = (field: string, value: unknown, rule: string) => new InvalidConfig({ field, value, rule })

const isUsable = (url: string): boolean => {
  // A folder of sockets, with a database behind a space.
  if (url.startsWith("/")) return true
  if (!URL.canParse(url) || /\s/.test(url)) return false
  const { password, pathname, protocol, username } = new URL(url)
  if (protocol !== "postgres:" && protocol !== "postgresql:" && protocol !== "socket:") return false
  try {
    for (const part of [username, password, pathname]) decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}

/**
 * The address as the driver takes it. Throws `InvalidConfig` where it is none, without saying what was given.
 */
export const urlOf = (given: string | Redacted.Redacted): string => {
  const url: unknown = Redacted.isRedacted(given) ? Redacted.value(given) : given
  if (typeof url === "string" && isUsable(url)) return url
  const rule = `an address such as "postgres://user:password@host:5432/database", in which what is no letter or digit is percent-encoded`
  throw invalid("url", "<redacted>", rule)
}

/**
 * The name of a schema, which stands in statements. Throws `InvalidConfig` where it would have to be quoted.
 */
export const schemaOf = (schema: string | undefined): string | undefined => {
  if (schema === undefined || (/^[a-z_][a-z0-9_]{0,49}$/.test(schema) && !schema.startsWith("pg_")))
    return schema
  const rule = `lower-case letters, digits and "_", at most 50, not beginning with a digit or "pg_"`
  throw invalid("schema", schema, rule)
}

/** How many connections. Throws `InvalidConfig` where that is no number of them. */
export const connectionsOf = (connections: number | undefined): number | undefined => {
  if (
    connections === undefined ||
    (Number.isInteger(connections) && connections >= 1 && connections <= 10_000)
  )
    return connections
  throw invalid("connections", connections, "an integer from 1 to 10,000")
}
