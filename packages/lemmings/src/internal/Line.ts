/** Texts of others in lines of ours. */

/** What ends a line, moves a cursor, or changes the direction of what follows: control and format characters, separators. */
const moving = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u
const all = new RegExp(moving, "gu")

const named: { readonly [sign: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/**
 * The text in one line, in which nothing but letters and signs is left: what would move a cursor or end the line is escaped.
 */
export const inLine = (text: string): string =>
  moving.test(text)
    ? text.replace(all, (sign) => named[sign] ?? `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`)
    : text

/** How a line about a herd or a pool begins. */
export const titled = (kind: "herd" | "pool", id: string): string => `${kind} ${inLine(id)}`
