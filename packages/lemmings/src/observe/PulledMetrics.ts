/**
 * Effect metrics that are read when they are scraped, so that they cost nothing in between.
 *
 * **Example** (Publishing the length of a list)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { PrometheusMetrics } from "effect/observability"
 * import * as PulledMetrics from "lemmings/PulledMetrics"
 *
 * const list = ["a", "b"]
 * const { gauge } = PulledMetrics.make({ list: "names" })
 *
 * const program = Effect.gen(function* () {
 *   yield* PulledMetrics.register([gauge("app_list_size", "Names in the list.", () => list.length)])
 *   list.push("c")
 *   return (yield* PrometheusMetrics.format()).includes(`app_list_size{list="names"} 3`)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => true
 * ```
 *
 * @since 0.2.0
 */
import { type Context, Effect, Metric, type Scope } from "effect"
import type { Histogram } from "../internal/Histogram.ts"

// Seconds. From a tenth of a millisecond to almost two minutes, each twice the one before.
const boundaries = Metric.exponentialBoundaries({ start: 0.0001, factor: 2, count: 20 })
const boundariesMillis = boundaries.map((seconds) => seconds * 1000)

const none = () => {}

/**
 * Registers a metric with whatever registry the context has.
 *
 * @category models
 * @since 0.2.0
 */
export type Register = (context: Context.Context<never>) => { readonly remove: () => void }

/**
 * Ways to publish figures under these attributes.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (attributes: { readonly [name: string]: string }) => {
  const gauge =
    (name: string, description: string, read: () => number, labels = {}) =>
    (context: Context.Context<never>) =>
      Metric.registerUnsafe(
        Metric.gauge(name, { description, attributes: { ...attributes, ...labels } }),
        context,
        { get: () => ({ value: read() }), update: none, modify: none }
      )
  const counter =
    (name: string, description: string, read: () => number, labels = {}) =>
    (context: Context.Context<never>) =>
      Metric.registerUnsafe(
        Metric.counter(name, { description, attributes: { ...attributes, ...labels }, incremental: true }),
        context,
        { get: () => ({ count: read(), incremental: true }), update: none, modify: none }
      )
  const histogram =
    (name: string, description: string, source: Histogram) => (context: Context.Context<never>) =>
      Metric.registerUnsafe(Metric.histogram(name, { description, attributes, boundaries }), context, {
        get: () => {
          const counts = source.cumulativeAtMost(boundariesMillis)
          return {
            buckets: boundaries.map((boundary, i): [number, number] => [boundary, counts[i] ?? 0]),
            count: source.count,
            min: source.min / 1000,
            max: source.max / 1000,
            sum: source.sum / 1000
          }
        },
        update: none,
        modify: none
      })

  return { gauge, counter, histogram }
}

/**
 * Publishes until the scope closes.
 *
 * @category constructors
 * @since 0.2.0
 */
export const register = (all: ReadonlyArray<Register>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => all.map((publish) => publish(context)))
    ),
    (registrations) => Effect.sync(() => registrations.forEach((registration) => registration.remove()))
  ).pipe(Effect.asVoid)
