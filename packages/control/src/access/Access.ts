/**
 * Who may ask for what, decided from a request's head alone.
 *
 * @since 0.3.0
 */
import { Mac } from "effect/crypto"
import { BodyTooLarge, Forbidden, NotJson, Unauthorized } from "../model/ControlError.ts"
import type { Settings } from "../model/Settings.ts"

/**
 * The head of a request, as far as it decides.
 *
 * @category models
 * @since 0.3.0
 */
export interface Head {
  readonly method: string
  readonly headers: { readonly [name: string]: string | undefined }
  /** The address of the peer, where it is known. */
  readonly remoteAddress: string | undefined
}

/**
 * What a route asks of its callers: `guarded` everything, `open` no token, `live` nothing.
 *
 * @category models
 * @since 0.3.0
 */
export type Guard = "guarded" | "open" | "live"

/**
 * @category models
 * @since 0.3.0
 */
export type Refusal = Unauthorized | Forbidden | BodyTooLarge | NotJson

const utf8 = new TextEncoder()

const same = (a: string, b: string): boolean => Mac.timingSafeEqual(utf8.encode(a), utf8.encode(b))

/**
 * Whether an IP address is this machine's own.
 *
 * @category decisions
 * @since 0.3.0
 */
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
const shown = (authorization: string | undefined): string | undefined => {
  const [, scheme = "", credentials = ""] = /^(\w+) +(\S+) *$/.exec(authorization ?? "") ?? []
  if (scheme.toLowerCase() === "bearer") return credentials
  if (scheme.toLowerCase() !== "basic") return undefined
  const pair = decodeBasic(credentials)
  return pair?.slice(pair.indexOf(":") + 1)
}

const isSafe = (method: string): boolean => method === "GET" || method === "HEAD"

/** A page of another origin sends its own `Origin`, and browsers say `cross-site`. Programs send neither. */
const fromStranger = ({ headers }: Head): boolean => {
  const { host, origin } = headers
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

// curl says that a body is a form when nobody tells it otherwise.
const jsonTypes = new Set(["application/json", "application/x-www-form-urlencoded", ""])

/**
 * Why a request is refused, or `undefined` when it is not. Nothing of its body has been read.
 *
 * @category decisions
 * @since 0.3.0
 */
export const refusal = (settings: Settings, guard: Guard, head: Head): Refusal | undefined => {
  if (guard === "live") return undefined
  const { headers, method, remoteAddress } = head
  if (settings.token === undefined && remoteAddress !== undefined && !isLocal(remoteAddress)) {
    const message = "Without a token, only callers on this machine are answered. Set the token option."
    return new Forbidden({ reason: "address", message })
  }
  const host = headers["host"] ?? ""
  if (settings.allowedHosts !== undefined && !settings.allowedHosts.has(nameOf(host))) {
    const message = `The Host header says ${JSON.stringify(host)}, which is not among the allowedHosts option.`
    return new Forbidden({ reason: "host", message })
  }
  if (settings.token !== undefined && guard === "guarded") {
    const token = shown(headers["authorization"])
    if (token === undefined || !same(token, settings.token)) {
      const message = `Send the token as "Authorization: Bearer <token>", or as the password of basic authentication.`
      return new Unauthorized({ message })
    }
  }
  if (isSafe(method)) return undefined
  if (fromStranger(head)) {
    const message = "The request came from a page of another origin."
    return new Forbidden({ reason: "origin", message })
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

/**
 * @category errors
 * @since 0.3.0
 */
export const tooLarge = ({ maxBodyBytes }: Pick<Settings, "maxBodyBytes">): BodyTooLarge =>
  new BodyTooLarge({ limitBytes: maxBodyBytes, message: `A body may have at most ${maxBodyBytes} bytes.` })
