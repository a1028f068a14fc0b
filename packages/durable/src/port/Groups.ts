/** How many jobs of one group may wait. */
import type { NewJob } from "./JobStore.ts"

/** As many jobs of a group wait as may. */
export class GroupFull extends Error {
  override readonly name = "GroupFull"
  /** Kept where an error of a store is stripped. */
  readonly code = "group_full"
  constructor(most: number) {
    super(`as many jobs of one group wait as may: ${most} (maxWaitingPerGroup)`)
  }
}

/** Whether an error is that, also one that was stripped. */
export const isGroupFull = (error: unknown): boolean =>
  error instanceof Error && Reflect.get(error, "code") === "group_full"

/** How many jobs a call brings into each group that has a limit. */
export const broughtBy = (
  jobs: ReadonlyArray<NewJob>
): ReadonlyArray<{
  readonly queue: string
  readonly group: string
  readonly most: number
  readonly brings: number
}> => {
  const groups = new Map<string, { queue: string; group: string; most: number; brings: number }>()
  for (const { group, maxInGroup, queue } of jobs) {
    if (group === undefined || maxInGroup === undefined) continue
    const name = `${queue}\n${group}`
    const found = groups.get(name)
    if (found === undefined) groups.set(name, { queue, group, most: maxInGroup, brings: 1 })
    else {
      found.brings++
      found.most = Math.min(found.most, maxInGroup)
    }
  }
  return [...groups.values()]
}
