/** How long to wait for a thread or a process, on a machine that may have no time for it, or for us. */
import { Effect, Option } from "effect"

// A limit has so many parts, and between two of them what has come is heard. Where we come too late for one, because the
// machine is busy or our event loop was, the thread has come too late for its part too, and has the others still.
const parts = 10

/**
 * Waits for the effect, or for the limit in milliseconds: `None`. Time in which this process did not get its turn does not
 * use the limit up.
 */
export const within = <A, E>(
  effect: Effect.Effect<A, E>,
  millis: number
): Effect.Effect<Option.Option<A>, E> => {
  const waited = Effect.interruptible(Effect.asSome(effect))
  if (millis === Infinity) return waited
  const times = Math.max(1, Math.min(parts, Math.floor(millis)))
  const limit = Effect.repeat(Effect.sleep(millis / times), { times: times - 1 })
  return Effect.raceFirst(waited, Effect.interruptible(Effect.as(limit, Option.none<A>())))
}
