/**
 * What a process does with a queue, as metrics.
 *
 * @since 0.4.0
 */
import * as PulledMetrics from "lemmings/PulledMetrics"
import type { Puller } from "./Puller.ts"

/**
 * Publishes the figures of one puller until the scope closes.
 *
 * @category constructors
 * @since 0.4.0
 */
export const publish = (queue: string, puller: Puller) => {
  const { counter, gauge } = PulledMetrics.make({ queue })
  const { tally } = puller
  const ended = (outcome: string, read: () => number) =>
    counter("lemmings_jobs_ended_total", "Attempts that ended here, by what came of them.", read, { outcome })
  return PulledMetrics.register([
    gauge("lemmings_jobs_held", "Jobs that this process holds.", () => puller.held),
    counter("lemmings_jobs_claimed_total", "Jobs claimed by this process.", () => tally.claimed),
    ended("completed", () => tally.completed),
    ended("retried", () => tally.retried),
    ended("discarded", () => tally.discarded),
    ended("released", () => tally.released),
    ended("lost", () => tally.lost)
  ])
}
