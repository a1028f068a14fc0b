export * as FiberPool from "./dispatch/FiberPool.ts"
export * as Herd from "./herd/Herd.ts"
export * as HerdConfig from "./model/HerdConfig.ts"
export * from "./model/HerdError.ts"
export { KeyUse, Obstacle, TaskExplanation } from "./model/HerdFlow.ts"
export { HerdEvent, HerdEvents } from "./model/HerdEvent.ts"
export * as HerdMain from "./HerdMain.ts"
export * as HerdRegistry from "./registry/HerdRegistry.ts"
export {
  HerdMetrics,
  HerdStats,
  PoolStats,
  ScalingDecision,
  ScalingSample,
  ShutdownReport,
  Timing
} from "./model/HerdStats.ts"
export * from "./model/HerdTasks.ts"
export type {
  FlowControlOptions,
  KeyLimitsOptions,
  LimitsOptions,
  OverloadOptions,
  RateOptions,
  RetryBudgetOptions
} from "./model/Limits.ts"
export { Lemmings, LemmingsLive } from "./Lemmings.ts"
export * as QueueRegistry from "./registry/QueueRegistry.ts"
export * as ResourcePool from "./herd/ResourcePool.ts"
export { Resources } from "./workers/Resources.ts"
export * as Retry from "./task/Retry.ts"
export type { TaskOutput } from "./herd/Submit.ts"
export * as ScalingPolicy from "./scaling/ScalingPolicy.ts"
export { Supervisor } from "./scaling/Supervisor.ts"
export { SystemMetrics, SystemReading } from "./model/SystemMetrics.ts"
export * from "./model/Task.ts"
export * as TaskQueue from "./dispatch/TaskQueue.ts"
