/** The herd: each worker owns a connection. How many there are is left to the default policy. */
import type { Effect, Scope } from "effect"
import { Herd } from "lemmings"
import { Connection, type ConnectionLost, isHealthy } from "./Connection.ts"

export class BurstHerd extends Herd.Service<BurstHerd>()("burst/BurstHerd", { resource: Connection }) {
  static readonly live = (onCreate: Effect.Effect<Connection["Service"], ConnectionLost, Scope.Scope>) =>
    this.layer({
      onCreate,
      checkHealth: isHealthy,
      workers: { min: 2, max: 32 },
      // Of the live figures, not of the decisions.
      window: "3 seconds"
    })
}
