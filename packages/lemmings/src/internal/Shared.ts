/** One answer for everybody who asks at about the same time. */
import { Clock, Deferred, Effect, type Scope } from "effect"

/**
 * Makes an effect that runs once for all who ask while it runs, and not again for `millis` after it has succeeded. It goes
 * on when an asker leaves.
 */
export const make = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  millis: number
): Effect.Effect<Effect.Effect<A, E, R>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let flight: Deferred.Deferred<A, E> | undefined
    let last: { readonly value: A; readonly at: number } | undefined
    return Effect.gen(function* () {
      const now = Number((yield* Clock.currentTimeNanos) / 1_000_000n)
      if (last !== undefined && now - last.at < millis) return last.value
      if (flight !== undefined) return yield* Deferred.await(flight)
      const mine = Deferred.makeUnsafe<A, E>()
      flight = mine
      const run = Effect.onExit(effect, (exit) =>
        Effect.suspend(() => {
          flight = undefined
          if (exit._tag === "Success") last = { value: exit.value, at: now }
          return Deferred.done(mine, exit)
        })
      )
      yield* Effect.forkIn(run, scope)
      return yield* Deferred.await(mine)
    })
  })
