/**
 * What is done to a store again and again, and nobody waits for.
 *
 * @since 0.4.0
 */
import { type Duration, Effect } from "effect"
import type { JobStoreError } from "./JobError.ts"

/**
 * Does it at once, and `pause` after each end. A failure does not end it: next time it may go well. That the store refuses
 * it is logged once until it goes well again; that the store is away, the store says itself.
 *
 * @category combinators
 * @since 0.4.0
 */
export const repeat = (
  work: Effect.Effect<unknown, JobStoreError>,
  pause: Duration.Input
): Effect.Effect<never> =>
  Effect.suspend(() => {
    let said = false
    const once = Effect.matchEffect(work, {
      onSuccess: () => {
        said = false
        return Effect.void
      },
      onFailure: (error) => {
        if (said || error.reason === "unavailable") return Effect.void
        said = true
        return Effect.logWarning(error.message)
      }
    })
    return Effect.forever(Effect.andThen(once, Effect.sleep(pause)))
  })
