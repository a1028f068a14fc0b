/**
 * Dead letters by the page: found by index, a bounded statement at a time.
 *
 * pg-boss's `findJobs` knows no ids and no time of death, so that one letter among many would be looked for in all of them.
 */
import type { DeadLetter, Transaction } from "../port/JobStore.ts"
import { isId, letterOf, type LetterRow } from "./PgBossRow.ts"

/**
 * That the payload has all fields of a parameter, each with the value that it has there. Not `@>`, to which `[]` is in every
 * list, and `{}` in every object.
 */
export const hasFields = (parameter: string) =>
  `NOT EXISTS (SELECT FROM jsonb_each(${parameter}::text::jsonb) f WHERE data -> 'p' -> f.key IS DISTINCT FROM f.value)`

/**
 * The statements, for one schema. $3, $4 and $5 of each are a filter: fields of the payload, died before, ids.
 */
export const make = (schema: string) => {
  const jobs = `${schema}.job_common`
  const wanted = `name = $1 AND state < 'active'
        AND ($3::text IS NULL OR ${hasFields("$3")})
        AND ($4::timestamptz IS NULL OR created_on < $4::timestamptz)
        AND ($5::uuid[] IS NULL OR id = ANY($5::uuid[]))`
  return {
    /** $1 dead letters of a queue, $2 how many, $6 and $7 where the page before has ended. Oldest first. */
    list: `SELECT id, name, data, created_on AS "createdOn", source_name AS "sourceName", source_id AS "sourceId",
        source_created_on AS "sourceCreatedOn", source_retry_count AS "sourceRetryCount", source_output AS "sourceOutput"
      FROM ${jobs}
      WHERE ${wanted}
        AND ($6::timestamptz IS NULL OR (created_on, id) > ($6::timestamptz, $7::uuid))
      ORDER BY created_on, id LIMIT $2::int`,
    /** $1 dead letters of a queue, $2 id. When it came, to the microsecond. */
    place: `SELECT created_on::text AS place FROM ${jobs} WHERE name = $1 AND id = $2::uuid`,
    /** $1 dead letters of a queue, $2 how many. Returns how many. */
    purge: `WITH chosen AS MATERIALIZED (
      SELECT id FROM ${jobs} WHERE ${wanted} ORDER BY created_on LIMIT $2::int FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM ${jobs} WHERE name = $1 AND id = ANY (ARRAY(SELECT id FROM chosen)) RETURNING 1
    )
    SELECT count(*)::int AS purged FROM gone`
  }
}

export type Statements = ReturnType<typeof make>

/** One page. Fails where the letter that it comes after is gone: the page would be another one. */
export const list = async (
  db: Transaction,
  sql: Statements,
  queue: string,
  limit: number,
  after: string | undefined,
  filter: ReadonlyArray<unknown>
): Promise<ReadonlyArray<DeadLetter>> => {
  let place: string | null = null
  if (after !== undefined) {
    if (!isId(after)) return []
    const { rows } = await db.executeSql(sql.place, [queue, after])
    const [found] = rows as Array<{ place: string }>
    if (found === undefined)
      throw Object.assign(new Error("the dead letter that the page comes after is gone"), { code: "gone" })
    place = found.place
  }
  const { rows } = await db.executeSql(sql.list, [queue, limit, ...filter, place, after ?? null])
  return (rows as Array<LetterRow>).map(letterOf)
}
