/**
 * Waiting until something holds, without looking again and again: whoever changes what it depends on says so.
 */
import * as Effect from "effect/Effect"

/** Those who wait. */
export interface Waits {
  /** Waits until it holds, which it may do now. */
  readonly until: (holds: () => boolean) => Effect.Effect<void>
  /** Resumes those for whom it holds, each on this stack. */
  readonly check: () => void
}

const thrown = (defect: unknown): never => {
  throw defect
}

/**
 * `failed` hears what an observer threw of a fiber that waited. Defaults to throwing it at whoever checks.
 */
export const make = (failed: (defect: unknown) => void = thrown): Waits => {
  const waiting = new Set<{ readonly holds: () => boolean; readonly resume: () => void }>()
  return {
    until: (holds) =>
      Effect.callback((resume) => {
        if (holds()) return resume(Effect.void)
        const wait = { holds, resume: () => resume(Effect.void) }
        waiting.add(wait)
        return Effect.sync(() => waiting.delete(wait))
      }),
    check: () => {
      if (waiting.size === 0) return
      for (const wait of waiting) {
        if (!wait.holds()) continue
        waiting.delete(wait)
        try {
          wait.resume()
        } catch (defect) {
          failed(defect)
        }
      }
    }
  }
}
