/** What came of it. */
import type { HerdStats } from "lemmings"
import type { Seen } from "./Scene.ts"
import type { Watched } from "./View.ts"

/** Everything there is to say about a scene that ended. */
export interface Ended {
  /** Whether it was played to its end. */
  readonly complete: boolean
  readonly stats: HerdStats
  readonly seen: Seen
  readonly watched: Watched
}

/** Questions that nobody answered. Anything but 0 is a bug. */
export const lost = ({ seen }: Ended): number => seen.asked - seen.answered

export const render = (ended: Ended): string => {
  const { complete, seen, stats, watched } = ended
  const waits = seen.waits.toSorted((a, b) => a - b)
  const quantile = (q: number) => Math.round(waits[Math.ceil(q * waits.length) - 1] ?? 0)
  const changes = watched.decisions.length
  const grown = watched.decisions.filter(({ from, to }) => to > from).length
  return [
    complete ? "" : "Stopped early.",
    `${seen.asked} tasks, ${lost(ended)} lost`,
    `wait p50 ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms, p99 ${quantile(0.99)} ms`,
    `${stats.workers.peak} workers at most, ${stats.workers.size} in the end, ${watched.workerSeconds.toFixed(0)} worker-seconds`,
    `changed ${changes} times, ${grown} of them growth; ${stats.resources.created} connections made`
  ]
    .filter((part) => part !== "")
    .join("\n")
}
