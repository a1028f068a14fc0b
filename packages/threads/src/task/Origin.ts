/** Takes the caller's span and log annotations along to a thread, and puts them on there. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { describe, type Origin } from "../wire/Wire.ts"

const isPlain = (value: unknown): boolean =>
  value === null || !(typeof value === "object" || typeof value === "function" || typeof value === "symbol")

const hasAny = (record: object): boolean => {
  for (const name in record) if (Object.hasOwn(record, name)) return true
  return false
}

/** What the handler should know of its caller. `undefined`: the caller has no span and no annotations. */
export const originOf = (context: Context.Context<never> | undefined): Origin | undefined => {
  if (context === undefined) return undefined
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  const annotations = Context.get(context, References.CurrentLogAnnotations)
  // Asked for each task, and most have neither.
  if (span === undefined && !hasAny(annotations)) return undefined
  const names = Object.entries(annotations)
  return {
    span: span && { traceId: span.traceId, spanId: span.spanId, sampled: span.sampled },
    annotations: Object.fromEntries(
      names.map(([name, value]) => [name, isPlain(value) ? value : describe(value)])
    )
  }
}

/** The effect as a child of the caller's span, with the caller's log annotations. */
export const withOrigin = (
  effect: Effect.Effect<unknown, unknown>,
  origin: Origin | undefined
): Effect.Effect<unknown, unknown> => {
  if (origin === undefined) return effect
  const annotated = Effect.annotateLogs(effect, origin.annotations)
  return origin.span === undefined
    ? annotated
    : Effect.withParentSpan(annotated, Tracer.externalSpan(origin.span))
}
