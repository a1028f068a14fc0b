/**
 * Typed jobs that survive a crash and run on many machines.
 *
 * @since 0.4.0
 */
export * as Admin from "./Admin.ts"
export * as Job from "./Job.ts"
export * from "./port/JobError.ts"
export * as Jobs from "./Jobs.ts"
export * as JobStore from "./port/JobStore.ts"
export * as JobWorkers from "./work/JobWorkers.ts"
