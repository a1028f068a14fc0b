/**
 * Claims within limits that hold on all machines: the SQL of our own for that, and the law of `Limits` said in it.
 *
 * The lock is a row of ours, so that nobody without rights on our tables can hold it, and a claim waits no longer than 10
 * seconds for it.
 *
 * A function, because what it reads must be read after it has its lock: a single statement would go by the snapshot from
 * before it waited, and two claims at a time would each take all that is left. Claims of one queue come one after another
 * here. Queues without limits never call it, and neither do settlements or heartbeats.
 *
 * Where a group is full its jobs are passed over, however many there are: by an index on the groups that wait, each of which is
 * looked at once. The planner is told to use it, since it would not where a queue is new to the statistics, nor in a plan for any values.
 *
 * The name has a number: whoever changes what the function takes or does makes a new one, because processes of the old
 * release go on calling theirs.
 */

const name = "lemmings_claim_3"

/** Jobs that are looked at in their order, beyond those that are wanted, before groups are looked at one by one. */
const head = 100

/** The statements, for one schema. `install` may be run by many at a time, again and again. */
export const make = (schema: string) => {
  const jobs = `${schema}.job_common`
  const now = `${schema}.job_now()`
  const waiting = `name = of_queue AND state < 'active' AND NOT blocked`
  const claimable = `${waiting} AND start_after <= ${now}`
  // What somebody else has written may be too long for an index. Said as the index says it.
  const fitting = (group: string) => `(${group} IS NULL OR octet_length(${group}) <= 1020)`
  const fits = fitting("group_id")
  return {
    install: `
    CREATE TABLE IF NOT EXISTS ${schema}.lemmings_rate (name text PRIMARY KEY, free_at float8 NOT NULL);
    CREATE TABLE IF NOT EXISTS ${schema}.lemmings_claims (name text PRIMARY KEY);
    CREATE INDEX IF NOT EXISTS lemmings_group ON ${jobs} (name, group_id, priority DESC, created_on, start_after)
      WHERE state < 'active' AND NOT blocked AND ${fits};
    CREATE OR REPLACE FUNCTION ${schema}.${name}(
      of_queue text, most int, per_queue int, per_group int, rate_limit float8, rate_millis float8, apart boolean
    ) RETURNS jsonb LANGUAGE plpgsql SET lock_timeout = '10s'
      SET enable_sort = off SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_custom_plan AS $lemmings$
    DECLARE
      room int := most;
      running int := 0;
      at_ms float8;
      free float8;
      in_group jsonb := '{}';
      chosen uuid[] := '{}';
      looked int;
      claimed jsonb := '[]';
      taken_now int := 0;
      opens float8;
    BEGIN
      PERFORM FROM ${schema}.lemmings_claims c WHERE c.name = of_queue FOR UPDATE;
      IF NOT FOUND THEN
        INSERT INTO ${schema}.lemmings_claims AS c (name) VALUES (of_queue)
          ON CONFLICT ON CONSTRAINT lemmings_claims_pkey DO NOTHING;
        PERFORM FROM ${schema}.lemmings_claims c WHERE c.name = of_queue FOR UPDATE;
      END IF;
      IF EXISTS (SELECT FROM ${schema}.lemmings_paused p WHERE p.name = of_queue) THEN
        RETURN jsonb_build_object('jobs', claimed, 'opens', opens);
      END IF;
      IF per_queue IS NOT NULL THEN
        SELECT count(*) INTO running FROM ${jobs} WHERE name = of_queue AND state = 'active';
        room := LEAST(room, per_queue - running);
      END IF;
      IF rate_limit IS NOT NULL THEN
        -- Not the start of the transaction: the lock was waited for since.
        at_ms := extract(epoch FROM clock_timestamp()) * 1000;
        SELECT r.free_at INTO free FROM ${schema}.lemmings_rate r WHERE r.name = of_queue;
        free := LEAST(GREATEST(COALESCE(free, at_ms), at_ms), at_ms + rate_millis);
        room := LEAST(room, floor(rate_limit - (free - at_ms) * rate_limit / rate_millis + 1e-6)::int);
      END IF;
      IF room > 0 AND per_group IS NOT NULL THEN
        SELECT COALESCE(jsonb_object_agg(g.group_id, g.n), '{}') INTO in_group FROM (
          SELECT group_id, count(*) AS n FROM ${jobs}
          WHERE name = of_queue AND state = 'active' AND group_id IS NOT NULL GROUP BY group_id) g;
      END IF;
      IF room > 0 AND apart THEN
        chosen := ARRAY(SELECT id FROM ${jobs} WHERE name = of_queue AND state = 'retry' AND blocked AND start_after <= ${now}
          AND (per_group IS NULL OR group_id IS NULL OR COALESCE((in_group ->> group_id)::int, 0) < per_group)
          ORDER BY priority DESC, created_on LIMIT 1);
      ELSIF room > 0 AND per_group IS NULL THEN
        chosen := ARRAY(SELECT id FROM ${jobs} WHERE ${claimable} ORDER BY priority DESC, created_on LIMIT room);
      ELSIF room > 0 THEN
        -- The head of the line, where most often enough is.
        WITH head AS MATERIALIZED (
          SELECT id, group_id, priority, created_on FROM ${jobs} WHERE ${claimable}
          ORDER BY priority DESC, created_on LIMIT room + ${head}
        ), ranked AS (
          SELECT *, row_number() OVER (PARTITION BY group_id ORDER BY priority DESC, created_on) AS nth FROM head
        ), fit AS (
          SELECT * FROM ranked WHERE group_id IS NULL OR nth + COALESCE((in_group ->> group_id)::int, 0) <= per_group
          ORDER BY priority DESC, created_on LIMIT room
        )
        SELECT (SELECT count(*) FROM head), COALESCE(array_agg(id), '{}') INTO looked, chosen FROM fit;
        -- It is full of jobs that may not run: then the first jobs of each group that has room, however many wait in the others.
        IF looked = room + ${head} AND cardinality(chosen) < room THEN
          WITH RECURSIVE groups AS (
            (SELECT group_id FROM ${jobs} WHERE ${waiting} AND ${fits} AND group_id IS NOT NULL ORDER BY group_id LIMIT 1)
            UNION ALL
            SELECT (SELECT j.group_id FROM ${jobs} j WHERE ${waiting} AND ${fitting("j.group_id")} AND j.group_id > g.group_id ORDER BY j.group_id LIMIT 1)
            FROM groups g WHERE g.group_id IS NOT NULL
          ), first AS (
            SELECT f.* FROM groups g CROSS JOIN LATERAL (
              SELECT id, priority, created_on FROM ${jobs} WHERE ${claimable} AND ${fits} AND group_id = g.group_id
              ORDER BY priority DESC, created_on
              LIMIT GREATEST(0, LEAST(room, per_group - COALESCE((in_group ->> g.group_id)::int, 0)))) f
            UNION ALL
            -- By the index on groups, also where there is none.
            (SELECT id, priority, created_on FROM ${jobs} WHERE ${claimable} AND ${fits} AND group_id IS NULL
              ORDER BY group_id, priority DESC, created_on LIMIT room)
          )
          SELECT COALESCE(array_agg(f.id), '{}') INTO chosen FROM (
            SELECT id FROM first ORDER BY priority DESC, created_on LIMIT room) f;
        END IF;
      END IF;
      IF cardinality(chosen) > 0 THEN
        WITH next AS MATERIALIZED (
          SELECT id FROM ${jobs}
          WHERE name = of_queue AND state < 'active' AND start_after <= ${now} AND id = ANY (chosen) FOR UPDATE SKIP LOCKED
        ), taken AS (
          UPDATE ${jobs} SET state = 'active', started_on = ${now}, heartbeat_on = ${now},
            retry_count = CASE WHEN started_on IS NOT NULL THEN retry_count + 1 ELSE retry_count END
          WHERE name = of_queue AND id = ANY (ARRAY(SELECT id FROM next))
          RETURNING id, data, retry_count, retry_limit, priority, created_on
        )
        SELECT count(*), COALESCE(jsonb_agg(jsonb_build_object('id', id, 'data', data, 'retryCount', retry_count,
            'retryLimit', retry_limit) ORDER BY priority DESC, created_on), '[]')
          INTO taken_now, claimed FROM taken;
      END IF;
      room := room - taken_now;
      running := running + taken_now;
      IF rate_limit IS NOT NULL AND taken_now > 0 THEN
        free := free + taken_now * rate_millis / rate_limit;
        INSERT INTO ${schema}.lemmings_rate AS r (name, free_at) VALUES (of_queue, free)
          ON CONFLICT ON CONSTRAINT lemmings_rate_pkey DO UPDATE SET free_at = EXCLUDED.free_at;
      END IF;
      -- Room that is left found no job: no limit kept one back.
      IF room <= 0 AND taken_now < most THEN
        opens := CASE WHEN running >= per_queue THEN 'Infinity'
          ELSE GREATEST(0, free - at_ms - rate_millis + rate_millis / rate_limit) END;
      END IF;
      RETURN jsonb_build_object('jobs', claimed, 'opens', opens);
    END $lemmings$;`,

    /** $1 list of queue, group and the most that matters. Returns how many wait of each, in that order. */
    waiting: `SELECT (SELECT count(*) FROM (
        SELECT FROM ${jobs} WHERE name = x.queue AND group_id = x."group" AND state < 'active' AND NOT blocked AND ${fits} LIMIT x.most) c)::int AS waiting
      FROM ROWS FROM (json_to_recordset($1::text::json) AS (queue text, "group" text, most int)) WITH ORDINALITY
        AS x(queue, "group", most, n) ORDER BY x.n`,

    /** $1 queue, $2 how many, $3 per queue, $4 per group, $5 limit and $6 milliseconds of the rate, $7 whether of those apart. */
    claim: `SELECT ${schema}.${name}($1, $2::int, $3::int, $4::int, $5::float8, $6::float8, $7::boolean) AS answer`
  }
}
