/** Takes the trace of whoever enqueues a job along with it. */
import { Effect, Option, Tracer } from "effect"

/** The span that the call is made in, as W3C says it. */
export const traceHere = Effect.map(Effect.serviceOption(Tracer.ParentSpan), (found) => {
  if (Option.isNone(found)) return undefined
  const { sampled, spanId, traceId } = found.value
  return `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`
})

/** The task as a child of whoever enqueued the job. */
export const traceFrom = (trace: string, name: string, task: Effect.Effect<unknown, unknown>) => {
  const [, traceId, spanId, flags] = trace.split("-")
  if (traceId === undefined || spanId === undefined) return task
  const parent = Tracer.externalSpan({ traceId, spanId, sampled: flags !== "00" })
  return Effect.withSpan(task, name, { parent, kind: "consumer" })
}
