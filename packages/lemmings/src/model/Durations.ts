/**
 * What a setting that is a duration must be, and its milliseconds: one place for all of them, so that each mistake is told in
 * the same words, with the field, the value and the rule. Shared with the other packages of the repository, and no part of
 * the public surface.
 */
import { Duration, Effect, Option } from "effect"
import { InvalidConfig } from "./HerdError.ts"

/** What durations are allowed. */
export interface Rule {
  /** Completes "must be …". */
  readonly text: string
  /** The milliseconds of what follows the rule, `Infinity` for `"never"`. `undefined` for all else. */
  readonly millis: (value: unknown) => number | undefined
}

const units: ReadonlyArray<string> = [
  "weeks",
  "days",
  "hours",
  "minutes",
  "seconds",
  "milliseconds",
  "microseconds",
  "nanoseconds"
]

/** Effect takes NaN and records of anything for 0; here they are mistakes. */
const isMistaken = (value: object): boolean => {
  if (Duration.isDuration(value)) return false
  if (Array.isArray(value)) return value.some(Number.isNaN)
  const parts = Object.entries(value)
  return parts.length === 0 || parts.some(([unit, n]) => !units.includes(unit) || Number.isNaN(n))
}

/** The milliseconds of a duration, negative ones included. */
const millisOf = (value: unknown): number | undefined => {
  if (typeof value === "number") return Number.isNaN(value) ? undefined : value
  if (
    typeof value === "object"
      ? value === null || isMistaken(value)
      : !["string", "bigint"].includes(typeof value)
  )
    return undefined
  return Option.getOrUndefined(Option.map(Duration.fromInput(value as Duration.Input), Duration.toMillis))
}

/**
 * A rule. Of durations of `least` milliseconds and more, or longer than 0 with `least: "positive"`. `never`: the word is
 * allowed, and means `Infinity`. `finite`: `Infinity` is refused.
 */
export const rule = ({
  finite = false,
  least = 0,
  never = false
}: {
  readonly least?: number | "positive" | undefined
  readonly never?: boolean | undefined
  readonly finite?: boolean | undefined
} = {}): Rule => {
  const range =
    least === "positive"
      ? "longer than 0"
      : `at least ${least === 0 ? "0" : Duration.format(Duration.millis(least))}`
  const follows = (n: number) => (least === "positive" ? n > 0 : n >= least) && !(finite && n === Infinity)
  return {
    text: `a ${finite ? "finite " : ""}duration such as "5 seconds", ${range}${never ? `, or "never"` : ""}`,
    millis: (value) => {
      if (never && value === "never") return Infinity
      const n = millisOf(value)
      return n !== undefined && follows(n) ? n : undefined
    }
  }
}

/** At least 0. */
export const any: Rule = rule()

/** At least 0, or "never". */
export const orNever: Rule = rule({ never: true })

/** Longer than 0. */
export const positive: Rule = rule({ least: "positive" })

/** Longer than 0 and finite. */
export const finite: Rule = rule({ least: "positive", finite: true })

/** The milliseconds of a field. Throws `InvalidConfig` where the value breaks the rule. */
export const decodeUnsafe = (field: string, value: unknown, { millis, text }: Rule = any): number => {
  const n = millis(value)
  if (n === undefined) throw new InvalidConfig({ field, value, rule: text })
  return n
}

/** The milliseconds of a field. */
export const decode = (
  field: string,
  value: unknown,
  { millis, text }: Rule = any
): Effect.Effect<number, InvalidConfig> => {
  const n = millis(value)
  return n === undefined ? Effect.fail(new InvalidConfig({ field, value, rule: text })) : Effect.succeed(n)
}
