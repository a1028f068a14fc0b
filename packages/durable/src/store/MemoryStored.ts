/**
 * What the store in memory takes, and refuses as a database would.
 *
 * @since 0.5.0
 */
import { Effect } from "effect"
import { JobStoreError } from "../port/JobError.ts"
import type { DeadFilter, DeadLetter, Failure, Json, NewJob, Settlement } from "../port/JobStore.ts"
import { isFit, NotJson, plain } from "../port/Json.ts"

/**
 * Whether a dead letter is one of those.
 *
 * @category guards
 * @since 0.5.0
 */
export const matches = (letter: DeadLetter, filter: DeadFilter = {}): boolean =>
  (filter.ids === undefined || filter.ids.includes(letter.id)) &&
  (filter.diedBefore === undefined || letter.diedAt < filter.diedBefore) &&
  (filter.payload === undefined ||
    Object.entries(filter.payload).every(
      ([field, value]) =>
        typeof letter.payload === "object" &&
        letter.payload !== null &&
        JSON.stringify(Reflect.get(letter.payload, field)) === JSON.stringify(value)
    ))

/**
 * JSON as it comes back from a database: nothing is shared with whoever enqueued it, and what it refuses is refused.
 *
 * @category conversions
 * @since 0.5.0
 */
export const stored = (value: Json): Json => (value === undefined ? undefined : plain(value))

/**
 * What is stored of a job, with what an index takes of it.
 *
 * @category conversions
 * @since 0.5.0
 */
export const fit = ({ group, payload }: NewJob): Pick<NewJob, "payload" | "group"> => {
  if (group !== undefined && !isFit(group))
    throw new NotJson("a group is a text without NUL and lone surrogates")
  return { payload: stored(payload), group }
}

/**
 * What is stored of an end.
 *
 * @category conversions
 * @since 0.5.0
 */
export const said = (settlement: Settlement): Settlement => {
  if (settlement._tag === "Release") return settlement
  if (settlement._tag === "Complete") return { ...settlement, result: stored(settlement.result) }
  return { ...settlement, failure: stored(settlement.failure) as Failure }
}

/**
 * What a database does in one transaction. Whatever is thrown, it is thrown before anything has changed.
 *
 * @category constructors
 * @since 0.5.0
 */
export const op = <A>(operation: string, f: () => A): Effect.Effect<A, JobStoreError> =>
  Effect.try({ try: f, catch: (cause) => new JobStoreError({ operation, reason: "refused", cause }) })
