/**
 * What is asked of a schedule before a store has it, and how all of them are read.
 *
 * @since 0.5.0
 */
import { Clock, Effect } from "effect"
import { InvalidConfig, type Priority } from "lemmings"
import { EnqueueFailed } from "../port/JobError.ts"
import type { Recurrence, Store } from "../port/JobStore.ts"
import { describe } from "../port/Json.ts"
import * as Recurring from "../port/Recurring.ts"
import { job as JobSettings } from "../port/Settings.ts"
import type { AnyJob } from "./JobDefinition.ts"
import { groupOf } from "./JobRequest.ts"

/**
 * When a job is enqueued again and again. See `Shape.schedule`.
 *
 * @category models
 * @since 0.5.0
 */
export interface ScheduleOptions {
  readonly zone?: string | undefined
  readonly key?: string | undefined
  readonly priority?: Priority | undefined
  readonly missed?: "once" | "skip" | undefined
}

/** Why a schedule is not taken, if it is not. */
const refusalOf = (cron: string, zone: string, key: string, missed: string, now: number) => {
  const misfit = Recurring.misfit(cron, zone, now)
  if (misfit !== undefined)
    return new InvalidConfig({
      field: "cron",
      value: `${describe(cron)} (${describe(zone)})`,
      rule: `five fields of cron that name a day that there is, and a zone of the IANA list (${misfit})`
    })
  // In an index of the store.
  const storable = typeof key === "string" && /^[^\p{Cc}\p{Cs}]{1,200}$/u.test(key)
  if (!storable)
    return new InvalidConfig({
      field: "key",
      value: typeof key === "string" ? key : describe(key),
      rule: "1 to 200 characters, none of them a control"
    })
  if (missed === "once" || missed === "skip") return undefined
  return new InvalidConfig({ field: "missed", value: describe(missed), rule: '"once" or "skip"' })
}

/** A schedule as a store keeps it. */
export const recurrenceOf = Effect.fnUntraced(function* (
  { job, payload }: { readonly job: AnyJob; readonly payload: unknown },
  cron: string,
  { key = "default", missed = "skip", priority, zone = "UTC" }: ScheduleOptions = {}
) {
  const queue = job.name
  const refusal = refusalOf(cron, zone, key, missed, yield* Clock.currentTimeMillis)
  if (refusal !== undefined) return yield* refusal
  const { encoded, group } = yield* Effect.try({
    try: () => ({ group: groupOf(job, payload), encoded: job.codecs.payload.encode(payload) }),
    catch: (cause) => new EnqueueFailed({ queue, jobs: 1, reason: "invalid", cause })
  })
  const level = yield* Effect.try({
    try: () => JobSettings.priority.decode(priority ?? job.settings.priority),
    catch: (error) => error as InvalidConfig
  })
  const recurrence: Recurrence = { queue, key, cron, zone, missed, payload: encoded, priority: level }
  return group === undefined ? recurrence : { ...recurrence, group }
})

/** Schedules that are asked for at a time. */
const schedulesPage = 1_000

/** The schedules of a queue, by key: `limit` at most, after the one with the key `start`. */
export const schedulesOf = Effect.fnUntraced(function* (
  store: Store,
  queue: string,
  start: string | undefined,
  limit: number
) {
  const found: Array<Recurrence> = []
  let after = start
  while (found.length < limit) {
    const most = Math.min(schedulesPage, limit - found.length)
    const page = yield* store.schedules(queue, { after, limit: most })
    found.push(...page)
    if (page.length < most) break
    after = page.at(-1)!.key
  }
  return found
})
