/**
 * Who waits for something to be so.
 *
 * @since 0.5.0
 */
import { Effect } from "effect"

/**
 * @category models
 * @since 0.5.0
 */
export class Waiters {
  private readonly checks = new Set<() => void>()

  /** Waits until it holds. */
  until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const check = () => {
        if (!holds()) return
        this.checks.delete(check)
        resume(Effect.void)
      }
      this.checks.add(check)
      check()
      return Effect.sync(() => this.checks.delete(check))
    })
  }

  /** Something has changed. */
  tell(): void {
    for (const check of this.checks) check()
  }
}
