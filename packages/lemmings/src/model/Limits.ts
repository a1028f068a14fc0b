/**
 * The limits of a herd, as options and after decoding.
 *
 * @since 0.5.0
 */
import { type Duration, Effect } from "effect"
import * as Durations from "./Durations.ts"
import { InvalidConfig } from "./HerdError.ts"

/**
 * A rate after decoding.
 *
 * @category models
 * @since 0.5.0
 */
export interface RateLaw {
  /** Weight that may start in `perMillis`, at least 0. 0: nothing may start. */
  readonly limit: number
  readonly perMillis: number
  /** Most weight that may start at once. `"sliding"` allows `limit`. */
  readonly burst: number
  readonly window: "gcra" | "sliding"
}

/**
 * What an overload is, and who is then dropped. After decoding.
 *
 * @category models
 * @since 0.5.0
 */
export interface OverloadLaw {
  /** Milliseconds without an empty line that make an overload. */
  readonly after: number
  /** Milliseconds that a task may have waited when it is started during an overload. Beyond, it is shed. */
  readonly maxWait: number
  /** Who is next in a flow during an overload. */
  readonly order: "oldestFirst" | "newestFirst"
}

/**
 * How many retries there may be. After decoding.
 *
 * @category models
 * @since 0.5.0
 */
export interface RetryBudgetLaw {
  /** Retries for each first attempt, above 0 and at most 1. */
  readonly ratio: number
  /** Retries a second that are always allowed. */
  readonly perSecond: number
}

/**
 * How much may start in a span of time.
 *
 * @category models
 * @since 0.5.0
 */
export interface RateOptions {
  /** Weight that may start in `per`, at least 0. 0: nothing starts. */
  readonly limit: number
  readonly per: Duration.Input
  /** Most weight that may start at once, at least 1. Defaults to `limit`. Not with a sliding window. */
  readonly burst?: number | undefined
  /**
   * `"gcra"` (default): even, one number for each key; no window of length `per` sees more than `limit + burst - 1`.
   * `"sliding"`: exact, `limit` time stamps for each key; for a key at most 1,000.
   */
  readonly window?: "gcra" | "sliding" | undefined
}

/**
 * Limits of each key. A key is what tasks say with `key`; tasks without one have none of these.
 *
 * @category models
 * @since 0.5.0
 */
export interface KeyLimitsOptions {
  /** Most weight of one key that runs at one time, at least 1. A function may answer `undefined` for no limit. */
  readonly concurrency?: number | ((key: string) => number | undefined) | undefined
  /** The next task of a key starts when the one before has ended, its retries included. Defaults to `false`. */
  readonly ordered?: boolean | undefined
  /** `concurrency` binds only while a task of another key could run. Defaults to `false`. */
  readonly burst?: boolean | undefined
  /** Most tasks of one key that wait. Beyond, `queue.overflow` says what happens. Defaults to no limit. */
  readonly queue?: number | undefined
  /** How much of one key may start in a span of time. Of several, all must agree. */
  readonly rate?: RateOptions | ReadonlyArray<RateOptions> | undefined
  /** What a key gets of the herd while others want it, relative to theirs, above 0. Defaults to 1. For `queue.order: "fair"`. */
  readonly share?: number | ((key: string) => number | undefined) | undefined
}

/**
 * Limits of a herd.
 *
 * @category models
 * @since 0.5.0
 */
export interface LimitsOptions {
  /** Most weight that runs at one time. A task's weight is 1 unless it says another. Defaults to no limit. */
  readonly weight?: number | undefined
  /** How much may start in a span of time. Of several, all must agree. */
  readonly rate?: RateOptions | ReadonlyArray<RateOptions> | undefined
  readonly perKey?: KeyLimitsOptions | undefined
  /**
   * Whether an error says that its key has to wait, and for how long: `429` and `Retry-After`. The attempt ends and is not
   * counted, the task keeps its place, and no task of its key starts before. At most an hour; at most 10 times for one task.
   */
  readonly hold?: ((error: never) => Duration.Input | undefined) | undefined
}

/**
 * Limits after decoding. Times are milliseconds, `Infinity` is no limit.
 *
 * @category models
 * @since 0.5.0
 */
export interface Limits {
  readonly weight: number
  readonly rates: ReadonlyArray<RateLaw>
  readonly perKey: {
    readonly concurrency: number | ((key: string) => number | undefined)
    readonly ordered: boolean
    readonly burst: boolean
    readonly queue: number
    readonly rates: ReadonlyArray<RateLaw>
    readonly share: number | ((key: string) => number | undefined)
  }
  readonly hold: ((error: unknown) => Duration.Input | undefined) | undefined
}

/**
 * Options of flow control beside the limits.
 *
 * @category models
 * @since 0.5.0
 */
export interface FlowControlOptions {
  readonly limits?: LimitsOptions | undefined
  /** What an overload is, and who is then dropped. Defaults to off. */
  readonly overload?: OverloadOptions | undefined
  /** How many retries there may be, by how many first attempts there are. Defaults to no limit. */
  readonly retryBudget?: RetryBudgetOptions | undefined
}

/**
 * What an overload is, and who is then dropped.
 *
 * @category models
 * @since 0.5.0
 */
export interface OverloadOptions {
  /** An overload begins when the line has not been without a ready task for so long. Defaults to 5 seconds. */
  readonly after?: Duration.Input | undefined
  /** Longest wait of a task that is started during an overload. Beyond, it is shed. Defaults to 500 milliseconds. */
  readonly maxWait?: Duration.Input | undefined
  /** Who is next in a flow during an overload. Defaults to `"oldestFirst"`. */
  readonly order?: "oldestFirst" | "newestFirst" | undefined
}

/**
 * How many retries there may be within ten seconds.
 *
 * @category models
 * @since 0.5.0
 */
export interface RetryBudgetOptions {
  /** Retries for each first attempt, above 0 and at most 1. Defaults to 0.2. */
  readonly ratio?: number | undefined
  /** Retries a second that are always allowed, at least 0. Defaults to 10. */
  readonly perSecond?: number | undefined
}

/**
 * Flow control after decoding. `undefined` is off.
 *
 * @category models
 * @since 0.5.0
 */
export interface FlowControl {
  readonly limits: Limits | undefined
  readonly overload: OverloadLaw | undefined
  readonly retryBudget: RetryBudgetLaw | undefined
}

/**
 * No limit at all.
 *
 * @category constants
 * @since 0.5.0
 */
export const unlimited: Limits = {
  weight: Infinity,
  rates: [],
  perKey: { concurrency: Infinity, ordered: false, burst: false, queue: Infinity, rates: [], share: 1 },
  hold: undefined
}

// Time stamps of one sliding window of a key, and of the herd.
const mostStamps = 1_000
const mostHerdStamps = 1_000_000

const positive = (value: unknown): value is number => typeof value === "number" && value > 0
const atLeastOne = (value: unknown): value is number => positive(value) && value >= 1
const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const wrong = (field: string, value: unknown, rule: string) => new InvalidConfig({ field, value, rule })

const only = (field: string, value: unknown, names: ReadonlyArray<string>) => {
  if (!isRecord(value)) throw wrong(field, value, "a record of options")
  for (const name of Object.keys(value)) {
    if (value[name] !== undefined && !names.includes(name))
      throw wrong(`${field}.${name}`, value[name], `one of ${names.join(", ")}`)
  }
  return value
}

const rateOf = (field: string, value: unknown, most: number): RateLaw => {
  const { burst, limit, per, window = "gcra" } = only(field, value, ["limit", "per", "burst", "window"])
  if (typeof limit !== "number" || !(limit >= 0) || limit === Infinity)
    throw wrong(`${field}.limit`, limit, "a finite number, at least 0")
  const perMillis = Durations.decodeUnsafe(`${field}.per`, per, Durations.finite)
  if (window !== "gcra" && window !== "sliding") throw wrong(`${field}.window`, window, `"gcra" or "sliding"`)
  if (window === "sliding") {
    if (burst !== undefined) throw wrong(`${field}.burst`, burst, "left out with a sliding window")
    if (!Number.isInteger(limit) || limit > most)
      throw wrong(`${field}.limit`, limit, `an integer from 0 to ${most} with a sliding window`)
    return { limit, perMillis, burst: limit, window }
  }
  if (burst !== undefined && !(atLeastOne(burst) && burst < Infinity))
    throw wrong(`${field}.burst`, burst, "a finite number, at least 1")
  return { limit, perMillis, burst: typeof burst === "number" ? burst : Math.max(1, limit), window }
}

const ratesOf = (field: string, value: unknown, most: number): ReadonlyArray<RateLaw> => {
  if (value === undefined) return []
  if (!Array.isArray(value)) return [rateOf(field, value, most)]
  return value.map((rate, index) => rateOf(`${field}.${index}`, rate, most))
}

const flag = (field: string, value: unknown): boolean => {
  if (value !== undefined && typeof value !== "boolean") throw wrong(field, value, "true or false")
  return value === true
}

const decodeUnsafe = (value: unknown): Limits => {
  const { hold, perKey, rate, weight } = only("limits", value, ["weight", "rate", "perKey", "hold"])
  if (weight !== undefined && !positive(weight)) throw wrong("limits.weight", weight, "a number above 0")
  if (hold !== undefined && typeof hold !== "function") throw wrong("limits.hold", hold, "a function")
  const keys =
    perKey === undefined
      ? {}
      : only("limits.perKey", perKey, ["concurrency", "ordered", "burst", "queue", "rate", "share"])
  const { concurrency, queue, share } = keys
  if (concurrency !== undefined && typeof concurrency !== "function" && !atLeastOne(concurrency))
    throw wrong("limits.perKey.concurrency", concurrency, "a number, at least 1, or a function of the key")
  if (queue !== undefined && queue !== Infinity && !(atLeastOne(queue) && Number.isInteger(queue)))
    throw wrong("limits.perKey.queue", queue, "an integer, at least 1")
  if (share !== undefined && typeof share !== "function" && !(positive(share) && share < Infinity))
    throw wrong("limits.perKey.share", share, "a finite number above 0, or a function of the key")
  return {
    weight: typeof weight === "number" ? weight : Infinity,
    rates: ratesOf("limits.rate", rate, mostHerdStamps),
    perKey: {
      concurrency: (concurrency as Limits["perKey"]["concurrency"] | undefined) ?? Infinity,
      ordered: flag("limits.perKey.ordered", keys["ordered"]),
      burst: flag("limits.perKey.burst", keys["burst"]),
      queue: typeof queue === "number" ? queue : Infinity,
      rates: ratesOf("limits.perKey.rate", keys["rate"], mostStamps),
      share: (share as Limits["perKey"]["share"] | undefined) ?? 1
    },
    hold: hold as Limits["hold"]
  }
}

/**
 * Checks every field. Fails with `InvalidConfig`, which names the first field that is wrong, its value and its rule.
 *
 * @category decoding
 * @since 0.5.0
 */
export const decode = (options: LimitsOptions): Effect.Effect<Limits, InvalidConfig> =>
  checked(() => decodeUnsafe(options))

/**
 * As `decode`, at the call: whoever changes the options afterwards changes nothing.
 *
 * @category decoding
 * @since 0.5.0
 */
export const decodeNow = (options: LimitsOptions): Effect.Effect<Limits, InvalidConfig> =>
  decodedNow(() => decodeUnsafe(options))

const overloadOf = (value: unknown): OverloadLaw => {
  const { after, maxWait, order = "oldestFirst" } = only("overload", value, ["after", "maxWait", "order"])
  if (order !== "oldestFirst" && order !== "newestFirst")
    throw wrong("overload.order", order, `"oldestFirst" or "newestFirst"`)
  return {
    after: Durations.decodeUnsafe("overload.after", after ?? "5 seconds", Durations.finite),
    maxWait: Durations.decodeUnsafe("overload.maxWait", maxWait ?? "500 millis"),
    order
  }
}

const retryBudgetOf = (value: unknown): RetryBudgetLaw => {
  const { perSecond = 10, ratio = 0.2 } = only("retryBudget", value, ["ratio", "perSecond"])
  if (!positive(ratio) || ratio > 1) throw wrong("retryBudget.ratio", ratio, "a number above 0 and at most 1")
  if (typeof perSecond !== "number" || !(perSecond >= 0 && perSecond < Infinity))
    throw wrong("retryBudget.perSecond", perSecond, "a finite number, at least 0")
  return { ratio, perSecond }
}

/**
 * Checks every field of flow control.
 *
 * @category decoding
 * @since 0.5.0
 */
export const decodeAll = ({
  limits,
  overload,
  retryBudget
}: FlowControlOptions): Effect.Effect<FlowControl, InvalidConfig> =>
  checked(() => ({
    limits: limits === undefined ? undefined : decodeUnsafe(limits),
    overload: overload === undefined ? undefined : overloadOf(overload),
    retryBudget: retryBudget === undefined ? undefined : retryBudgetOf(retryBudget)
  }))

/** Runs a decoder that throws `InvalidConfig`. */
const checked = <A>(decoder: () => A): Effect.Effect<A, InvalidConfig> =>
  Effect.suspend(() => decodedNow(decoder))

const decodedNow = <A>(decoder: () => A): Effect.Effect<A, InvalidConfig> => {
  try {
    return Effect.succeed(decoder())
  } catch (error) {
    return error instanceof InvalidConfig ? Effect.fail(error) : Effect.die(error)
  }
}

const rateOptions = (laws: ReadonlyArray<RateLaw>): ReadonlyArray<RateOptions> | undefined =>
  laws.length === 0
    ? undefined
    : laws.map(({ burst, limit, perMillis, window }) => ({
        limit,
        per: perMillis,
        window,
        ...(window === "gcra" ? { burst } : {})
      }))

const finite = <A>(limit: A): A | undefined => (limit === Infinity ? undefined : limit)

/**
 * Limits as options again, what has no limit left away.
 *
 * @category conversions
 * @since 0.5.0
 */
export const toOptions = ({ hold, perKey, rates, weight }: Limits): LimitsOptions => ({
  weight: finite(weight),
  rate: rateOptions(rates),
  perKey: {
    concurrency: finite(perKey.concurrency),
    ordered: perKey.ordered,
    burst: perKey.burst,
    queue: finite(perKey.queue),
    rate: rateOptions(perKey.rates),
    share: perKey.share
  },
  hold
})

/**
 * What a limit says of one key. A function that throws or answers nonsense is reported, and gives the most cautious answer.
 *
 * @category getters
 * @since 0.5.0
 */
export const ofKey = (
  limit: number | ((key: string) => number | undefined),
  key: string,
  fallback: { readonly none: number; readonly broken: number; readonly least: number },
  report: (where: string, defect: unknown) => void,
  where: string
): number => {
  if (typeof limit === "number") return limit
  try {
    const said = limit(key)
    if (said === undefined) return fallback.none
    if (typeof said === "number" && said >= fallback.least) return said
    report(where, new Error(`answered ${String(said)}, which is no number of at least ${fallback.least}`))
  } catch (defect) {
    report(where, defect)
  }
  return fallback.broken
}
