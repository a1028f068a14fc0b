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
 *   later ones from hearing, and throws into whoever started or resumed the fiber.
 * - An interruption ends a waiting fiber on the stack of the interrupter, reaches one that runs at its next step, and one
 *   that is masked when the mask ends.
 * - A failure that nobody observes is silent.
 * - A fiber that waited goes on in the async context (`AsyncLocalStorage`) in which it began to wait.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as AsyncContext from "./AsyncContext.ts"

/** Something that runs and ends once: a fiber, or what stands for one. */
export interface Running<out A = unknown, out E = unknown> {
  readonly pollUnsafe: () => Exit.Exit<A, E> | undefined
  readonly addObserver: (observer: (exit: Exit.Exit<A, E>) => void) => unknown
  readonly interruptUnsafe: (by?: number) => void
}

/**
 * Starts a fiber, which runs its first steps before this returns. Never throws: where an observer that the effect gave
 * its own fiber does, the fiber that comes back has died of it.
 */
export const start = <A, E>(
  context: Context.Context<never>,
  effect: Effect.Effect<A, E>
): Fiber.Fiber<A, E> => {
  try {
    return Effect.runForkWith(context)(effect)
  } catch (defect) {
    return Effect.runForkWith(context)(Effect.die(defect))
  }
}

/** Its end, if it has ended. */
export const exitOf = <A, E>(fiber: Running<A, E>): Exit.Exit<A, E> | undefined => fiber.pollUnsafe()

/**
 * Calls `ended` when it ends, or now when it has. `ended` must not throw. It hears before the observers that the effect
 * gave its own fiber in its first steps, of which one may throw.
 */
export const onEnd = <A, E>(fiber: Running<A, E>, ended: (exit: Exit.Exit<A, E>) => void): void => {
  fiber.addObserver(ended)
  // No part of the interface of a fiber: where it is missing, ours is the last to hear.
  const { _observers: observers } = fiber as { readonly _observers?: Array<unknown> | undefined }
  if (observers !== undefined && observers.length > 1) toFront(observers, ended)
}

const toFront = (observers: Array<unknown>, ended: unknown): void => {
  if (observers.at(-1) !== ended) return
  observers.pop()
  observers.unshift(ended)
}

/**
 * Interrupts it, without waiting for its end. `by`: the id of the fiber that the interruption is said to come from. Never
 * throws: what an observer throws that the effect gave its own fiber is logged.
 */
export const interrupt = (fiber: Running | undefined, by?: number): void => {
  try {
    fiber?.interruptUnsafe(by)
  } catch (defect) {
    Effect.runFork(Effect.logWarning("an observer of a fiber failed", Cause.die(defect)))
  }
}

/** The context of the fiber that is running now. Empty outside of fibers. */
export const contextHere = (): Context.Context<never> => Fiber.getCurrent()?.context ?? Context.empty()

/**
 * The context of a layer for what lives on after it was built. Where it is built by `runSync`, its scheduler would never
 * let the event loop turn: another takes its place.
 */
export const lasting: Effect.Effect<Context.Context<never>> = Effect.map(Effect.context(), (context) =>
  Context.get(context, Scheduler.Scheduler).executionMode === "sync"
    ? Context.add(context, Scheduler.Scheduler, new Scheduler.MixedScheduler())
    : context
)

/**
 * Whether it is in a step that an interruption cannot end. No part of the interface of a fiber: where it is missing, a
 * fiber counts as interruptible.
 */
export const isMasked = (fiber: object): boolean => "interruptible" in fiber && fiber.interruptible === false

/**
 * Whether it holds of the fiber, or of a child of it that still runs, at any depth. No part of the interface of a fiber:
 * where it is missing, a fiber has no children.
 */
export const someOf = (fiber: object, holds: (fiber: object) => boolean): boolean => {
  if (holds(fiber)) return true
  const { _children: children } = fiber as { readonly _children?: Iterable<object> | undefined }
  if (children === undefined) return false
  for (const child of children) if (someOf(child, holds)) return true
  return false
}

/** The fiber that is running now. `undefined` outside of fibers. */
export const here = (): Running | undefined => Fiber.getCurrent()

const cleanup = "~effect/Effect/identifier"

/** Where it waits: another thing after each step. */
const placeOf = (fiber: object): unknown => (fiber as { readonly _yielded?: unknown })._yielded

/**
 * Whether it waits for something that an interruption cannot stop, such as a promise without a signal: interrupted, it would
 * end, and what it waits for go on without it. A race, such as a timeout, counts as such, and so does a turn that it gave
 * away. No part of the interface of a fiber: where it is missing, all can be stopped.
 */
export const isDeaf = (fiber: object): boolean => {
  const { _stack: stack } = fiber as { readonly _stack?: unknown }
  const waits = placeOf(fiber)
  if (!Array.isArray(stack) || typeof waits !== "function") return false
  const last: unknown = stack.at(-1)
  return !(typeof last === "object" && last !== null && cleanup in last && last[cleanup] === "AsyncFinalizer")
}

/** Waits for a fiber of its own. An interruption ends that fiber, and waits for it. */
const owning = <A, E>(begin: () => Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.callback((resume) => {
    const fiber = begin()
    onEnd(fiber, resume)
    return Fiber.interrupt(fiber)
  })

/**
 * The effect on a fiber of its own. An interruption is heard at once and waits for the end of that fiber, also where it is in
 * a race, which would look as if nothing could stop it.
 */
export const heard = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    owning(() => start(context, Effect.provideContext(effect, context)))
  )

/** A turn of the scheduler for those who only gave theirs away. */
const aTurn = Effect.andThen(Effect.yieldNow, Effect.yieldNow)

/** A fiber that has given its turn away so often since it was interrupted is stopped where it is. */
const turns = 3

/**
 * Runs an effect whose end has to be known although nobody may wait for it any more. Interrupted while it waits for what
 * cannot be stopped, it goes on, and `late` runs with its end, after `left` was called. A fiber that has only given its turn
 * away looks the same until its next turn: where it ends meanwhile, the interruption waits for `late`.
 */
export const outlasting = <A, E>(
  effect: Effect.Effect<A, E>,
  left: () => void,
  late: (exit: Exit.Exit<A, E>) => Effect.Effect<void>
): Effect.Effect<A, E> =>
  Effect.withFiber((parent) =>
    Effect.callback((resume) => {
      let isLeft = false
      const fiber = start(parent.context, effect)
      onEnd(fiber, (exit) => {
        if (isLeft) start(parent.context, late(exit))
        else resume(exit)
      })
      const leave = (more: number): Effect.Effect<void> =>
        Effect.suspend(() => {
          if (more === 0 || isMasked(fiber) || !isDeaf(fiber)) return Fiber.interrupt(fiber)
          const place = placeOf(fiber)
          return Effect.flatMap(aTurn, () => {
            const exit = exitOf(fiber)
            if (exit === undefined && placeOf(fiber) !== place) return leave(more - 1)
            left()
            if (exit !== undefined) return late(exit)
            isLeft = true
            return Effect.void
          })
        })
      return Effect.suspend(() => (exitOf(fiber) === undefined ? leave(turns) : Effect.void))
    })
  )

/**
 * The effect in an async context that was kept, on a fiber of its own: one that runs cannot change to another.
 */
export const within = <A, E>(
  context: AsyncContext.AsyncContext,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.withFiber((parent) => {
    if (!AsyncContext.isUsed()) return effect
    return owning(() => AsyncContext.run(context, () => start(parent.context, effect)))
  })
