/** The SQL of schedules: rows of our own beside the tables of pg-boss. What uses it is `PgBossSchedules`. */

/** The statements, for one schema. */
export const make = (schema: string, channel: string) => {
  const schedules = `${schema}.lemmings_schedule`
  const now = `${schema}.job_now()`
  const millis = (time: string) => `(extract(epoch FROM ${time}) * 1000)::float8`
  const time = (millis: string) => `to_timestamp(${millis} / 1000)`
  return {
    install: `
    CREATE TABLE IF NOT EXISTS ${schedules} (
      name text, key text COLLATE "C", cron text NOT NULL, zone text NOT NULL, missed text NOT NULL, data jsonb NOT NULL,
      since timestamptz NOT NULL, next_at timestamptz, PRIMARY KEY (name, key));
    CREATE INDEX IF NOT EXISTS lemmings_schedule_next ON ${schedules} (next_at);`,

    /**
     * $1 queue, $2 key, $3 cron, $4 zone, $5 missed, $6 data. Saying the same again leaves its time alone: what is missed, is
     * missed though somebody says it at every start.
     */
    put: `INSERT INTO ${schedules} AS s (name, key, cron, zone, missed, data, since)
      VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, ${now})
      ON CONFLICT (name, key) DO UPDATE SET cron = $3, zone = $4, missed = $5, data = $6::text::jsonb,
        next_at = CASE WHEN s.cron = $3 AND s.zone = $4 THEN s.next_at END,
        since = CASE WHEN s.cron = $3 AND s.zone = $4 THEN s.since ELSE EXCLUDED.since END`,
    /** $1 queue, $2 key. */
    remove: `DELETE FROM ${schedules} WHERE name = $1 AND key = $2`,
    /** $1 queue, $2 the key that they come after, $3 how many. */
    list: `SELECT key, cron, zone, missed, data FROM ${schedules}
      WHERE name = $1 AND ($2::text IS NULL OR key > $2) ORDER BY key LIMIT $3::int`,

    /** $1 how many. What is due, or was never looked at; and when what comes after that is. */
    due: `SELECT ${millis(now)} AS now,
        ${millis(`(SELECT min(next_at) FROM ${schedules} WHERE next_at > ${now})`)} AS next,
        COALESCE((SELECT json_agg(d) FROM (
          SELECT name, key, cron, zone, missed, ${millis("since")} AS since, ${millis("next_at")} AS due FROM ${schedules}
          WHERE next_at IS NULL OR next_at <= ${now} ORDER BY next_at NULLS FIRST LIMIT $1::int) d), '[]') AS rows`,
    /** $1 list of `Moved`. Returns how many jobs there are now that were not there. */
    move: `WITH given AS (
      SELECT * FROM json_to_recordset($1::text::json) AS x(name text, key text, due float8, next float8, fires float8)
    ), moved AS (
      UPDATE ${schedules} s SET next_at = COALESCE(${time("g.next")}, 'infinity') FROM given g
      WHERE s.name = g.name AND s.key = g.key AND s.next_at IS NOT DISTINCT FROM ${time("g.due")}
      RETURNING s.name, s.key, s.data, g.fires
    ), inserted AS (
      INSERT INTO ${schema}.job_common (id, name, data, priority, group_id, start_after, created_on, expire_seconds, deletion_seconds,
        keep_until, retry_limit, retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds)
      SELECT md5(m.name || chr(10) || m.key || chr(10) || m.fires::bigint)::uuid, m.name, m.data,
        COALESCE((m.data->>'k')::int, 5), m.data->>'g', ${now}, ${now}, q.expire_seconds, q.deletion_seconds,
        ${now} + q.retention_seconds * interval '1s', q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max,
        q.policy, q.dead_letter, q.heartbeat_seconds
      FROM moved m JOIN ${schema}.queue q ON q.name = m.name WHERE m.fires IS NOT NULL
      ON CONFLICT DO NOTHING RETURNING name
    ), told AS (SELECT pg_notify('${channel}', name) FROM (SELECT DISTINCT name FROM inserted) n)
    SELECT (SELECT count(*) FROM inserted)::int AS inserted, (SELECT count(*) FROM told) AS told`
  }
}
