/**
 * Dropping all tasks of a line at once, however many they are: all are settled and counted in one short step, and told
 * one by one by the loop, which yields to the event loop.
 */
import type { Deliverable } from "../dispatch/FiberPool.ts"
import type { Taken } from "../dispatch/TaskQueue.ts"
import type { ShedReason } from "../model/HerdError.ts"
import type { Place, Waiting } from "./TaskRuntime.ts"

/** Tells the tasks in the order of their line, one each time that it is called. */
class Telling implements Deliverable {
  private readonly pool: Place["pool"]
  private readonly taken: Taken<Waiting>
  private entry: Waiting | undefined

  constructor(pool: Place["pool"], taken: Taken<Waiting>) {
    this.pool = pool
    this.taken = taken
  }

  deliver(): void {
    const entry = this.entry ?? this.taken.pop()
    this.entry = undefined
    if (entry === undefined) return
    this.pool.settle(this)
    try {
      entry.tell()
    } finally {
      if (!entry.told) this.entry = entry
    }
  }
}

/** Drops what was taken out of a line. Returns how many tasks that were. Call `pump` afterwards. */
export const drop = (
  { pool }: Pick<Place, "pool">,
  taken: Taken<Waiting>,
  reason: ShedReason | "closed"
): number => {
  let tasks = 0
  for (const entry of taken.values()) {
    tasks += entry.tasks
    entry.drop(reason)
  }
  if (tasks > 0) pool.settle(new Telling(pool, taken))
  return tasks
}
