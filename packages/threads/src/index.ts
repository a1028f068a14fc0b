/**
 * Herds of threads for CPU-bound work.
 *
 * @since 0.3.0
 */
export * as ThreadError from "./task/ThreadError.ts"
export * as ThreadHerd from "./herd/ThreadHerd.ts"
export * as ThreadTask from "./task/ThreadTask.ts"
export * as ThreadTasks from "./thread/ThreadTasks.ts"
