/** What the store in memory takes, and refuses as a database would. */
import { Effect } from "effect"
import { JobStoreError } from "../port/JobError.ts"
import type {
  DeadFilter,
  DeadLetter,
  Failure,
  Json,
  NewJob,
  PagesOptions,
  Settlement
} from "../port/JobStore.ts"
import { equal, NotJson, plain } from "../port/Json.ts"
import { groupRule, isGroup } from "../port/Limits.ts"

/** Whether a dead letter is one of those. */
export const matches = ({ diedAt, id, payload }: DeadLetter, filter: DeadFilter = {}): boolean =>
  (filter.ids === undefined || filter.ids.includes(id)) &&
  (filter.diedBefore === undefined || diedAt < filter.diedBefore) &&
  (filter.payload === undefined ||
    Object.entries(filter.payload).every(
      ([field, value]) =>
        typeof payload === "object" &&
        payload !== null &&
        !Array.isArray(payload) &&
        Object.hasOwn(payload, field) &&
        equal(Reflect.get(payload, field), value)
    ))

/**
 * JSON as it comes back from a database: nothing is shared with whoever enqueued it, and what it refuses is refused.
 */
export const stored = (value: Json): Json => (value === undefined ? undefined : plain(value))

/** What is stored of a job, with what an index takes of it. */
export const fit = ({ group, payload }: NewJob): Pick<NewJob, "payload" | "group"> => {
  if (group !== undefined && !isGroup(group)) throw new NotJson(groupRule)
  return { payload: stored(payload), group }
}

/** What is stored of an end. */
export const said = (settlement: Settlement): Settlement => {
  if (settlement._tag === "Release") return settlement
  if (settlement._tag === "Complete") return { ...settlement, result: stored(settlement.result) }
  return { ...settlement, failure: stored(settlement.failure) as Failure }
}

/** What a database does in one transaction. Whatever is thrown, it is thrown before anything has changed. */
export const op = <A>(operation: string, f: () => A): Effect.Effect<A, JobStoreError> =>
  Effect.try({ try: f, catch: (cause) => new JobStoreError({ operation, reason: "refused", cause }) })

/** The page size that replay, purge and cancel work in. */
const page = 1_000

/** Does it to each, a page at a time, as in a database. Returns of how many it was true. */
export const byPage = <A>(
  operation: string,
  all: ReadonlyArray<A>,
  { progress = () => Effect.void }: PagesOptions = {},
  each: (one: A) => boolean
): Effect.Effect<number, JobStoreError> =>
  Effect.gen(function* () {
    let done = 0
    for (let from = 0; from === 0 || from < all.length; from += page) {
      done += yield* op(operation, () => all.slice(from, from + page).filter(each).length)
      yield* progress(done)
      // Others come to their turn, and so does an interruption.
      yield* Effect.yieldNow
    }
    return done
  })
