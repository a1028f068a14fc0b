/**
 * Typed jobs that survive a crash and run on many machines.
 *
 * @since 0.4.0
 */
export * as Job from "./Job.ts"
export * from "./JobError.ts"
export * as Jobs from "./Jobs.ts"
export * as JobStore from "./JobStore.ts"
export * as JobWorkers from "./JobWorkers.ts"
