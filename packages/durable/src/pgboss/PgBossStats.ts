/**
 * A queue in figures, in a time that does not grow with what waits.
 *
 * **Details**
 *
 * Up to 10,000 are counted. What is more is estimated from some pages of the table, chosen by chance: a few percent off where the
 * jobs of the queue are much of the table, and more where they are little of it. Reading all of a million rows takes seconds, in
 * which whoever looks at the figures sees old ones.
 */
import type { QueueStats } from "../port/JobStore.ts"

/** The most that is counted. */
const most = 10_000

/** Pages of the table that an estimate reads. */
const pages = 400

/** $1 queue, $2 its dead letters. */
export const make = (schema: string) => {
  const jobs = `${schema}.job_common`
  const now = `${schema}.job_now()`
  const figures = {
    // Those that are set apart wait too.
    waiting: `name = $1 AND state IN ('created', 'retry') AND blocked IN (false, true) AND start_after <= ${now}`,
    delayed: `name = $1 AND state IN ('created', 'retry') AND blocked IN (false, true) AND start_after > ${now}`,
    running: `name = $1 AND state = 'active'`,
    dead: `name = $2 AND state IN ('created', 'retry')`
  }
  const counted = Object.entries(figures).map(
    ([figure, where]) =>
      `(SELECT count(*) FROM (SELECT FROM ${jobs} WHERE ${where} LIMIT ${most + 1}) c) AS ${figure}`
  )
  const sampled = Object.entries(figures).map(
    ([figure, where]) => `count(*) FILTER (WHERE ${where}) AS ${figure}`
  )
  const shown = Object.keys(figures).map(
    (figure) => `CASE WHEN c.${figure} <= ${most} THEN c.${figure}::float8
        ELSE GREATEST(c.${figure}, round((SELECT s.${figure} FROM sampled s) * 100 / f.percent)) END AS ${figure}`
  )
  // How far back one that waits could have run: by the index, for each of the states.
  const oldest = ["'created' AND NOT blocked", "'retry' AND NOT blocked", "'retry' AND blocked"].map(
    (state) => `(SELECT start_after FROM ${jobs}
        WHERE name = $1 AND state = ${state} AND start_after <= ${now} ORDER BY start_after LIMIT 1)`
  )
  const percent = `LEAST(100, 100.0 * ${pages} * current_setting('block_size')::int
        / GREATEST(1, pg_relation_size('${jobs}')))::float8`
  return `WITH sampled AS MATERIALIZED (
      SELECT ${sampled.join(", ")} FROM ${jobs} TABLESAMPLE SYSTEM (${percent})
    ), counted AS MATERIALIZED (SELECT ${counted.join(", ")})
    SELECT ${shown.join(", ")},
      COALESCE(GREATEST(extract(epoch FROM ${now} - LEAST(${oldest.join(", ")})) * 1000, 0), 0)::float8 AS oldest,
      EXISTS (SELECT FROM ${schema}.lemmings_paused WHERE name = $1) AS paused,
      l.*
    FROM counted c, (SELECT ${percent} AS percent) f, (
      SELECT count(*) FILTER (WHERE state = 'completed')::int AS completed,
        count(*) FILTER (WHERE state = 'failed')::int AS failed,
        count(*) FILTER (WHERE state = 'cancelled')::int AS cancelled,
        COALESCE(sum(CASE WHEN started_on IS NULL THEN 0
          ELSE retry_count + 1 - CASE WHEN data->>'r' ~ '^[0-9]{1,6}$' THEN (data->>'r')::int ELSE 0 END END), 0)::int AS attempts
      FROM ${jobs} WHERE name = $1 AND completed_on > ${now} - interval '1 minute'
    ) l`
}

interface Row {
  readonly paused: boolean
  readonly waiting: number
  readonly delayed: number
  readonly running: number
  readonly dead: number
  readonly oldest: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  readonly attempts: number
}

export const statsOf = (queue: string, found: unknown): QueueStats => {
  const { attempts, cancelled, completed, dead, delayed, failed, oldest, paused, running, waiting } =
    found as Row
  return {
    queue,
    paused,
    waiting,
    delayed,
    running,
    deadLetters: dead,
    oldestMillis: oldest,
    lastMinute: { completed, failed, cancelled, attempts }
  }
}
