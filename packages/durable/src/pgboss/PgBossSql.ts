/**
 * The SQL of our own on the tables of pg-boss, for what its API does not do. Everything else goes through the API.
 *
 * pg-boss 12.38 is pinned exactly for this file. What it takes for granted: the columns of `job_common`, where all queues
 * without a partition of their own are, and their defaults; that `fetch` makes `retry_count` one more with every claim of a
 * row that has been started before; the channel of notifications; that a dead letter is a waiting job of another queue
 * with `source_*` columns.
 *
 * - `insert`: pg-boss's reads 23 fields of each job, where ours have 7, and returns the ids that were accepted, not the few
 *   that were not.
 * - `claim`: the plan of `fetch` is quadratic on a queue that is new to the statistics. Within limits: `PgBossLimits`, since
 *   those of `fetch` do not hold where two claim at a time.
 * - `settle`: `complete` and `fail` take one output for the whole batch, and `fail` has no time to retry at. Nothing public
 *   gives a job back. One statement here ends a batch of claims, whatever became of each.
 * - `heartbeat`: `touch` does not say which claims are lost.
 * - `sweep`: `heartbeatSeconds` is at least 10, and looked at once a minute.
 * - `prune`: pg-boss removes old jobs once a day, reading the whole queue, whatever the retention is.
 * - `cancel`: tells nobody. `redrive`: forgets the job's own limit of attempts, and tells nobody either.
 * - `recover`, `setPriority`, `watch`, `stats`, `pause`: nothing public.
 *
 * What a job's `data` is: `p` the payload, and where there is one `t` the traceparent, `k` the priority, `r` how often it was
 * given back, `l` how often it was lost, `w` that somebody waits for it. Anybody may have written a row: what is no count is none.
 *
 * Every claim raises `retry_count`, so that it names the claim. A claim that was given back, or lost, does not count as an
 * attempt: `r` or `l`, and `retry_limit`, go up with it. The execution is `retry_count + 1 - r`.
 *
 * A job that is set apart is `blocked`, which pg-boss never undoes where there is nothing that it depends on.
 */
import { createHash } from "node:crypto"
import { afterLossSql } from "../port/Losses.ts"
import * as PgBossAside from "./PgBossAside.ts"
import * as PgBossInstall from "./PgBossInstall.ts"
import * as PgBossLetters from "./PgBossLetters.ts"
import * as PgBossLimits from "./PgBossLimits.ts"
import * as PgBossPulse from "./PgBossPulseSql.ts"
import * as PgBossScheduleSql from "./PgBossScheduleSql.ts"
import * as PgBossStats from "./PgBossStats.ts"

/** Where the tables are unless somebody says otherwise. */
export const defaultSchema = "lemmings"

/** Where dead letters of a queue are. */
export const deadQueue = (queue: string): string => `${queue}.dead`

/**
 * The channel that pg-boss notifies with the name of a queue. Ours go through it too, with a space in front, which no
 * queue's name has.
 */
export const channel = (schema: string): string =>
  `pgboss_${createHash("sha224").update(schema).digest("hex").slice(0, 24)}`

/** The statements, for one schema. */
export const make = (schema: string) => {
  const jobs = `${schema}.job_common`
  const now = `${schema}.job_now()`
  const limits = PgBossLimits.make(schema)
  // What is paused says the database alone. A notice is a cue to look.
  const running = `NOT EXISTS (SELECT FROM ${schema}.lemmings_paused p WHERE p.name = $1)`
  const pulse = PgBossPulse.statements(schema)
  const aside = PgBossAside.make(schema)
  const schedules = PgBossScheduleSql.make(schema, channel(schema))
  const notify = (payload: string) => `pg_notify('${channel(schema)}', ${payload})`

  /** A count that `data` has. Anybody may have written the row. */
  const count = (field: string, data = "data") =>
    `(CASE WHEN ${data}->>'${field}' ~ '^[0-9]{1,6}$' THEN (${data}->>'${field}')::int ELSE 0 END)`
  /** `data` with a count, where it is what we write. */
  const counted = (field: string, value: string, data = "data") =>
    `(CASE WHEN jsonb_typeof(${data}) = 'object' THEN ${data} || jsonb_build_object('${field}', ${value}) ELSE ${data} END)`
  /** What a job keeps of it when it is another one. */
  const kept = (data: string) =>
    `(CASE WHEN jsonb_typeof(${data}) = 'object' THEN ${data} - 'r' - 'l' - 'w' ELSE ${data} END)`
  /** Attempts that the job was stored with: every one that was given back or lost has made its limit one more. */
  const own = `(j.retry_limit + 1 - ${count("r", "j.data")} - ${count("l", "j.data")})`
  // In a row that cannot count them a lost execution is an attempt.
  const counts = `(COALESCE(jsonb_typeof(j.data), '') = 'object')`
  const loss = afterLossSql(own, `(${count("l", "j.data")} + 1)`)
  const goesOn = `(CASE WHEN ${counts} THEN ${loss.goesOn} ELSE j.retry_count < j.retry_limit END)`

  /** Copies what `settled` has failed to the dead letters, as pg-boss would, but with the job's own limit of attempts. */
  const bury = `INSERT INTO ${schema}.job (name, priority, data, retry_limit, retry_backoff, retry_delay, start_after,
      created_on, keep_until, deletion_seconds, expire_seconds, singleton_key, group_id, group_tier, heartbeat_seconds,
      source_name, source_id, source_created_on, source_retry_count, source_output, source_root_id, trace_context)
    SELECT s.dead_letter, s.priority, ${kept("s.data")},
      GREATEST(0, s.retry_limit - ${count("r", "s.data")} - ${count("l", "s.data")}), q.retry_backoff, q.retry_delay, ${now},
      ${now}, ${now} + q.retention_seconds * interval '1s', q.deletion_seconds, q.expire_seconds, s.singleton_key,
      s.group_id, s.group_tier, q.heartbeat_seconds,
      s.name, s.id, s.created_on, s.retry_count - ${count("r", "s.data")}, s.output,
      COALESCE(s.source_root_id, s.id), s.trace_context
    FROM settled s JOIN ${schema}.queue q ON q.name = s.dead_letter
    WHERE s.state = 'failed'`
  /** Executions begun of a row that has been started. */
  const attempts = `retry_count + 1 - ${count("r")}`
  const tellEnded = `SELECT ${notify(`' ended ' || s.name || ' ' || s.id`)} FROM settled s
    WHERE s.state > 'active' AND s.data ? 'w'`

  // By arrays and a map, not by a join: of a queue that is new to the statistics the planner expects one row, and a join
  // then compares every row of the queue with every claim.
  const held = `j.name = $1 AND j.id = ANY($2::uuid[]) AND j.state = 'active'
        AND (j.id::text || ':' || j.retry_count::text) = ANY($3::text[])`
  const said = `($4::text::jsonb -> j.id::text)`
  const kind = `(${said} ->> 'k')`

  /**
   * `fetch` joins, and on a queue that is new to the statistics takes 400 ms for 400 jobs among 5,000, where this takes 5.
   */
  const claim = (which: string, most: string) => `WITH next AS MATERIALIZED (
      SELECT id FROM ${jobs}
      WHERE name = $1 AND ${which} AND start_after <= ${now} AND ${running}
      ORDER BY priority DESC, created_on LIMIT ${most} FOR UPDATE SKIP LOCKED
    ), taken AS (
      UPDATE ${jobs} SET state = 'active', started_on = ${now}, heartbeat_on = ${now},
        retry_count = CASE WHEN started_on IS NOT NULL THEN retry_count + 1 ELSE retry_count END
      WHERE name = $1 AND id = ANY (ARRAY(SELECT id FROM next))
      RETURNING id, data, retry_count, retry_limit, priority, created_on
    )
    SELECT id, data, retry_count AS "retryCount", retry_limit AS "retryLimit"
      FROM taken ORDER BY priority DESC, created_on`

  return {
    /**
     * $1 queue, $2 list of `Inserted`, $3 its length. Returns the ids that are there already. Fails where no queue is. What
     * nobody reads does not happen: `told` is part of a sum that cannot be known without it.
     */
    insert: `WITH given AS (
      SELECT id, data, priority, retries, "group",
        CASE WHEN at IS NULL THEN ${now} + COALESCE(delay, 0) * interval '1ms' ELSE to_timestamp(at / 1000) END AS start,
        COALESCE('epoch'::timestamptz + c * interval '1us', (SELECT clock_timestamp()) + n * interval '1us') AS accepted
      FROM json_to_recordset($2::text::json) AS x
        (id uuid, data jsonb, priority int, retries int, delay float8, at float8, "group" text, n int, c float8)
    ), inserted AS (
      INSERT INTO ${jobs} (id, name, data, priority, start_after, created_on, group_id, expire_seconds, deletion_seconds,
        keep_until, retry_limit, retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds)
      SELECT g.id, $1, g.data, g.priority, g.start, g.accepted, g."group", q.expire_seconds, q.deletion_seconds,
        g.start + q.retention_seconds * interval '1s', g.retries, q.retry_delay, q.retry_backoff, q.retry_delay_max,
        q.policy, q.dead_letter, q.heartbeat_seconds
      FROM given g LEFT JOIN ${schema}.queue q ON q.name = $1
      ON CONFLICT DO NOTHING RETURNING id, start_after
    ), told AS (SELECT ${notify("$1::text")} FROM inserted WHERE start_after <= ${now} LIMIT 1)
    SELECT id FROM given
      WHERE (SELECT count(*) FROM inserted) < $3::int + 0 * (SELECT count(*) FROM told)
        AND id NOT IN (SELECT id FROM inserted)`,

    /** $1 queue, $2 how many. */
    claim: claim("state < 'active' AND NOT blocked", "$2::int"),
    /** $1 queue. One of those that are set apart. */
    claimApart: claim("state = 'retry' AND blocked", "1"),

    claimWithin: limits.claim,
    waitingInGroups: limits.waiting,

    schedules,
    pulse: pulse.beat,

    /** $1 queue, $2 ids, $3 their claim, which is the same; all complete, with no result. Returns the ids that were held. */
    done: `WITH settled AS (
      UPDATE ${jobs} j SET completed_on = ${now}, state = 'completed', output = NULL
      WHERE j.name = $1 AND j.id = ANY($2::uuid[]) AND j.state = 'active' AND j.retry_count = $3::int
      RETURNING j.id, j.name, j.state, j.data
    ), ended AS (${tellEnded})
    SELECT id, (SELECT count(*) FROM ended) AS ended FROM settled`,

    /** $1 queue, $2 ids, $3 `id:claim`, $4 what is said by id; all complete. Returns the ids that were held. */
    complete: `WITH settled AS (
      UPDATE ${jobs} j SET completed_on = ${now}, state = 'completed', output = ${said} -> 'o'
      WHERE ${held}
      RETURNING j.id, j.name, j.state, j.data
    ), ended AS (${tellEnded})
    SELECT id, (SELECT count(*) FROM ended) AS ended FROM settled`,

    /** The same, whatever is said. */
    settle: `WITH settled AS (
      UPDATE ${jobs} j SET
        state = (CASE ${kind} WHEN 'c' THEN 'completed' WHEN 'f' THEN 'failed' ELSE 'retry' END)::${schema}.job_state,
        completed_on = CASE WHEN ${kind} IN ('c', 'f') THEN ${now} END,
        output = CASE ${kind} WHEN 'x' THEN j.output ELSE ${said} -> 'o' END,
        start_after = CASE ${kind} WHEN 'r' THEN ${now} + (${said} ->> 'd')::float8 * interval '1ms' ELSE j.start_after END,
        heartbeat_on = NULL,
        retry_limit = j.retry_limit + CASE ${kind} WHEN 'x' THEN 1 ELSE 0 END,
        -- One that has come to an end of its own has not killed its process.
        blocked = j.blocked AND ${kind} = 'x',
        data = CASE ${kind} WHEN 'x' THEN ${counted("r", `${count("r", "j.data")} + 1`, "j.data")} ELSE j.data END
      WHERE ${held}
      RETURNING j.*, ${kind} AS k
    ), dead AS (${bury}),
    ended AS (${tellEnded}),
    back AS (SELECT ${notify("$1")} FROM settled WHERE k = 'x' OR (k = 'r' AND start_after <= ${now}) LIMIT 1)
    SELECT id, (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM back) AS back FROM settled`,

    /**
     * $1 queue, $2 ids, $3 `id:claim`. Returns the ids that are held. Rows that have run for long get a later expiry, so that
     * pg-boss's own, which starts with the claim, never comes.
     */
    heartbeat: `UPDATE ${jobs} SET heartbeat_on = ${now},
        expire_seconds = GREATEST(expire_seconds, (extract(epoch FROM ${now} - started_on))::int + 86400)
      WHERE name = $1 AND id = ANY($2::uuid[]) AND state = 'active'
        AND (id::text || ':' || retry_count::text) = ANY($3::text[])
      RETURNING id`,

    /**
     * $1 queues. Those with jobs to be claimed. One probe of an index for each, however many wait.
     */
    lookForJobs: `SELECT q.name FROM unnest($1::text[]) AS q(name) CROSS JOIN LATERAL (
        SELECT FROM ${jobs} WHERE name = q.name AND state IN ('created', 'retry') AND NOT blocked AND start_after <= ${now}
        LIMIT 1) j
      WHERE NOT EXISTS (SELECT FROM ${schema}.lemmings_paused p WHERE p.name = q.name)`,

    /**
     * $1 queues, $2 lease in milliseconds, $3 the failure. Returns how many, and which of them have failed for good. None while
     * the database itself was away, or stood still, within a lease: see `PgBossPulse`.
     */
    sweep: `WITH lapsed AS (
      SELECT name, id FROM ${jobs}
      WHERE name = ANY($1::text[]) AND state = 'active' AND heartbeat_on < ${now} - $2::float8 * interval '1ms'
        AND (heartbeat_on = '-infinity' OR ${pulse.steady("$2")})
      LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), settled AS (
      UPDATE ${jobs} j SET
        state = (CASE WHEN ${goesOn} THEN 'retry' ELSE 'failed' END)::${schema}.job_state,
        completed_on = CASE WHEN ${goesOn} THEN NULL ELSE ${now} END,
        start_after = ${now},
        heartbeat_on = NULL,
        blocked = ${counts} AND ${loss.apart},
        retry_limit = j.retry_limit + CASE WHEN ${counts} AND ${loss.goesOn} THEN 1 ELSE 0 END,
        data = CASE WHEN ${loss.goesOn} THEN ${counted("l", `${count("l", "j.data")} + 1`, "j.data")} ELSE j.data END,
        output = $3::text::jsonb
      WHERE j.name = ANY($1::text[]) AND j.id = ANY (ARRAY(SELECT id FROM lapsed))
      RETURNING j.*
    ), dead AS (${bury}),
    ended AS (${tellEnded}),
    back AS (SELECT ${notify("name")} FROM (SELECT DISTINCT name FROM settled WHERE state = 'retry') q)
    SELECT (SELECT count(*) FROM settled)::int AS swept, (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM back) AS back,
      (SELECT COALESCE(jsonb_agg(jsonb_build_object(
          'queue', name, 'id', id, 'attempts', ${attempts}, 'failure', output)), '[]')
        FROM settled WHERE state = 'failed') AS dead,
      ARRAY(SELECT q.name FROM unnest($1::text[]) AS q(name) WHERE EXISTS (
          SELECT FROM ${jobs} WHERE name = q.name AND state = 'retry' AND blocked AND start_after <= ${now})
        UNION SELECT name FROM settled WHERE blocked) AS apart`,

    /**
     * $1 queues, $2 how many of each, and of the dead letters of each. By the retention that the queue has now, and by the indexes
     * on when a job ended and when a letter came. Returns the most that were removed of one.
     */
    prune: `WITH old AS MATERIALIZED (
      SELECT q.name, j.id FROM ${schema}.queue q CROSS JOIN LATERAL (
        SELECT id FROM ${jobs} WHERE name = q.name AND completed_on < ${now} - interval '1s' * q.deletion_seconds
        ORDER BY completed_on LIMIT $2::int FOR UPDATE SKIP LOCKED) j
      WHERE q.name = ANY($1::text[])
    ), old_letters AS MATERIALIZED (
      SELECT q.name, j.id FROM ${schema}.queue q CROSS JOIN LATERAL (
        SELECT id FROM ${jobs} WHERE name = q.name AND state < 'active'
          AND created_on < ${now} - interval '1s' * q.retention_seconds
        ORDER BY created_on LIMIT $2::int FOR UPDATE SKIP LOCKED) j
      WHERE q.name = ANY (SELECT unnest($1::text[]) || '.dead')
    ), gone AS (
      DELETE FROM ${jobs} WHERE (name, id) IN (SELECT name, id FROM old UNION ALL SELECT name, id FROM old_letters)
      RETURNING name
    )
    SELECT COALESCE(sum(n), 0)::int AS removed, COALESCE(max(n), 0)::int AS most
    FROM (SELECT count(*) AS n FROM gone GROUP BY name) g`,

    /** How much was written, in bytes: in all, and since the last checkpoint; and how large the table of jobs is. */
    look: `SELECT (at - '0/0')::float8 AS written,
        (at - (SELECT redo_lsn FROM pg_control_checkpoint()))::float8 AS unsaved,
        pg_total_relation_size('${jobs}')::float8 AS "table"
      FROM pg_current_wal_insert_lsn() at`,
    vacuum: `VACUUM ${jobs}`,

    /** Where nobody else can have the database open, whatever runs was lost. */
    recover: `UPDATE ${jobs} SET heartbeat_on = '-infinity' WHERE state = 'active' AND name IN (
      SELECT name FROM ${schema}.queue WHERE notify)`,

    /** $1 queue, $2 ids. Returns how many. */
    cancel: `WITH settled AS (
      UPDATE ${jobs} j SET completed_on = ${now}, state = 'cancelled'
      WHERE j.name = $1 AND j.id = ANY($2::uuid[]) AND j.state < 'completed'
      RETURNING j.id, j.name, j.state, j.data
    ), ended AS (${tellEnded}),
    told AS (SELECT ${notify(`' cancelled ' || $1::text`)} FROM settled LIMIT 1)
    SELECT (SELECT count(*) FROM settled)::int AS cancelled, (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM told) AS told`,

    /**
     * $1 queue, $2 its dead letters, $3 how many, $4 fields of the payload, $5 died before, $6 ids. Oldest first, as new jobs,
     * each with all that was its own. The row of a job with a key, whose id says so, is made anew in its place: its claims are
     * counted on, so that a late answer is still late. Returns how many.
     */
    replay: `WITH chosen AS MATERIALIZED (
      SELECT id FROM ${jobs}
      WHERE name = $2 AND state < 'active'
        AND ($4::text IS NULL OR ${PgBossLetters.hasFields("$4")})
        AND ($5::timestamptz IS NULL OR created_on < $5::timestamptz)
        AND ($6::uuid[] IS NULL OR id = ANY($6::uuid[]))
      ORDER BY created_on LIMIT $3::int FOR UPDATE SKIP LOCKED
    ), letters AS (
      DELETE FROM ${jobs} WHERE name = $2 AND id = ANY (ARRAY(SELECT id FROM chosen)) RETURNING *
    ), placed AS MATERIALIZED (
      SELECT l.*, ${now} + row_number() OVER (ORDER BY l.created_on) * interval '1us' AS accepted,
        CASE WHEN l.source_id::text LIKE '______________8%' THEN l.source_id END AS own
      FROM letters l
    ), again AS (
      UPDATE ${jobs} j SET state = 'retry', completed_on = NULL, output = NULL, heartbeat_on = NULL, priority = l.priority,
        start_after = ${now}, created_on = l.accepted, keep_until = ${now} + q.retention_seconds * interval '1s',
        group_id = l.group_id, retry_limit = l.retry_limit + j.retry_count + 1, blocked = false,
        data = ${counted("r", "j.retry_count + 1", "l.data")}
      FROM placed l, ${schema}.queue q
      WHERE q.name = $1 AND j.name = $1 AND j.id = ANY (ARRAY(SELECT own FROM placed WHERE own IS NOT NULL))
        AND j.id = l.own AND j.state = 'failed'
      RETURNING l.id
    ), back AS (
      INSERT INTO ${schema}.job (id, name, priority, data, retry_limit, retry_backoff, retry_delay, start_after, created_on,
        keep_until, deletion_seconds, expire_seconds, policy, group_id, group_tier, dead_letter, source_root_id, trace_context)
      SELECT CASE WHEN l.own IS NULL OR EXISTS (SELECT FROM ${jobs} j WHERE j.name = $1 AND j.id = l.own)
          THEN gen_random_uuid() ELSE l.own END,
        q.name, l.priority, l.data, l.retry_limit, q.retry_backoff, q.retry_delay, ${now}, l.accepted,
        ${now} + q.retention_seconds * interval '1s', q.deletion_seconds, q.expire_seconds, q.policy, l.group_id, l.group_tier,
        q.dead_letter, COALESCE(l.source_root_id, l.source_id), l.trace_context
      FROM placed l JOIN ${schema}.queue q ON q.name = $1 WHERE l.id NOT IN (SELECT id FROM again)
      RETURNING 1
    ), told AS (SELECT ${notify("$1::text")} FROM placed LIMIT 1)
    SELECT ((SELECT count(*) FROM back) + (SELECT count(*) FROM again))::int AS moved, (SELECT count(*) FROM told) AS told`,

    /** Later than anything that has happened. */
    soon: `SELECT (${now} + interval '1ms')::text AS soon`,

    /** $1 queue, $2 id. Of a job that has ended. */
    forget: `DELETE FROM ${jobs} WHERE name = $1 AND id = $2::uuid AND state > 'active' RETURNING id`,

    /** $1 queue, $2 id, $3 priority. Returns the ids that were waiting. */
    setPriority: `UPDATE ${jobs} SET priority = $3::int, data = ${counted("k", "$3::int")}
      WHERE name = $1 AND id = $2::uuid AND state < 'active' RETURNING id`,

    /** $1 queue, $2 id. */
    watch: `UPDATE ${jobs} SET data = ${counted("w", "1")}
      WHERE name = $1 AND id = $2::uuid AND state < 'completed' AND NOT data ? 'w'`,

    stats: PgBossStats.make(schema),

    /** What of ours is beside the tables of pg-boss. */
    install: PgBossInstall.make(schema, [
      `CREATE TABLE IF NOT EXISTS ${schema}.lemmings_paused (
      name text PRIMARY KEY, since timestamptz NOT NULL DEFAULT now());`,
      limits.install,
      pulse.install,
      schedules.install,
      aside.install
    ]),
    setAside: aside.setAside,
    letters: PgBossLetters.make(schema),
    /** $1 queue. */
    pause: `WITH added AS (INSERT INTO ${schema}.lemmings_paused (name) VALUES ($1) ON CONFLICT DO NOTHING)
      SELECT 1`,
    resume: `WITH gone AS (DELETE FROM ${schema}.lemmings_paused WHERE name = $1)
      SELECT ${notify("$1::text")}`
  }
}

export type Statements = ReturnType<typeof make>
