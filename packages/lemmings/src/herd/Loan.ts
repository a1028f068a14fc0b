/** A resource lent for as long as its borrower wants, as a task that ends when it is given back. */
import { Context, Effect, Exit } from "effect"
import * as Fibers from "../internal/Fibers.ts"
import { TaskRun } from "../task/TaskRun.ts"
import type { Runtime } from "../task/TaskRuntime.ts"
import type { TaskTerms } from "../task/TaskTerms.ts"

/** A borrowed resource. */
export interface Loan {
  readonly resource: unknown
  /** Gives it back, with how the borrower fared. Again: no effect. Returns when the lease has ended. */
  readonly giveBack: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

/**
 * Waits for a worker, borrows its resource, and hands it to `keep`, which sees to it that it is given back. Interrupting
 * the wait gives up the place in line; a resource that came at that very moment goes back. `keep` is not interrupted.
 *
 * The terms say `once`: the borrower has the resource of this worker and no other.
 */
export const borrow = <A, R>(
  rt: Runtime,
  terms: TaskTerms,
  keep: (loan: Loan) => Effect.Effect<A, never, R>
): Effect.Effect<A, unknown, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      let end: ((exit: Exit.Exit<unknown, unknown>) => void) | undefined
      let lent: ((loan: Loan) => void) | undefined
      let taken = false
      let returned = false
      const { resource: key } = rt
      const held = Effect.contextWith((context: Context.Context<never>) =>
        Effect.callback<unknown, unknown>((resume) => {
          end = resume
          const resource = key === undefined ? undefined : Context.getOrUndefined(context, key)
          lent?.({ resource, giveBack })
          // Ended by the herd, not by the borrower, who may still use it: it must not be lent to another. A closing herd
          // lends none.
          return Effect.sync(() => {
            // Its borrower was interrupted and gives it back, or never had it.
            if (returned) return
            taken = true
            const lends = rt.state === "running" || rt.state === "draining"
            if (lends && resource !== undefined) rt.pool.evict(resource)
          })
        })
      )
      const run = new TaskRun(rt, held, Fibers.contextHere(), terms)
      const giveBack = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.suspend(() => {
          returned = true
          end?.(exit)
          return run.end() === undefined ? Effect.asVoid(run.await) : Effect.void
        })
      const waiting = Effect.callback<Loan, unknown>((resume) => {
        lent = (loan) => resume(Effect.succeed(loan))
        // Refused, out of time, or ended by a closing herd, before there was anything to lend.
        run.listen((exit) => resume(exit as Exit.Exit<never, unknown>))
        run.accept(true)
      })
      const borrowed = Effect.onExit(restore(waiting), (exit) => {
        if (Exit.isSuccess(exit) || run.end() !== undefined) return Effect.void
        returned = true
        return end === undefined ? run.interrupt : giveBack(Exit.void)
      })
      // Here, and not by the caller: an interruption may keep a result from leaving an uninterruptible region.
      return Effect.flatMap(Effect.flatMap(borrowed, keep), (kept) =>
        // Taken back by the herd before its borrower went on, it may be destroyed already: it was never lent.
        taken ? (run.join as Effect.Effect<never, unknown>) : Effect.succeed(kept)
      )
    })
  )
