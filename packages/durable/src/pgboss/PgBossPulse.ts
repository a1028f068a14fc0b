/**
 * Writes the pulse of a database: see `PgBossPulseSql`. It decides whether a store is ready where nobody else writes.
 */
import { Effect } from "effect"
import * as Housekeeping from "../port/Housekeeping.ts"
import type { Engine } from "./PgBossEngine.ts"

/** Between two tries while the database does not take it, in milliseconds. */
const again = 1_000

/**
 * Three times in a lease, until it is interrupted. A database that does not answer within a third of it is not ready.
 */
export const keep = ({ readiness, sql, urgent }: Engine, leaseMillis: number): Effect.Effect<never> => {
  const third = leaseMillis / 3
  const beat = urgent("pulse", third, (db) => db.executeSql(sql.pulse, [leaseMillis]))
  const pause = Effect.flatMap(readiness, ({ ready }) => Effect.sleep(ready ? third : Math.min(third, again)))
  const what = "The pulse of the job store, without which no lease is ended,"
  return Housekeeping.watched(what, Housekeeping.repeat(beat, pause, what))
}
