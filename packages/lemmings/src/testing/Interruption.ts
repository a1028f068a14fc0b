/**
 * Interruption at every step that a program takes.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Exit, Fiber, Scheduler, Scope } from "effect"
import * as Fibers from "../internal/Fibers.ts"

/**
 * Runs an effect once for each step that it takes, interrupts it at that step, and
 * checks an invariant afterwards. Returns the number of steps.
 *
 * `setup` makes a fresh state for each run, in a scope that closes after `invariant`. Steps are counted while `run` is
 * under way, its own and those of every fiber that `setup` or `run` has started: a herd that `setup` builds is
 * stepped through too. What is interrupted is always `run` itself.
 *
 * **When to use**
 *
 * For whatever takes something that has to be given back: a lease, a place in a queue, a resource. In
 * `virtual` or with `VirtualTime.layer`, a run that hangs after its interruption is found at once.
 *
 * **Example** (No lease is lost, whenever the caller leaves)
 *
 * ```ts import.meta.vitest
 * import { Context, Effect, Layer } from "effect"
 * import { Lemmings } from "lemmings"
 * import { assertConserved, interruptEverywhere, virtual } from "lemmings/testing"
 *
 * const setup = Effect.map(Layer.build(Lemmings.layer()), (context) => Context.get(context, Lemmings))
 * const steps = interruptEverywhere({
 *   setup,
 *   run: (herd) => herd.run(Effect.yieldNow),
 *   invariant: (herd) =>
 *     Effect.gen(function* () {
 *       yield* herd.awaitIdle
 *       const stats = yield* herd.stats
 *       assertConserved(stats)
 *       if (stats.workers.busy > 0) return yield* Effect.die("a lease was lost")
 *     })
 * })
 *
 * (await Effect.runPromise(virtual(steps))) > 3 // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const interruptEverywhere = <S, E1, R1, A, E2, R2, E3, R3>(options: {
  readonly setup: Effect.Effect<S, E1, R1>
  readonly run: (state: S) => Effect.Effect<A, E2, R2>
  readonly invariant: (state: S, step: number) => Effect.Effect<unknown, E3, R3>
}): Effect.Effect<number, never, Exclude<R1 | R2 | R3, Scope.Scope>> =>
  Effect.gen(function* () {
    const base = yield* Scheduler.Scheduler
    let step = 0

    const once = Effect.gen(function* () {
      let seen = 0
      let stepped: Fiber.Fiber<unknown, unknown> | undefined
      const stepping: Scheduler.Scheduler = {
        executionMode: base.executionMode,
        makeDispatcher: () => base.makeDispatcher(),
        shouldYield: (fiber) => {
          if (stepped !== undefined && ++seen === step) Fibers.interrupt(stepped)
          return base.shouldYield(fiber)
        }
      }
      const scope = yield* Scope.make()
      const inScope = Effect.gen(function* () {
        const state = yield* Effect.provideService(options.setup, Scheduler.Scheduler, stepping)
        const fiber = yield* options
          .run(state)
          .pipe(Effect.provideService(Scheduler.Scheduler, stepping), Effect.forkChild)
        stepped = fiber
        yield* Fiber.await(fiber)
        stepped = undefined
        yield* options.invariant(state, step)
        return seen >= step
      })
      const exit = yield* Effect.exit(Scope.provide(inScope, scope))
      const closing = Scope.close(scope, exit)
      if (Exit.isSuccess(exit)) {
        yield* closing
        return exit.value
      }
      // Not waited for: what is broken may never end.
      yield* Effect.forkDetach(closing)
      if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
      const message = `interrupted at step ${step}: ${Cause.pretty(exit.cause)}`
      return yield* Effect.die(new Error(message, { cause: Cause.squash(exit.cause) }))
    })

    do step++
    while (yield* once)
    return step - 1
  })
