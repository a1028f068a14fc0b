/**
 * Herds of threads for CPU-bound work.
 *
 * @since 0.3.0
 */
export * as ThreadError from "./ThreadError.ts"
export * as ThreadHerd from "./ThreadHerd.ts"
export * as ThreadTask from "./ThreadTask.ts"
export * as ThreadTasks from "./ThreadTasks.ts"
