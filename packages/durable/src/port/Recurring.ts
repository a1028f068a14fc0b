/**
 * When a schedule is due: the pure law, the same in every store.
 *
 * **Details**
 *
 * A schedule is to the minute. An hour that a zone has twice counts twice where the cron has `*` for its minute or its hour,
 * and once, the first time, where both name what is meant. A time that a zone skips comes by as much later.
 */
import { Cron, Result } from "effect"
import type { Recurrence } from "./JobStore.ts"
import { messageOf } from "./Json.ts"

/** What is due is enqueued this long after its time at most, in milliseconds, unless what was missed is made up for. */
const graceMillis = 60_000

/** Longest time between two looks at schedules that others may have changed, in milliseconds. */
export const lookMillis = 30_000

const minuteMillis = 60_000

interface Known {
  readonly cron: Cron.Cron
  /** The last answer, for thousands of schedules of one minute. */
  minute: number
  next: number
}

const parsed = new Map<string, Known>()

const known = (cron: string, zone: string): Known => {
  if (typeof cron !== "string" || typeof zone !== "string") throw new Error("a cron and a zone are texts")
  const name = `${zone} ${cron}`
  const found = parsed.get(name)
  if (found !== undefined) return found
  const fields = cron.trim().split(/\s+/)
  if (fields.length !== 5) throw new Error("five fields: minute, hour, day of month, month, day of week")
  const [minute = "", hour = ""] = fields
  const onDstOverlap = minute.startsWith("*") || hour.startsWith("*") ? "both" : "earlier"
  const made = { cron: Cron.parseUnsafe(cron, zone, { onDstOverlap }), minute: NaN, next: NaN }
  if (parsed.size >= 10_000) parsed.clear()
  parsed.set(name, made)
  return made
}

/**
 * The first time after an instant, in epoch milliseconds. Throws where the cron or the zone cannot be read, or names no day
 * that there is.
 */
export const nextAfter = (cron: string, zone: string, after: number): number => {
  const one = known(cron, zone)
  const minute = Math.floor(after / minuteMillis)
  if (one.minute !== minute) {
    one.next = Cron.next(one.cron, new Date(minute * minuteMillis)).getTime()
    one.minute = minute
  }
  return one.next
}

/** Why a cron cannot be used, if it cannot. */
export const misfit = (cron: string, zone: string, now: number): string | undefined =>
  Result.match(
    Result.try(() => nextAfter(cron, zone, now)),
    {
      onSuccess: () => undefined,
      onFailure: messageOf
    }
  )

/** What becomes of a schedule that is looked at. Times are epoch milliseconds. */
export interface Decision {
  /** The time of the job that is enqueued now; `undefined`: none is. */
  readonly fires: number | undefined
  /** When it is due next. */
  readonly next: number
}

/**
 * One that is due is enqueued once, however often it was due since. What was due more than a minute ago is enqueued where the
 * schedule says that what was missed is made up for, and left out otherwise.
 */
export const decide = (
  { cron, missed, zone }: Pick<Recurrence, "cron" | "zone" | "missed">,
  due: number,
  now: number
): Decision => {
  if (due > now) return { fires: undefined, next: due }
  const next = nextAfter(cron, zone, now)
  // To the minute: where the first one is that new it is the last one too.
  const last = now - due < minuteMillis ? due : Cron.prev(known(cron, zone).cron, new Date(now + 1)).getTime()
  return { fires: now - last < graceMillis || missed === "once" ? last : undefined, next }
}
