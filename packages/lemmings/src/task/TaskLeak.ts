/**
 * Reports tasks that hold a worker for too long: with the span that they were submitted in, and the place.
 */
import { Context, Effect, References, Tracer } from "effect"
import { inLine, titled } from "../internal/Line.ts"
import type { Runtime } from "./TaskRuntime.ts"
import type { Lease } from "../workers/Worker.ts"

/** The names of the traced functions that a context is in, innermost first. */
const framesOf = (context: Context.Context<never>): string => {
  const lines: Array<string> = []
  for (
    let frame = Context.get(context, References.CurrentStackFrame);
    frame !== undefined;
    frame = frame.parent
  ) {
    lines.push(`in ${frame.name} ${frame.stack()?.trim() ?? ""}`.trim())
  }
  return lines.join("\n")
}

const spanOf = (context: Context.Context<never>) => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  if (span === undefined) return {}
  const { spanId, traceId } = span
  return { span: { traceId, spanId, ...(span._tag === "Span" ? { name: span.name } : {}) } }
}

/** Starts the watch over one attempt. Returns the timer's slot. */
export const watch = (
  rt: Runtime,
  task: {
    readonly id: string
    readonly level: number
    readonly begun: number
    readonly submittedAt: string
    readonly leaked: () => void
  },
  context: Context.Context<never>,
  lease: Lease,
  now: number
): number =>
  rt.timers.schedule(now + rt.leakAfter, () => {
    task.leaked()
    const stack = [framesOf(context), task.submittedAt].filter((part) => part !== "").join("\n")
    const { span } = spanOf(context)
    const { workerId } = lease
    rt.events.emit({
      _tag: "LeakSuspected",
      taskId: task.id,
      priority: task.level,
      attempt: task.begun,
      workerId,
      heldMillis: rt.leakAfter,
      stack,
      ...(span === undefined ? {} : { span })
    })
    const within = span === undefined ? "" : ` in span ${inLine(span.name ?? span.spanId)}`
    const [who, what] = rt.events.kind === "pool" ? ["borrower", "resource"] : ["task", "worker"]
    const text = `${titled(rt.events.kind, rt.herd)}: ${who} ${inLine(task.id)} has held ${what} ${workerId} for ${rt.leakAfter} ms${within}. It was submitted`
    rt.pool.background(
      "the log",
      Effect.logWarning(`${text} ${stack === "" ? "at an unknown place" : `at:\n${stack}`}`)
    )
  })
