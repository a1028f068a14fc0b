/**
 * Makes the queue wait and the attempt visible in traces. With no tracer on it
 * costs one look into the context.
 */
import { type Clock, Context, Effect, Exit, Option, References, Tracer } from "effect"

/** The attempt that is traced. */
export interface Traced {
  readonly clock: Clock.Clock
  readonly herd: string
  readonly id: string
  readonly label: string | undefined
  /** Counts from 1. */
  readonly attempt: number
  /** Milliseconds since the task was accepted. */
  readonly waitMillis: number
}

/** Whether the submitter is being traced. */
export const isTraced = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, Tracer.ParentSpan) !== undefined &&
  Context.get(context, References.TracerEnabled)

/**
 * With a parent span in the context: adds `<label> wait`, from acceptance to now,
 * and wraps the attempt in a span named by its label. Both are children of the
 * submitter's span.
 */
export const traced = (
  task: Effect.Effect<unknown, unknown>,
  context: Context.Context<never>,
  attempt: Traced
): Effect.Effect<unknown, unknown> => {
  const parent = Context.getOption(context, Tracer.ParentSpan)
  if (Option.isNone(parent)) return task
  const attributes = { herd: attempt.herd, "task.id": attempt.id, "task.attempt": attempt.attempt }
  const name = attempt.label ?? "task"
  const end = attempt.clock.currentTimeNanosUnsafe()
  const queue = Context.get(context, Tracer.Tracer).span({
    name: `${name} wait`,
    parent,
    annotations: Context.empty(),
    links: [],
    startTime: end - BigInt(Math.round(attempt.waitMillis * 1e6)),
    kind: "internal",
    root: false,
    sampled: parent.value.sampled
  })
  for (const [key, value] of Object.entries(attributes)) queue.attribute(key, value)
  queue.end(end, Exit.void)
  return Effect.withSpan(task, name, { attributes })
}
