/**
 * Virtual time for tests of a herd: a day of work in milliseconds, the same every time.
 *
 * `virtual` runs a whole program and needs nothing else. Provide `VirtualTime.layer`
 * instead to move the clock by hand, with `TestClock.adjust` and `VirtualTime`.
 *
 * Unlike with the plain `TestClock`, everything that one timer sets off has ended before the
 * next timer fires, so a test never has to guess how often to yield.
 *
 * @since 0.1.0
 */
import { Clock, Context, Duration, Effect, Fiber, Layer, Scheduler } from "effect"
import type { TestClock } from "effect/testing"
import * as Durations from "../model/Durations.ts"
import * as Fibers from "../internal/Fibers.ts"
import { Turns } from "./Turns.ts"

/**
 * Moves virtual time.
 *
 * **Example** (Watching a herd between two instants)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Lemmings } from "lemmings"
 * import { VirtualTime } from "lemmings/testing"
 *
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   const time = yield* VirtualTime
 *   const task = yield* herd.submit(Effect.sleep("1 hour"))
 *   yield* TestClock.adjust("59 minutes")
 *   const before = yield* task.status
 *   yield* time.fastForward(herd.awaitIdle)
 *   return [before, yield* task.status]
 * })
 *
 * await Effect.runPromise(
 *   program.pipe(Effect.provide(Lemmings.layer()), Effect.provide(VirtualTime.layer()))
 * ) // => ["running", "succeeded"]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class VirtualTime extends Context.Service<
  VirtualTime,
  {
    /** Lets every fiber go on until all wait for a timer, for one another, or for ever. The clock stands still. */
    readonly settle: Effect.Effect<void>
    /**
     * Runs the effect to its end. Whenever all fibers wait, the clock jumps to the next timer. Dies when there is no
     * timer left, because then the effect never ends, and when the next one is beyond `limit`, by default one day
     * from now.
     *
     * Sockets, files, threads and timers of the real world are not seen: they look as if they never came.
     */
    readonly fastForward: <A, E, R>(
      effect: Effect.Effect<A, E, R>,
      options?: { readonly limit?: Duration.Input | undefined }
    ) => Effect.Effect<A, E, R>
  }
>()("lemmings/testing/VirtualTime") {
  /**
   * A clock at 0 and a scheduler that goes with it. Both `Effect.sleep` and `TestClock.adjust` use them.
   *
   * With a `seed`, ready fibers run in an order drawn from it. Without, they run in the order in which they
   * became ready. Provide it outside the herd's layer, so that the herd lives in the same time.
   */
  static readonly layer = (options?: { readonly seed?: number | undefined }): Layer.Layer<VirtualTime> =>
    Layer.effectContext(
      Effect.map(Clock.Clock, (live) => {
        const turns = new Turns(options?.seed)
        const clock = makeClock(turns, live)
        return Context.make(VirtualTime, { settle: clock.settle, fastForward: clock.fastForward }).pipe(
          Context.add(Clock.Clock, clock),
          Context.add(Scheduler.Scheduler, turns)
        )
      })
    )
}

/**
 * Runs a program to its end in virtual time, with a clock that starts at 0. See
 * `VirtualTime.fastForward`.
 *
 * **Example** (A year of retries)
 *
 * ```ts import.meta.vitest
 * import { Clock, Effect, Schedule } from "effect"
 * import { Lemmings } from "lemmings"
 * import { virtual } from "lemmings/testing"
 *
 * let attempts = 0
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   yield* herd.run(
 *     Effect.suspend(() => (++attempts < 366 ? Effect.fail("not yet") : Effect.void)),
 *     { retry: Schedule.spaced("1 day") }
 *   )
 *   return yield* Clock.currentTimeMillis
 * })
 *
 * const millis = await Effect.runPromise(
 *   virtual(program.pipe(Effect.provide(Lemmings.layer())), { limit: "366 days" })
 * )
 *
 * millis / 86_400_000 // => 365
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const virtual = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  options?: { readonly seed?: number | undefined; readonly limit?: Duration.Input | undefined }
): Effect.Effect<A, E, Exclude<R, VirtualTime>> =>
  Effect.flatMap(VirtualTime, (time) => time.fastForward(program, options)).pipe(
    Effect.provide(VirtualTime.layer(options), { local: true })
  )

interface Sleep {
  readonly at: number
  readonly wake: () => void
}

/** Whole nanoseconds: milliseconds as a double lose the fraction that a timer asked for. */
const nanosOf = (millis: number) => BigInt(Math.round(millis * 1e6))

const makeClock = (turns: Turns, live: Clock.Clock) => {
  // Next first; of the same instant, in the order of their registration.
  const sleeps: Array<Sleep> = []
  let now = 0

  const settled = (drives: boolean) =>
    Effect.callback<void>((resume) => {
      const forget = turns.whenSettled(() => resume(Effect.void), drives)
      return Effect.sync(forget)
    })
  const settle = settled(false)

  const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const at = now + Duration.toMillis(duration)
      if (at <= now) return resume(Effect.void)
      const entry: Sleep = { at, wake: () => resume(Effect.void) }
      let place = sleeps.length
      while (place > 0 && (sleeps[place - 1]?.at ?? 0) > at) place--
      sleeps.splice(place, 0, entry)
      return Effect.sync(() => {
        const found = sleeps.indexOf(entry)
        if (found !== -1) sleeps.splice(found, 1)
      })
    })

  /** Wakes those who sleep until the next instant, if that is not after `end`. */
  const jump = (end: number): boolean => {
    const at = sleeps[0]?.at ?? Infinity
    if (at > end || at === Infinity) return false
    now = Math.max(now, at)
    // By way of the scheduler, so that a seed may also choose who of them is first.
    for (let first = sleeps[0]; first !== undefined && first.at <= now; first = sleeps[0]) {
      turns.add(first.wake)
      sleeps.shift()
    }
    return true
  }

  const advance = (end: () => number) =>
    Effect.gen(function* () {
      yield* settle
      const until = end()
      while (jump(until)) yield* settle
      now = Math.max(now, until)
    })

  const fastForward = <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: { readonly limit?: Duration.Input | undefined }
  ): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const limit = now + Durations.decodeUnsafe("limit", options?.limit ?? "1 day", Durations.positive)
      // Detached, because a fiber waits for its children, and this one may be stuck.
      const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
      const drive = Effect.gen(function* () {
        for (;;) {
          yield* settled(true)
          if (Fibers.exitOf(fiber) !== undefined) return
          if (jump(limit)) continue
          const next = sleeps[0]
          return yield* Effect.die(
            new Error(
              next === undefined || next.at === Infinity
                ? `The program never ends: at ${now} ms of virtual time everything waits and no timer is set.`
                : `The program had not ended after ${limit} ms of virtual time. Raise limit if it needs longer.`
            )
          )
        }
      })
      const leave = Effect.sync(() => Fibers.interrupt(fiber))
      yield* drive.pipe(
        // Its finalizers may need time too.
        Effect.onInterrupt(() => Effect.andThen(leave, drive)),
        Effect.onError(() => leave)
      )
      return yield* Fiber.join(fiber)
    })

  const clock: TestClock.TestClock & {
    readonly settle: Effect.Effect<void>
    readonly fastForward: typeof fastForward
  } = {
    settle,
    fastForward,
    sleep,
    currentTimeMillisUnsafe: () => now,
    currentTimeNanosUnsafe: () => nanosOf(now),
    monotonicTimeNanosUnsafe: () => nanosOf(now),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => nanosOf(now)),
    monotonicTimeNanos: Effect.sync(() => nanosOf(now)),
    adjust: (duration) =>
      Effect.suspend(() => {
        const millis = Durations.decodeUnsafe("adjust", duration)
        return advance(() => now + millis)
      }),
    setTime: (timestamp) =>
      Effect.suspend(() =>
        timestamp < now
          ? Effect.die(
              new RangeError(`TestClock.setTime: time does not go back, from ${now} to ${timestamp}`)
            )
          : advance(() => timestamp)
      ),
    withLive: (effect) => Effect.provideService(effect, Clock.Clock, live)
  }
  return clock
}
