/**
 * Where a database is, as far as that can be seen without asking it. Nothing that is said of it repeats it.
 */
import { Redacted } from "effect"
import { InvalidConfig } from "lemmings"

/** Completes "must be …". */
export const urlRule = `an address such as "postgres://user:password@host:5432/database", in which what is no letter or digit is percent-encoded`

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
export const urlOf = (given: string | Redacted.Redacted | undefined): string => {
  const url: unknown = Redacted.isRedacted(given) ? Redacted.value(given) : given
  if (typeof url === "string" && isUsable(url)) return url
  throw new InvalidConfig({ field: "url", value: "<redacted>", rule: urlRule })
}
