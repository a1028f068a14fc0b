// Placeholder until the real one is here.
import { Effect, Layer, type Scope } from "effect"
import type { ProcessFrame } from "./ControlModel.ts"
export const layer: Layer.Layer<never> = Layer.empty
export const readings: Effect.Effect<{ readonly read: () => ProcessFrame }, never, Scope.Scope> =
  Effect.succeed({
    read: () => ({
      pid: 1,
      uptimeSeconds: 1,
      cpu: 0,
      memoryUsed: 1,
      memoryLimit: 2,
      heapUsed: 1,
      heapLimit: 2,
      eventLoopUtilization: 0,
      eventLoopDelayMillis: 0
    })
  })
