// Placeholder until the real one is here.
import { PrometheusMetrics } from "effect/observability"
export const format = PrometheusMetrics.format()
