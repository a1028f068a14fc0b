/**
 * Rows that cannot be claimed, because of what somebody has written into them: they are set aside, so that they keep no other job of
 * their queue from being claimed.
 *
 * **Details**
 *
 * A claim is one statement, which one row can make fail. Where the database refuses it, the rows that come next are tried, one by
 * one, each in a transaction of its own that is undone. One that is refused for what is in it fails for good, with a copy in the
 * dead letters. Whatever passes, such as a lock, is left alone.
 */
const name = "lemmings_set_aside_1"

/** Errors of what is in a row: data, constraints, limits, triggers. */
const ofTheRow = "^(22|23|39|44|54|P0)"

/** The statements, for one schema. */
export const make = (schema: string) => {
  const jobs = `${schema}.job_common`
  const now = `${schema}.job_now()`
  return {
    install: `
    CREATE OR REPLACE FUNCTION ${schema}.${name}(of_queue text, most int) RETURNS jsonb LANGUAGE plpgsql AS $lemmings$
    DECLARE
      job record;
      why text;
      aside jsonb := '[]';
    BEGIN
      FOR job IN SELECT id FROM ${jobs}
        WHERE name = of_queue AND state < 'active' AND NOT blocked AND start_after <= ${now}
        ORDER BY priority DESC, created_on LIMIT most FOR UPDATE SKIP LOCKED
      LOOP
        why := NULL;
        BEGIN
          UPDATE ${jobs} SET state = 'active', started_on = ${now}, heartbeat_on = ${now}
            WHERE name = of_queue AND id = job.id;
          RAISE EXCEPTION USING ERRCODE = 'LM000';
        EXCEPTION
          WHEN SQLSTATE 'LM000' THEN NULL;
          WHEN OTHERS THEN
            IF SQLSTATE ~ '${ofTheRow}' THEN why := left(SQLERRM, 1000); END IF;
        END;
        CONTINUE WHEN why IS NULL;
        BEGIN
          WITH failed AS (
            UPDATE ${jobs} SET state = 'failed', completed_on = ${now}, output = jsonb_build_object(
                'reason', 'undecodable', 'message', 'its row cannot be claimed: ' || why)
              WHERE name = of_queue AND id = job.id RETURNING *
          ), letter AS (
            INSERT INTO ${schema}.job (name, priority, data, retry_limit, start_after, created_on, keep_until, deletion_seconds,
              expire_seconds, group_id, source_name, source_id, source_created_on, source_retry_count, source_output)
            SELECT f.dead_letter, f.priority, f.data, f.retry_limit, ${now}, ${now},
              ${now} + q.retention_seconds * interval '1s', q.deletion_seconds, q.expire_seconds, f.group_id,
              f.name, f.id, f.created_on, f.retry_count, f.output
            FROM failed f JOIN ${schema}.queue q ON q.name = f.dead_letter
          )
          SELECT aside || jsonb_build_object('queue', f.name, 'id', f.id, 'attempts', 0, 'failure', f.output)
            INTO aside FROM failed f;
        EXCEPTION
          -- Not even that: whoever claims goes on saying so.
          WHEN OTHERS THEN NULL;
        END;
      END LOOP;
      RETURN aside;
    END $lemmings$;`,

    /** $1 queue, $2 how many are tried. Returns those that have failed for good. */
    setAside: `SELECT ${schema}.${name}($1, $2::int) AS aside`
  }
}
