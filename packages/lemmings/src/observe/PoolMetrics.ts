/** A resource pool in the names that OpenTelemetry has for pools of database connections. */
import type { Effect, Scope } from "effect"
import type { HerdStats } from "../model/HerdStats.ts"
import type { Histogram } from "../internal/Histogram.ts"
import * as PulledMetrics from "./PulledMetrics.ts"
import type { Resources } from "../workers/Resources.ts"

/**
 * Publishes the pool's figures under the attribute `db.client.connection.pool.name` until the scope closes.
 */
export const publish = (
  pool: string,
  stats: () => HerdStats,
  { creations }: Resources["Service"],
  waits: Histogram,
  uses: Histogram
): Effect.Effect<void, never, Scope.Scope> => {
  const { counter, gauge, histogram } = PulledMetrics.make({ "db.client.connection.pool.name": pool })
  const workers = () => stats().workers
  const count = "Resources, by what they do."
  const state = "db.client.connection.state"
  return PulledMetrics.register([
    gauge("db.client.connection.count", count, () => workers().idle, { [state]: "idle" }),
    gauge("db.client.connection.count", count, () => workers().busy, { [state]: "used" }),
    gauge("db.client.connection.idle.max", "Most resources that may be idle.", () => workers().max),
    gauge(
      "db.client.connection.idle.min",
      "Resources kept when there is nothing to do.",
      () => workers().min
    ),
    gauge("db.client.connection.max", "Most resources ever.", () => workers().max),
    gauge("db.client.connection.pending_requests", "Borrowers waiting.", () => stats().tasks.queued),
    counter(
      "db.client.connection.timeouts",
      "Borrowers that got no resource in time.",
      () => stats().tasks.acquireTimeouts
    ),
    histogram("db.client.connection.create_time", "Seconds that creating a resource took.", creations),
    histogram("db.client.connection.wait_time", "Seconds that borrowers waited.", waits),
    histogram("db.client.connection.use_time", "Seconds between borrowing and giving back.", uses)
  ])
}
