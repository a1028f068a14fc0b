/**
 * What may be stored of a value, whatever it is. User code makes these values: nothing here throws but what it says.
 */

/** Longest description, in UTF-16 units. */
const longest = 8_192

/** A text that every store takes: without NUL and lone surrogates, which PostgreSQL has no room for. */
export const cleanText = (text: string): string => text.replaceAll("\u0000", "").toWellFormed()

const said = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)

/** An object may throw at every touch: a Proxy, a getter, a `toString`. */
const guarded = (say: () => unknown): string | undefined => {
  try {
    const text: unknown = say()
    return typeof text === "string" ? text : undefined
  } catch {
    return undefined
  }
}

/**
 * Says what somebody threw or failed with, in at most 8,192 characters that every store takes. Never throws.
 */
export const describe = (error: unknown): string => {
  const text =
    guarded(() => said(error)) ??
    guarded(() => error instanceof Error && `${error.name} (its message cannot be read)`) ??
    guarded(() => `${Object.prototype.toString.call(error)} that cannot be described`) ??
    "a value that cannot be described"
  return cleanText(text.length > longest ? `${text.slice(0, longest - 1)}…` : text)
}

/** The same, and of an error its message alone. */
export const messageOf = (error: unknown): string =>
  guarded(() => error instanceof Error && error.message !== "" && cleanText(error.message)) ?? describe(error)

/** In JSON: an escape of NUL, or of a surrogate, which is escaped where it has no partner. An escaped `\` is none. */
const escapes = /(?<!\\)((?:\\\\)*)\\u(0000|d[89a-f][0-9a-f]{2})/gi

/** A value is not one of JSON, or not one that stores take. */
export class NotJson extends TypeError {
  override readonly name = "NotJson"
}

/** The JSON of a value. What has none, as a function has none, is null. Throws `NotJson`. */
export const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? "null"
  } catch (cause) {
    throw new NotJson(`not a value of JSON: ${describe(cause)}`)
  }
}

/** Deepest nesting of lists and objects. Databases and other readers go down it on a stack of their own. */
const deepest = 256

/** Whether the brackets of a JSON text go deeper. */
const isDeep = (text: string): boolean => {
  if (text.length <= 2 * deepest) return false
  let depth = 0
  let inText = false
  for (let i = 0; i < text.length; i++) {
    const sign = text.charCodeAt(i)
    if (inText) {
      if (sign === 92) i++
      else if (sign === 34) inText = false
    } else if (sign === 34) inText = true
    else if (sign === 91 || sign === 123) {
      if (++depth > deepest) return true
    } else if (sign === 93 || sign === 125) depth--
  }
  return false
}

const utf8 = new TextEncoder()

/** At most so many bytes of UTF-8. A UTF-16 unit is one to three of them. */
const isWithin = (text: string, bytes: number): boolean =>
  text.length * 3 <= bytes || (text.length <= bytes && utf8.encode(text).length <= bytes)

const misfit = () => new NotJson("a text holds a NUL character or a lone surrogate, which stores do not take")

const copy = (value: unknown, unfit: (text: string) => string, maxBytes = Infinity): unknown => {
  if (value === undefined || typeof value === "boolean") return value ?? null
  const text = jsonOf(value)
  if (!isWithin(text, maxBytes)) throw new NotJson(`its JSON has more than ${maxBytes} bytes`)
  if (isDeep(text)) throw new NotJson(`it is nested deeper than ${deepest} levels`)
  const fit = text.includes("\\u") && text.search(escapes) >= 0 ? unfit(text) : text
  return typeof value === "string" && fit === text ? value : JSON.parse(fit)
}

/**
 * A copy of a value as it comes back from every store, so that none can fail at it, and nothing that happens to the value
 * later changes it. What has no JSON is null.
 *
 * Throws `NotJson` where the value cannot be JSON, or has more bytes of JSON than that, or is nested deeper than 256 levels, or a
 * text of it holds what stores do not take.
 */
export const plain = (value: unknown, maxBytes?: number): unknown =>
  copy(
    value,
    () => {
      throw misfit()
    },
    maxBytes
  )

/** The same, with the characters that stores do not take left out or replaced: for what people read. */
export const clean = (value: unknown, maxBytes?: number): unknown =>
  copy(
    value,
    (text) =>
      text.replaceAll(escapes, (_, before: string, code: string) =>
        code === "0000" ? before : `${before}\ufffd`
      ),
    maxBytes
  )

/** Whether a text is one that every store takes. */
export const isFit = (value: unknown): value is string =>
  typeof value === "string" && !value.includes("\u0000") && value.isWellFormed()

/** Whether two values of JSON are equal: the order of fields does not count, that of lists does. */
export const equal = (a: unknown, b: unknown): boolean => {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const fields = Object.keys(a)
  return (
    fields.length === Object.keys(b).length &&
    fields.every((field) => Object.hasOwn(b, field) && equal(Reflect.get(a, field), Reflect.get(b, field)))
  )
}
