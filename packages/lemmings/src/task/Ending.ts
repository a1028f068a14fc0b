/**
 * How a task ends: settled and counted in one step, and told afterwards, by itself or with all that are dropped together.
 */
import { type Context, Effect, type Exit } from "effect"
import type { AsyncContext } from "../internal/AsyncContext.ts"
import type * as Fibers from "../internal/Fibers.ts"
import type { ShedReason } from "../model/HerdError.ts"
import type { Lease } from "../workers/Worker.ts"
import type { TaskStatus } from "../model/Task.ts"
import { Described } from "./Described.ts"
import * as Retry from "./Retry.ts"
import * as SelfWait from "./SelfWait.ts"
import * as TaskExtra from "./TaskExtra.ts"
import { closing, shedding } from "./TaskLimits.ts"
import * as TaskNews from "./TaskNews.ts"
import type { Runtime, Waiting } from "./TaskRuntime.ts"
import type { TaskTerms } from "./TaskTerms.ts"
import * as TaskTimers from "./TaskTimers.ts"

type Phase = "new" | "queued" | "delayed" | "running" | "done"

/** A task that ends once. */
export abstract class Ending extends Described implements Waiting {
  abstract level: number
  abstract readonly enqueuedAt: number
  abstract readonly waitingSince: number
  abstract slot: number
  abstract victim: number
  abstract start(lease: Lease, now: number | undefined): void
  abstract admitted(): void
  abstract limit(): void
  abstract unlimit(): void
  abstract close(): void
  abstract giveUp(): boolean
  protected abstract fiber: Fibers.Running | undefined
  declare phase: Phase
  declare protected readonly rt: Runtime
  declare protected task: Effect.Effect<unknown, unknown> | undefined
  declare protected extra: TaskExtra.Extra | undefined
  /** Why it was dropped before it ended. Its exit is then made when somebody asks for it. */
  declare protected dropped: ShedReason | "closed" | undefined

  constructor(
    rt: Runtime,
    task: Effect.Effect<unknown, unknown>,
    terms: TaskTerms,
    sequence: number,
    context: Context.Context<never>,
    from: AsyncContext
  ) {
    super(terms, sequence, context, from)
    this.phase = "new"
    this.rt = rt
    this.task = task
    this.extra = undefined
    this.dropped = undefined
  }

  get works(): object | undefined {
    return this.phase === "running" ? this.fiber : undefined
  }
  get waiter(): object | undefined {
    return (this.phase === "queued" || this.phase === "new") && this.awaited ? this.fiber : undefined
  }
  override awaitedBy(fiber: Fibers.Running | undefined): void {
    if (this.phase !== "queued" && this.phase !== "new") return
    this.fiber ??= fiber
    SelfWait.noticed(this.rt)
  }
  get requeues(): number {
    return this.extra === undefined ? 0 : this.extra.requeues
  }
  get more(): TaskExtra.Extra {
    return (this.extra ??= TaskExtra.make())
  }
  get status(): Effect.Effect<TaskStatus> {
    return Effect.sync(() => {
      if (this.phase !== "done") return this.phase === "new" ? "queued" : this.phase
      if (this.dropped !== undefined) return "shed"
      return this.exit === undefined ? "failed" : TaskNews.outcome(this.exit)
    })
  }
  drop(reason: ShedReason | "closed"): void {
    const { rt } = this
    if (this.phase === "queued") {
      this.dropped = reason
      rt.tally.shed++
    } else if (this.phase === "new") {
      this.exit = closing(rt)
      rt.tally.rejected++
    } else return
    this.finish(this.exit)
  }
  shed(reason: ShedReason): void {
    this.drop(reason)
    this.rt.pool.settle({ deliver: () => this.tell() })
  }
  tell(): void {
    const { dropped, rt } = this
    if (dropped !== undefined) TaskNews.shed(rt, this, dropped)
    this.deliver()
  }
  get told(): boolean {
    return true
  }
  override end(): Exit.Exit<unknown, unknown> | undefined {
    const { dropped, rt } = this
    if (this.exit === undefined && dropped !== undefined && this.phase === "done")
      this.exit = dropped === "closed" ? closing(rt) : shedding(rt, this.id, dropped)
    return this.exit
  }

  protected settle(exit: Exit.Exit<unknown, unknown>): void {
    const { dropped, rt } = this
    if (this.phase === "delayed") rt.delayed.delete(this)
    if (dropped !== undefined) rt.tally.shed++
    else if (exit._tag === "Success") rt.tally.succeeded++
    else {
      const outcome = TaskNews.outcome(exit)
      rt.tally[outcome]++
      if (rt.state !== "running" && Retry.didNotEnd(exit.cause)) rt.tally.notEnded++
      if (outcome === "failed") TaskNews.failed(rt, this, exit.cause, false)
    }
    this.conclude(exit)
    if (dropped !== undefined) TaskNews.shed(rt, this, dropped)
  }

  protected conclude(exit: Exit.Exit<unknown, unknown>): void {
    this.finish(exit)
    if (this.awaited) this.rt.pool.settle(this)
  }

  /** Nobody is told yet. */
  private finish(exit: Exit.Exit<unknown, unknown> | undefined): void {
    const { extra } = this
    this.phase = "done"
    this.exit = exit
    this.rt.line.flow?.ended(this, this.rt.timers.now())
    if (extra !== undefined) {
      TaskTimers.disarm(this.rt, extra, true)
      const { requeues } = extra
      this.extra = undefined
      if (requeues > 0) this.more.requeues = requeues
    }
    this.task = this.context = this.from = undefined
  }
}
