export * as FiberPool from "./FiberPool.ts"
export * as Herd from "./Herd.ts"
export * as HerdConfig from "./HerdConfig.ts"
export * from "./HerdError.ts"
export { HerdEvent, HerdEvents } from "./HerdEvent.ts"
export * as HerdMain from "./HerdMain.ts"
export * as HerdRegistry from "./HerdRegistry.ts"
export {
  HerdMetrics,
  HerdStats,
  PoolStats,
  ScalingDecision,
  ScalingSample,
  ShutdownReport,
  Timing
} from "./HerdStats.ts"
export * from "./HerdTasks.ts"
export { Lemmings, LemmingsLive } from "./Lemmings.ts"
export * as QueueRegistry from "./QueueRegistry.ts"
export * as ResourcePool from "./ResourcePool.ts"
export { Resources } from "./Resources.ts"
export * as Retry from "./Retry.ts"
export type { TaskOutput } from "./Submit.ts"
export * as ScalingPolicy from "./ScalingPolicy.ts"
export { Supervisor } from "./Supervisor.ts"
export { SystemMetrics, SystemReading } from "./SystemMetrics.ts"
export * from "./Task.ts"
export * as TaskQueue from "./TaskQueue.ts"
