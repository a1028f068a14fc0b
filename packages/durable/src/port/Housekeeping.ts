/** What is done to a store again and again, or on and on, and nobody waits for. None of it ends silently. */
import { Cause, Clock, type Duration, Effect, Exit } from "effect"
import * as Time from "lemmings/internal/Time"
import { JobStoreError } from "./JobError.ts"
import { describe, messageOf } from "./Json.ts"

/** Milliseconds between two tries: doubled each time, from the first to the second. */
const [shortest, longest] = [50, 5_000]

/** What ran for that long, in milliseconds, starts anew where it fails again. */
const wentWell = 60_000

/**
 * Says why something does not succeed: once, until the reason is another one or all is well again. That the store is away, the
 * store says itself.
 */
export const teller = (what: string) => {
  let said: string | undefined
  const tell = (why: string, outcome: string) =>
    Effect.suspend(() => {
      if (said === why) return Effect.void
      said = why
      return Effect.logWarning(`${what} ${outcome}: ${why}`)
    })
  return {
    well: () => {
      said = undefined
    },
    tell,
    failed: (cause: Cause.Cause<unknown>, outcome: string) => {
      const error = Cause.squash(cause)
      const away = error instanceof JobStoreError && error.reason === "unavailable"
      return away ? Effect.void : tell(messageOf(error), outcome)
    }
  }
}

const whyOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? "it came to an end" : describe(Cause.squash(exit.cause))

/**
 * Does it until it succeeds, with backoff. That the store refuses it, and why, is logged once; that the store is away, the
 * store says itself. A defect is no end of it either.
 */
export const insist = <A>(
  what: string,
  work: Effect.Effect<A, JobStoreError>,
  /** Longest pause between two tries, in milliseconds. */
  most = longest
): Effect.Effect<A> =>
  Effect.suspend(() => {
    const { failed } = teller(what)
    const { after } = Time.backoff(shortest, most)
    let failures = 0
    const attempt: Effect.Effect<A> = Effect.flatMap(Effect.exit(work), (exit) => {
      if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
      return failed(exit.cause, "does not succeed, and is tried again").pipe(
        Effect.andThen(Effect.sleep(after(++failures))),
        Effect.andThen(attempt)
      )
    })
    return attempt
  })

/** Keeps it going, however it ends: it is started again with backoff, and the reason is logged once. */
export const watched = (what: string, work: Effect.Effect<unknown, unknown>): Effect.Effect<never> =>
  Effect.suspend(() => {
    const { tell, well } = teller(what)
    const { after } = Time.backoff(shortest, longest)
    let failures = 0
    const once = Effect.gen(function* () {
      const from = yield* Clock.currentTimeMillis
      const exit = yield* Effect.exit(work)
      if ((yield* Clock.currentTimeMillis) - from >= wentWell) {
        failures = 0
        well()
      }
      yield* tell(whyOf(exit), "has stopped, and is started again")
      yield* Effect.sleep(after(++failures))
    })
    return Effect.forever(once)
  })

/**
 * Does it at once, and `pause` after each end. A failure does not end it: next time it may go well. That the store refuses
 * it is logged once until it goes well again; that the store is away, the store says itself.
 */
export const repeat = (
  work: Effect.Effect<unknown, JobStoreError>,
  pause: Duration.Input | Effect.Effect<void>,
  what = "Housekeeping of the job store"
): Effect.Effect<never> =>
  Effect.suspend(() => {
    const { failed, well } = teller(what)
    const once = Effect.flatMap(Effect.exit(work), (exit) =>
      Exit.isSuccess(exit) ? Effect.sync(well) : failed(exit.cause, "does not succeed")
    )
    return Effect.forever(Effect.andThen(once, Effect.isEffect(pause) ? pause : Effect.sleep(pause)))
  })
