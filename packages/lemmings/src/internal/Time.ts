/**
 * How time is read and spent, each in one place: the monotonic clock in milliseconds, delays that grow, and the steps of a
 * schedule. Shared with the other packages of the repository, and no part of the public surface.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/** Milliseconds of a clock that is never set back. */
export const monotonic = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/**
 * A delay after each of several failures in a row: `first` milliseconds after the first, twice as much after each further
 * one, and never more than `most`.
 */
export interface Backoff {
  /** Milliseconds to wait after this many failures. 0 after none. */
  readonly after: (failures: number) => number
  /** The same as a schedule without end. */
  readonly schedule: Schedule.Schedule<unknown>
}

export const backoff = (first: number, most: number): Backoff => ({
  after: (failures) => (failures <= 0 ? 0 : Math.min(most, first * 2 ** (failures - 1))),
  schedule: Schedule.min([Schedule.exponential(first), Schedule.spaced(most)])
})

/**
 * Remembers where somebody stands in a schedule. Yields the delay in milliseconds before the next attempt, or `undefined`
 * when the schedule has ended. A schedule that fails has its own cause.
 */
export type Step = (now: number, error: unknown) => Effect.Effect<number | undefined>

/** Begins a schedule. */
export const stepping = (schedule: Schedule.Schedule<unknown>): Effect.Effect<Step> =>
  Effect.map(
    Schedule.toStep(schedule),
    (step): Step =>
      (now, error) =>
        step(now, error).pipe(
          Effect.map(([, delay]): number | undefined => Duration.toMillis(delay)),
          Pull.catchDone(() => Effect.succeed(undefined))
        )
  )
