/**
 * Many orders of events from many seeds, each of which can be had again.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Random, type Scheduler } from "effect"
import { Turns } from "./Turns.ts"
import { virtual, type VirtualTime } from "./VirtualTime.ts"

/**
 * A scheduler that picks the next of the ready fibers, and when a fiber must let others go on, by a seed: the same
 * order for the same seed.
 *
 * Time stays what it is. With a test clock use `runSeeded`, because `TestClock` does not wait for fibers on a
 * scheduler that it does not know.
 *
 * **Example** (One order of three fibers)
 *
 * ```ts import.meta.vitest
 * import { Effect, Scheduler } from "effect"
 * import { seededScheduler } from "lemmings/testing"
 *
 * const order = (seed: number) => {
 *   const seen: Array<string> = []
 *   const say = (name: string) => Effect.sync(() => seen.push(name))
 *   return Effect.all([say("a"), say("b"), say("c")], { concurrency: "unbounded" }).pipe(
 *     Effect.as(seen),
 *     Effect.provideService(Scheduler.Scheduler, seededScheduler(seed)),
 *     Effect.runPromise
 *   )
 * }
 *
 * const first = await order(1)
 * const again = await order(1)
 *
 * again.join() === first.join() // => true
 * ```
 *
 * @category schedulers
 * @since 0.1.0
 */
export const seededScheduler = (seed: number): Scheduler.Scheduler => new Turns(seed)

/**
 * Runs a program in virtual time, its fibers in an order drawn from the seed, and `Random` too. A
 * failure of the program dies with an error that names the seed.
 *
 * **Example** (Repeating one order)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { Lemmings } from "lemmings"
 * import { runSeeded } from "lemmings/testing"
 *
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   return yield* herd.runAll([Effect.sleep("1 hour"), Effect.succeed(2)])
 * })
 *
 * await Effect.runPromise(runSeeded(7, program.pipe(Effect.provide(Lemmings.layer())))) // => [undefined, 2]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const runSeeded = <A, E, R>(
  seed: number,
  program: Effect.Effect<A, E, R>
): Effect.Effect<A, never, Exclude<R, VirtualTime>> =>
  Effect.catchCause(virtual(Random.withSeed(program, seed), { seed }), (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.failCause(Cause.interrupt())
      : Effect.die(new Error(`with seed ${seed}: ${Cause.pretty(cause)}`, { cause: Cause.squash(cause) }))
  )

/**
 * Runs a program once for each seed, one after the other, as `runSeeded` does. A
 * number means that many seeds, from 1. Returns how many there were.
 *
 * **Example** (Looking for an order that breaks)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { Lemmings } from "lemmings"
 * import { assertConserved, forEverySeed } from "lemmings/testing"
 *
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   const task = yield* herd.submit(Effect.sleep("1 second"))
 *   yield* Effect.all([task.interrupt, herd.resize(3)], { concurrency: "unbounded" })
 *   assertConserved(yield* herd.stats)
 * })
 *
 * await Effect.runPromise(forEverySeed(50, () => program.pipe(Effect.provide(Lemmings.layer())))) // => 50
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const forEverySeed = <A, E, R>(
  seeds: number | Iterable<number>,
  program: (seed: number) => Effect.Effect<A, E, R>
): Effect.Effect<number, never, Exclude<R, VirtualTime>> =>
  Effect.gen(function* () {
    let count = 0
    for (const seed of typeof seeds === "number" ? Array.from({ length: seeds }, (_, i) => i + 1) : seeds) {
      yield* runSeeded(seed, program(seed))
      count++
    }
    return count
  })
