/** Who may ask for what, decided from a request's head alone. */
import { BodyTooLarge, Forbidden, NotJson, type TooManyGuesses, Unauthorized } from "../model/ControlError.ts"
import type { Settings } from "../model/Settings.ts"

/** The head of a request, as far as it decides. */
export interface Head {
  readonly method: string
  readonly headers: { readonly [name: string]: string | undefined }
  /** The address of the caller, where it is known. */
  readonly remoteAddress: string | undefined
}

/** What a route asks of its callers: `guarded` everything, `open` no token, `live` nothing. */
export type Guard = "guarded" | "open" | "live"

export type Refusal = Unauthorized | Forbidden | BodyTooLarge | NotJson | TooManyGuesses

const utf8 = new TextEncoder()

/** Whether they are the same, in a time that depends on `known` alone. */
const same = (given: Uint8Array, known: Uint8Array): boolean => {
  let difference = given.length ^ known.length
  for (let i = 0; i < known.length; i++) difference |= (given[i % given.length] ?? 0) ^ (known[i] ?? 0)
  return difference === 0
}

/** Whether an IP address is this machine's own. */
export const isLocal = (address: string): boolean =>
  address === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(address)

/** `localhost:2112` without its port. */
const nameOf = (host: string): string => host.toLowerCase().replace(/:\d*$/, "")

const decodeBasic = (credentials: string): string | undefined => {
  try {
    return atob(credentials)
  } catch {
    return undefined
  }
}

/** The token that a request shows: as a bearer's, or as the password of anybody. */
export const shown = (authorization: string | undefined): string | undefined => {
  const [, scheme = "", credentials = ""] = /^(\w+) +(\S+) *$/.exec(authorization ?? "") ?? []
  if (scheme.toLowerCase() === "bearer") return credentials
  if (scheme.toLowerCase() !== "basic") return undefined
  const pair = decodeBasic(credentials)
  return pair?.slice(pair.indexOf(":") + 1)
}

const isSafe = (method: string): boolean => method === "GET" || method === "HEAD"

/** What proxies add. A request that has any of them did not begin on this machine, whatever its socket says. */
const forwarding = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-real-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "x-client-ip",
  "x-cluster-client-ip"
]

/** Whether a request certainly comes from a process of this machine. */
const isDirect = ({ headers, remoteAddress }: Head): boolean =>
  remoteAddress !== undefined &&
  isLocal(remoteAddress) &&
  forwarding.every((name) => headers[name] === undefined)

/** A name that no other machine's name server can give away: an address of this machine, or its own name for itself. */
const isOwnName = (name: string): boolean =>
  name === "localhost" || isLocal(name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name)

const isHostAllowed = (settings: Settings, host: string): boolean => {
  if (settings.allowedHosts !== undefined) return settings.allowedHosts.has(nameOf(host))
  return settings.tokens.length > 0 || settings.withoutToken === "anyone" || isOwnName(nameOf(host))
}

/** A page of another origin sends its own `Origin`, and browsers say `cross-site`. Programs send neither. */
const fromStranger = (settings: Settings, { headers }: Head): boolean => {
  const { host, origin } = headers
  if (origin !== undefined && settings.allowedOrigins.has(origin.toLowerCase())) return false
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") return true
  if (origin === undefined) return false
  try {
    return new URL(origin).host !== host?.toLowerCase()
  } catch {
    // "null": a page without an origin of its own.
    return true
  }
}

/** Somebody follows a link, and sees what is answered. The page with the link does not. */
const isNavigation = ({ headers, method }: Head): boolean =>
  isSafe(method) && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document"

const strange = ({ headers: { host = "", origin } }: Head): Forbidden => {
  const other = origin === undefined || origin === "null" ? "another origin" : origin
  const hint =
    origin === undefined || origin === "null"
      ? ""
      : ` The Host header says ${JSON.stringify(host)}. Where a proxy changes Host, have it keep the name, or add ${JSON.stringify(origin)} to the allowedOrigins option.`
  return new Forbidden({ reason: "origin", message: `The request came from a page of ${other}.${hint}` })
}

const unauthorized = () =>
  new Unauthorized({
    message: `Send the token as "Authorization: Bearer <token>", or as the password of basic authentication.`
  })

// curl says that a body is a form when nobody tells it otherwise.
const jsonTypes = new Set(["application/json", "application/x-www-form-urlencoded", ""])

/**
 * What the shown token lets its bearer do. `undefined`: it is no token. Every known one is compared, to its end.
 */
const roleOf = ({ tokens }: Pick<Settings, "tokens">, token: string): "change" | "read" | undefined => {
  const given = utf8.encode(token)
  let role: "change" | "read" | undefined
  for (const { bytes, changes } of tokens)
    if (same(given, bytes)) role = changes || role === "change" ? "change" : "read"
  return role
}

/** Why a request is refused, or `undefined` when it is not. Nothing of its body has been read. */
export const refusal = (settings: Settings, guard: Guard, head: Head): Refusal | undefined => {
  if (guard === "live") return undefined
  const { headers, method } = head
  const withToken = settings.tokens.length > 0
  if (!withToken && settings.withoutToken === "local" && !isDirect(head)) {
    const message =
      "Without a token, only callers on this machine are answered, and no proxies. Set the token option."
    return new Forbidden({ reason: "address", message })
  }
  const host = headers["host"] ?? ""
  if (!isHostAllowed(settings, host)) {
    const message = `The Host header says ${JSON.stringify(host)}, which is no name of this machine and not among the allowedHosts option.`
    return new Forbidden({ reason: "host", message })
  }
  if (!isNavigation(head) && fromStranger(settings, head)) return strange(head)
  let mayChange = true
  if (withToken && guard === "guarded") {
    const role = roleOf(settings, shown(headers["authorization"]) ?? "")
    if (role === undefined) return unauthorized()
    mayChange = role === "change"
  }
  if (isSafe(method)) return undefined
  if (!mayChange) {
    const message = "This token may see everything and change nothing: it is one of the readToken option."
    return new Forbidden({ reason: "role", message })
  }
  if (settings.readOnly) {
    const message = "Herds can be seen here and not changed: the readOnly option is set."
    return new Forbidden({ reason: "readOnly", message })
  }
  const length = Number(headers["content-length"] ?? 0)
  if (length > settings.maxBodyBytes) return tooLarge(settings)
  const contentType = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
  if (length > 0 && !jsonTypes.has(contentType)) {
    const message = `Send JSON, with "Content-Type: application/json".`
    return new NotJson({ contentType, message })
  }
  return undefined
}

export const tooLarge = ({ maxBodyBytes }: Pick<Settings, "maxBodyBytes">): BodyTooLarge =>
  new BodyTooLarge({ limitBytes: maxBodyBytes, message: `A body may have at most ${maxBodyBytes} bytes.` })
