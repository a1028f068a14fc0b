/** Wakes a fiber that waits. */
import { Effect, type Scope } from "effect"

/**
 * Wakes whoever waits, or the next one that will: something happened, whatever holds now. Who waits until something
 * holds uses `lemmings/internal/Waits`.
 */
export class Signal {
  #notified = false
  readonly #waiting = new Set<() => void>()

  notify() {
    if (this.#waiting.size === 0) {
      this.#notified = true
      return
    }
    // Each takes itself out; one that waits again is not woken twice.
    for (const wake of Array.from(this.#waiting)) wake()
  }

  /** Waits for a notification, at most `millis`. `false`: there was none. */
  wait(millis: number): Effect.Effect<boolean> {
    const notified = Effect.callback<boolean>((resume) => {
      if (this.#notified) {
        this.#notified = false
        return resume(Effect.succeed(true))
      }
      const wake = () => {
        this.#waiting.delete(wake)
        resume(Effect.succeed(true))
      }
      this.#waiting.add(wake)
      return Effect.sync(() => this.#waiting.delete(wake))
    })
    if (millis === Infinity) return notified
    return Effect.raceFirst(notified, Effect.as(Effect.sleep(millis), false))
  }
}

/** A signal that the end of the job with this id sends, until the scope closes. */
export const awaited = (
  waiting: Map<string, Set<Signal>>,
  id: string
): Effect.Effect<Signal, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const signal = new Signal()
      const signals = waiting.get(id)
      if (signals === undefined) waiting.set(id, new Set([signal]))
      else signals.add(signal)
      return signal
    }),
    (signal) =>
      Effect.sync(() => {
        const signals = waiting.get(id)
        signals?.delete(signal)
        if (signals?.size === 0) waiting.delete(id)
      })
  )
