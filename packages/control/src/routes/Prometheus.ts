/**
 * The metrics of the process in Prometheus' text format.
 *
 * @since 0.3.0
 */
import type { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"

/**
 * OpenTelemetry's names of connection pools in the form that its Prometheus exporters give them: units and kinds as
 * suffixes. Other names stay as they are.
 */
const translated: { readonly [name: string]: string } = {
  // A name of its own kind: only histograms may end in _count.
  "db.client.connection.count": "db_client_connections",
  "db.client.connection.timeouts": "db_client_connection_timeouts_total",
  "db.client.connection.create_time": "db_client_connection_create_time_seconds",
  "db.client.connection.wait_time": "db_client_connection_wait_time_seconds",
  "db.client.connection.use_time": "db_client_connection_use_time_seconds"
}

/**
 * Every metric of the context's registry, those of the application included.
 *
 * @category formatting
 * @since 0.3.0
 */
export const format: Effect.Effect<string> = PrometheusMetrics.format({
  metricNameMapper: (name) => translated[name] ?? name
})
