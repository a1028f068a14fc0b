/** Which queue's job a fiber runs: a handler that waits for a job of its own queue may wait for itself. */
import { Context, Effect, type Scope } from "effect"
import * as Fibers from "lemmings/internal/Fibers"
import type { PulledHerd } from "./PullerModel.ts"

interface Queue {
  readonly name: string
  /** One of its handlers waits for a job of the queue. Returns how to say that it waits no longer. */
  readonly wait: () => () => void
}

const Current = Context.Reference<Queue | undefined>("@lemmings/durable/Handling", {
  defaultValue: () => undefined
})

/**
 * The context of handlers. It is told once, until none of them waits, that all workers wait for what none of them can begin.
 */
export const within = (
  context: Context.Context<never>,
  name: string,
  herd: PulledHerd
): Context.Context<never> => {
  let waiting = 0
  let told = false
  const look = Effect.flatMap(herd.stats, ({ scaling, workers }) => {
    const most = scaling.pinned ? workers.target : workers.max
    if (told || waiting < workers.size || workers.size < most) return Effect.void
    told = true
    return Effect.logWarning(
      `All ${waiting} workers that run jobs of "${name}" here wait for jobs of "${name}", which none of them can begin: ` +
        "let such jobs be of another queue, or do their work without a job"
    )
  })
  const wait = () => {
    waiting++
    Fibers.start(context, look)
    return () => {
      if (--waiting === 0) told = false
    }
  }
  return Context.add(context, Current, { name, wait })
}

/** A job of the queue is waited for, until the scope closes. */
export const waits = (queue: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Current, (current) =>
    current?.name !== queue
      ? Effect.void
      : Effect.asVoid(Effect.acquireRelease(Effect.sync(current.wait), (over) => Effect.sync(over)))
  )
