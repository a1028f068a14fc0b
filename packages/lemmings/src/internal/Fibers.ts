/**
 * Starting, watching and interrupting a fiber synchronously: all that is used of Effect's runtime beside its documented
 * surface. `test/internal/Fibers.test.ts` is the contract, and says in a sentence what a new release of Effect does
 * otherwise.
 *
 * **What is relied on**
 *
 * - A fiber runs on the stack of whoever starts it until it waits for the first time.
 * - Whoever resumes a fiber that waits runs it on their own stack, until it waits again or ends.
 * - Observers run on the stack on which the fiber ends, once, in the order in which they came. One that throws keeps the
 *   later ones from hearing.
 * - An interruption ends a waiting fiber on the stack of the interrupter, reaches one that runs at its next step, and one
 *   that is masked when the mask ends.
 * - A failure that nobody observes is silent.
 * - A fiber that waited goes on in the async context (`AsyncLocalStorage`) in which it began to wait.
 *
 * @since 0.5.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as AsyncContext from "./AsyncContext.ts"

/**
 * Something that runs and ends once: a fiber, or what stands for one.
 *
 * @category models
 * @since 0.5.0
 */
export interface Running<out A = unknown, out E = unknown> {
  readonly pollUnsafe: () => Exit.Exit<A, E> | undefined
  readonly addObserver: (observer: (exit: Exit.Exit<A, E>) => void) => unknown
  readonly interruptUnsafe: (by?: number) => void
}

/**
 * Starts a fiber, which runs its first steps before this returns.
 *
 * @category operations
 * @since 0.5.0
 */
export const start = <A, E>(
  context: Context.Context<never>,
  effect: Effect.Effect<A, E>
): Fiber.Fiber<A, E> => Effect.runForkWith(context)(effect)

/**
 * Its end, if it has ended.
 *
 * @category getters
 * @since 0.5.0
 */
export const exitOf = <A, E>(fiber: Running<A, E>): Exit.Exit<A, E> | undefined => fiber.pollUnsafe()

/**
 * Calls `ended` when it ends, or now when it has. `ended` must not throw.
 *
 * @category operations
 * @since 0.5.0
 */
export const onEnd = <A, E>(fiber: Running<A, E>, ended: (exit: Exit.Exit<A, E>) => void): void =>
  void fiber.addObserver(ended)

/**
 * Interrupts it, without waiting for its end. `by`: the id of the fiber that the interruption is said to come from.
 *
 * @category operations
 * @since 0.5.0
 */
export const interrupt = (fiber: Running | undefined, by?: number): void => fiber?.interruptUnsafe(by)

/**
 * The context of the fiber that is running now. Empty outside of fibers.
 *
 * @category getters
 * @since 0.5.0
 */
export const contextHere = (): Context.Context<never> => Fiber.getCurrent()?.context ?? Context.empty()

/**
 * Whether it is in a step that an interruption cannot end. No part of the interface of a fiber: where it is missing, a
 * fiber counts as interruptible.
 *
 * @category getters
 * @since 0.5.0
 */
export const isMasked = (fiber: object): boolean => "interruptible" in fiber && fiber.interruptible === false

/**
 * The effect in an async context that was kept, on a fiber of its own: one that runs cannot change to another.
 *
 * @category operations
 * @since 0.5.0
 */
export const within = <A, E>(
  context: AsyncContext.AsyncContext,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.withFiber((parent) => {
    if (!AsyncContext.isUsed()) return effect
    return Effect.callback((resume) => {
      const fiber = AsyncContext.run(context, () => start(parent.context, effect))
      onEnd(fiber, resume)
      return Fiber.interrupt(fiber)
    })
  })
