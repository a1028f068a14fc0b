/** What a task says while it runs, given to its caller one after another. */
import { type Cause, type Context, Effect, Exit } from "effect"
import * as Fibers from "lemmings/internal/Fibers"

/** The reports of one running task. Its caller hears each before the next, and all before the task's end. */
export class Reports {
  /** Why the caller heard no more of them: it failed. */
  failed: Cause.Cause<unknown> | undefined
  private readonly hear: (report: unknown) => Effect.Effect<unknown, unknown>
  private readonly context: Context.Context<never>
  private readonly taken: () => void
  private readonly failing: () => void
  private readonly waiting: Array<unknown> = []
  private fiber: Fibers.Running | undefined
  private ended: (() => void) | undefined
  private closed = false

  constructor(
    hear: (report: unknown) => Effect.Effect<unknown, unknown>,
    context: Context.Context<never>,
    taken: () => void,
    failing: () => void
  ) {
    this.hear = hear
    this.context = context
    this.taken = taken
    this.failing = failing
  }

  add(report: unknown): void {
    if (this.closed) return
    this.waiting.push(report)
    if (this.fiber === undefined) this.next()
  }

  /** Calls `ended` when all that came has been heard. */
  whenHeard(ended: () => void): void {
    if (this.fiber === undefined) ended()
    else this.ended = ended
  }

  /** Nobody hears any more. Ends when the one who heard has ended. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      this.waiting.length = 0
      this.ended = undefined
      const { fiber } = this
      if (fiber === undefined) return Effect.void
      Fibers.interrupt(fiber)
      return Effect.callback<void>((resume) => Fibers.onEnd(fiber, () => resume(Effect.void)))
    })
  }

  private next(): void {
    const report = this.waiting.shift()
    const fiber = Fibers.start(
      this.context,
      Effect.suspend(() => this.hear(report))
    )
    this.fiber = fiber
    // At once, if it has ended already.
    Fibers.onEnd(fiber, (exit) => this.heard(exit))
  }

  private heard(exit: Exit.Exit<unknown, unknown>): void {
    this.fiber = undefined
    if (this.closed) return
    if (Exit.isFailure(exit)) {
      this.failed = exit.cause
      this.closed = true
      this.waiting.length = 0
      this.failing()
    } else this.taken()
    if (this.waiting.length > 0) return this.next()
    const { ended } = this
    this.ended = undefined
    ended?.()
  }
}
