/**
 * Values of every odd kind, the same ones for the same seed.
 */

/** Numbers from 0 to below 1. */
const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const signs = [
  "a",
  "/",
  "%",
  "%2F",
  "\n",
  "\u0000",
  '"',
  "'",
  "<",
  "ü",
  "☃",
  "👩‍👧",
  ".",
  " ",
  "\\",
  "__proto__",
  "\u202e"
]
const scalars = [null, true, false, 0, -1, 1, 3, 1.5, 1e308, -0, "", "auto", "3", [], {}]

export const makeOdd = (seed: number, keys: ReadonlyArray<string>) => {
  const next = random(seed)
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(next() * all.length)]!
  const upTo = (most: number) => Array.from({ length: Math.floor(next() * (most + 1)) }, (_, n) => n)
  const text = (): string => [0, ...upTo(8)].map(() => pick(signs)).join("")
  const value = (depth: number): unknown => {
    const kind = next()
    if (depth === 0 || kind < 0.5) return kind < 0.1 ? text() : pick(scalars)
    if (kind < 0.65) return upTo(3).map(() => value(depth - 1))
    return Object.fromEntries(upTo(3).map(() => [next() < 0.8 ? pick(keys) : text(), value(depth - 1)]))
  }
  return { text, value }
}
