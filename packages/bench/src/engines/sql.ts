// No engine: what PostgreSQL itself allows, with the least that a queue can be.
import { Pool } from "pg"
import { concurrency, type Email, inBulk, many, type Open } from "./Engine.ts"

const create =
  "create table if not exists email (id bigserial primary key, data jsonb not null, claimed timestamptz)"
const insert = "insert into email (data) select jsonb_array_elements($1::jsonb)"
const claim = `update email set claimed = now() where id = any (array(
  select id from email where claimed is null order by id limit $1 for update skip locked
)) returning id, data`
const acknowledge = "delete from email where id = any($1)"

/** As pg-boss is used bare: a batch claimed, run, acknowledged, and the next; two commits for each. */
const bySqlIn =
  (batch: number): Open =>
  async (connectionString) => {
    const pool = new Pool({ connectionString })
    await pool.query(create)
    const store = (emails: ReadonlyArray<Email>) => pool.query(insert, [JSON.stringify(emails)])
    const stop = new AbortController()
    let ended = Promise.resolve()
    return {
      enqueue: (email) => store([email]),
      enqueueAll: (emails) => inBulk(emails, store),
      work: async (handle) => {
        const loop = async () => {
          while (!stop.signal.aborted) {
            const { rows } = await pool.query<{ id: string; data: Email }>(claim, [batch])
            for (const { data } of rows) handle(data)
            if (rows.length > 0) await pool.query(acknowledge, [rows.map(({ id }) => id)])
            else await new Promise((resolve) => setTimeout(resolve, 10))
          }
        }
        ended = loop()
      },
      close: async () => {
        stop.abort()
        await ended
        await pool.end()
      }
    }
  }

export const bySql: Open = bySqlIn(concurrency)
export const bySqlMany: Open = bySqlIn(many)
