/** What a herd is like of which nobody has said anything, as the documentation prints it. */
import type { HerdConfig } from "lemmings"

export const defaults: HerdConfig.HerdConfig = {
  workers: { min: 1, max: 16, initial: 1 },
  queue: { capacity: Infinity, overflow: "suspend", ageing: 5000, order: "arrival", cost: "weight" },
  shutdown: { drain: 30_000, interrupt: 5000, destroy: 5000 },
  scaling: "auto",
  scalingInterval: 250,
  start: "background",
  createTimeout: 30_000,
  maxCreating: 32,
  validateAfter: 500,
  validateTimeout: 5000,
  idleTimeToLive: 600_000,
  maxLifetime: 1_800_000,
  keepAlive: Infinity,
  maxUses: Infinity,
  reuse: "lifo",
  leakAfter: Infinity,
  onLeak: "report",
  spares: 0,
  maxTemporary: 16,
  maxRequeues: 3,
  window: 60_000
}
