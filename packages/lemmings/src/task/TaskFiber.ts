/** What runs an attempt of a task: a fiber, or what stands for one while the task happens elsewhere. */
import { Context, Effect, Exit } from "effect"
import * as Fibers from "../internal/Fibers.ts"
import { CurrentCriticality } from "../model/Task.ts"
import * as RemoteTask from "./RemoteTask.ts"
import { info, type Told } from "./TaskNews.ts"
import type { Runtime } from "./TaskRuntime.ts"
import { isTraced, traced } from "./TaskTrace.ts"
import type { Lease } from "../workers/Worker.ts"

type Observer = (exit: Exit.Exit<unknown, unknown>) => void

class Remote implements Fibers.Running {
  private readonly context: Context.Context<never>
  private exit: Exit.Exit<unknown, unknown> | undefined
  private observer: Observer | undefined
  private stop: Effect.Effect<void> = Effect.void
  private stopped = false

  constructor(start: RemoteTask.Start, context: Context.Context<never>, resource: unknown) {
    this.context = context
    try {
      this.stop = start(resource, context, (exit) => {
        if (!this.stopped) this.end(exit)
      })
    } catch (defect) {
      this.end(Exit.die(defect))
    }
  }
  pollUnsafe(): Exit.Exit<unknown, unknown> | undefined {
    return this.exit
  }
  addObserver(observer: Observer): void {
    this.observer = observer
  }
  interruptUnsafe(): void {
    if (this.stopped || this.exit !== undefined) return
    this.stopped = true
    const ended = (exit: Exit.Exit<void>) => this.end(exit._tag === "Failure" ? exit : Exit.interrupt())
    Fibers.onEnd(Fibers.start(this.context, this.stop), ended)
  }
  private end(exit: Exit.Exit<unknown, unknown>): void {
    if (this.exit !== undefined) return
    this.exit = exit
    this.observer?.(exit)
  }
}

const remote = (
  task: Effect.Effect<unknown, unknown>,
  context: Context.Context<never>,
  resource: unknown
): Fibers.Running | undefined => {
  const { [RemoteTask.start]: start } = task as { readonly [RemoteTask.start]?: RemoteTask.Start }
  return start === undefined ? undefined : new Remote(start, context, resource)
}

/** Starts an attempt on its worker, `waitMillis` after the task was accepted. */
export const fork = (
  { clock, herd, middleware, resource }: Pick<Runtime, "clock" | "herd" | "middleware" | "resource">,
  run: Told,
  task: Effect.Effect<unknown, unknown>,
  context: Context.Context<never>,
  lease: Lease,
  waitMillis: number
): Fibers.Running => {
  const held = lease.resource?.value
  const tracing = isTraced(context)
  if (resource !== undefined && !tracing && middleware.length === 0) {
    const elsewhere = remote(task, context, held)
    if (elsewhere !== undefined) return elsewhere
  }
  let given = resource === undefined ? context : Context.add(context, resource, held)
  const { criticality } = run.terms
  // Tasks of a task inherit what was said of it.
  if (criticality !== undefined) given = Context.add(given, CurrentCriticality, criticality)
  let attempt = task
  if (middleware.length > 0) {
    const about = info(run, lease)
    attempt = Effect.suspend(() => middleware.reduceRight((inner, wrap) => wrap(inner, about), task))
  }
  if (tracing) {
    const { label } = run.terms
    attempt = traced(attempt, context, { clock, herd, id: run.id, label, attempt: run.begun, waitMillis })
  }
  return Fibers.start(given, attempt)
}
