/** What a process does with a queue, and what the store has of it, as metrics. */
import * as PulledMetrics from "lemmings/PulledMetrics"
import type { QueueStats } from "lemmings/QueueRegistry"
import { FailureReason } from "../port/JobError.ts"
import type { Puller } from "./Puller.ts"

/** Publishes the figures of one puller until the scope closes. */
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
    ended("lost", () => tally.lost),
    ...FailureReason.literals.map((reason) =>
      counter(
        "lemmings_jobs_dead_total",
        "Jobs that this process stored as failed for good, by the last failure.",
        () => puller.died[reason],
        { reason }
      )
    )
  ])
}

/** Publishes the figures of the whole queue, as its store has them, until the scope closes. */
export const publishStored = (
  queue: string,
  figure: (read: (stats: QueueStats) => number) => () => number,
  ready: () => boolean
) => {
  const { gauge } = PulledMetrics.make({ queue })
  const jobs = (state: "waiting" | "delayed" | "running") =>
    gauge(
      "lemmings_jobs_stored",
      "Jobs in the store, by state.",
      figure((s) => s[state]),
      { state }
    )
  const ended = (outcome: "completed" | "failed" | "cancelled") =>
    gauge(
      "lemmings_jobs_last_minute",
      "Jobs that ended in the last minute, on all machines, by outcome.",
      figure((s) => s.lastMinute[outcome]),
      { outcome }
    )
  return PulledMetrics.register([
    gauge(
      "lemmings_jobs_store_ready",
      "0 while the store cannot be reached: the other figures are old.",
      () => Number(ready())
    ),
    jobs("waiting"),
    jobs("delayed"),
    jobs("running"),
    ended("completed"),
    ended("failed"),
    ended("cancelled"),
    gauge(
      "lemmings_jobs_attempts_last_minute",
      "Executions of the jobs that ended in the last minute.",
      figure((s) => s.lastMinute.attempts)
    ),
    gauge(
      "lemmings_jobs_dead_letters",
      "Jobs in the dead letters.",
      figure((s) => s.deadLetters)
    ),
    gauge(
      "lemmings_jobs_oldest_seconds",
      "How long the oldest waiting job could have run already.",
      figure((s) => s.oldestMillis / 1000)
    ),
    gauge(
      "lemmings_jobs_paused",
      "1 while nothing is claimed.",
      figure((s) => Number(s.paused))
    )
  ])
}
