/**
 * Assertions on a herd's figures.
 *
 * @since 0.1.0
 */
import type { HerdStats } from "../model/HerdStats.ts"

/**
 * Throws unless every task and every worker is counted in exactly one place: submitted tasks are
 * queued, delayed, running, succeeded, failed, interrupted or shed, and workers are idle, busy or starting, base or
 * burst. Holds at every instant of every herd.
 *
 * **Example** (A herd between two tasks)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { Lemmings } from "lemmings"
 * import { assertConserved, virtual } from "lemmings/testing"
 *
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   yield* herd.run(Effect.sleep("1 day"))
 *   yield* herd.submit(Effect.sleep("1 day"))
 *   const stats = yield* herd.stats
 *   assertConserved(stats)
 *   return [stats.tasks.succeeded, stats.tasks.running]
 * })
 *
 * await Effect.runPromise(virtual(program.pipe(Effect.provide(Lemmings.layer())), { limit: "2 days" })) // => [1, 1]
 * ```
 *
 * @category assertions
 * @since 0.1.0
 */
export const assertConserved = ({
  herd,
  resources,
  tasks,
  workers
}: Pick<HerdStats, "herd" | "resources" | "tasks" | "workers">): void => {
  check(herd, tasks, "submitted", [
    "queued",
    "delayed",
    "running",
    "succeeded",
    "failed",
    "interrupted",
    "shed"
  ])
  check(herd, workers, "size", ["idle", "busy", "starting"])
  check(herd, workers, "size", ["base", "burst"])
  check(herd, resources, "created", ["destroyed", "alive"])
}

const check = <const K extends string>(
  herd: string,
  counts: { readonly [_ in K]: number },
  total: K,
  parts: ReadonlyArray<K>
) => {
  const sum = parts.reduce((sum, part) => sum + counts[part], 0)
  const negative = parts.find((part) => counts[part] < 0)
  if (counts[total] === sum && negative === undefined) return
  const shown = parts.map((part) => `${counts[part]} ${part}`).join(" + ")
  throw new Error(`herd ${herd}: ${counts[total]} ${total}, but ${shown} make ${sum}`)
}
