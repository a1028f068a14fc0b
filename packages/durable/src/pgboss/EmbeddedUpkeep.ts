/**
 * What a PostgreSQL server does by itself, and an embedded one does not: it has no process that would give back the room of
 * rows that were changed or removed, nor one that would write a checkpoint, so that its tables and its log would grow for
 * ever, and its recovery with them.
 */
import { Effect } from "effect"
import * as Housekeeping from "../port/Housekeeping.ts"
import type { JobStoreError } from "../port/JobError.ts"
import type { Engine } from "./PgBossEngine.ts"

/** The log that a recovery has to read is at most this, in bytes, and what is written between two looks. */
const checkpointAfter = 64 * 1024 * 1024

/**
 * A vacuum reads all indexes, and nothing else can be asked meanwhile. So it comes by what was written since the last one, in
 * bytes of the log, the later the larger the table is: a fifth, as autovacuum has it.
 */
const vacuumAfter = (tableBytes: number) => 32 * 1024 * 1024 + 0.2 * tableBytes

interface Look {
  /** Bytes ever written to the log. */
  readonly written: number
  /** Of them, after the last checkpoint. */
  readonly unsaved: number
  /** Bytes of the table of jobs, with its indexes. */
  readonly table: number
}

/**
 * Vacuums and writes checkpoints when they are due, looking every 5 seconds. Each holds up what comes meanwhile for some
 * tens or hundreds of milliseconds.
 */
export const make = ({ run, sql }: Engine): Effect.Effect<never> => {
  // Nobody knows when the processes before this one did.
  let vacuumed = -Infinity
  const look = run("upkeep", async (_, db) => (await db.executeSql(sql.look)).rows[0] as Look)
  const upkeep: Effect.Effect<void, JobStoreError> = Effect.gen(function* () {
    const { table, unsaved, written } = yield* look
    if (written - vacuumed > vacuumAfter(table)) {
      yield* run("vacuum", (_, db) => db.executeSql(sql.vacuum))
      vacuumed = written
    }
    if (unsaved > checkpointAfter) yield* run("checkpoint", (_, db) => db.executeSql("CHECKPOINT"))
  })
  const what = "The upkeep of the embedded store"
  return Housekeeping.watched(what, Housekeeping.repeat(upkeep, "5 seconds", what))
}
