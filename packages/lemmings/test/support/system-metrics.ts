/** Reads the process in a scope that closes and in one that stays open, and ends. */
import { Effect, Layer, Scope } from "effect"
import { SystemMetrics } from "lemmings"

const read = Effect.map(SystemMetrics, (metrics) => metrics.read())

await Effect.runPromise(Effect.provide(read, SystemMetrics.layer))

const left = Scope.makeUnsafe()
const context = await Effect.runPromise(Layer.buildWithScope(SystemMetrics.layer, left))
const { memoryUsed } = await Effect.runPromise(Effect.provide(read, context))
if (!(memoryUsed > 0) || left.state._tag === "Closed") process.exitCode = 1
