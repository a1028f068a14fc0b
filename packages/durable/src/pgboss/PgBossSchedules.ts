/**
 * Jobs that are enqueued by the clock: rows of our own, looked at by every process that has the store open.
 *
 * Not pg-boss's own schedules: they go through a queue of 50 jobs every 5 seconds, so that more than 600 of one minute are
 * never caught up with, they read a cron in another way than the store in memory, and a page of them is all there is.
 *
 * **Details**
 *
 * A row has the time that it is due next. A process that finds it due moves it on and inserts its job in one statement, which
 * does nothing where another process was faster. The id of the job is made of the schedule and of its time, so that an
 * occurrence is one job whatever happens. The time is the database's.
 */
import { Effect } from "effect"
import type { JobStoreError } from "../port/JobError.ts"
import type { Recurrence, Store } from "../port/JobStore.ts"
import * as Housekeeping from "../port/Housekeeping.ts"
import { messageOf } from "../port/Json.ts"
import * as Recurring from "../port/Recurring.ts"
import { Signal } from "../port/Signal.ts"
import type { Engine } from "./PgBossEngine.ts"
import { normal, type Stored, stored } from "./PgBossRow.ts"

/** Schedules that one statement takes. */
const page = 500

/** How long to leave a store alone that did not answer. */
const restMillis = 1_000

/** What becomes of a row. `null` as `next`: never. */
interface Moved {
  readonly name: string
  readonly key: string
  readonly due: number | null
  readonly next: number | null
  readonly fires: number | null
}

interface Due extends Pick<Recurrence, "key" | "cron" | "zone" | "missed"> {
  readonly name: string
  readonly since: number
  readonly due: number | null
}

/** `unreadable` hears of those that have no time, and why. */
const movedOf = (row: Due, now: number, unreadable: (why: string) => void): Moved => {
  const { cron, due, key, name, since, zone } = row
  try {
    const { fires = null, next } = Recurring.decide(row, due ?? Recurring.nextAfter(cron, zone, since), now)
    return { name, key, due, next, fires }
  } catch (error) {
    // Not one that we wrote. It stands in nobody's way, and whoever says it again is told.
    unreadable(`The schedule "${key}" of "${name}" never comes: ${messageOf(error)}`)
    return { name, key, due, next: null, fires: null }
  }
}

/** The schedules of a store. */
export interface Schedules extends Pick<Store, "schedule" | "unschedule" | "schedules"> {
  /** Enqueues what is due. Returns in how many milliseconds it is worth to look again, 0 when there may be more. */
  readonly look: Effect.Effect<number, JobStoreError>
  /** Looks when something is due, and every 30 seconds for what other processes have said, until it is interrupted. */
  readonly keep: Effect.Effect<never>
}

/** Creates the schedules over a running engine. */
export const make = ({ run, sql: { schedules: sql } }: Engine): Schedules => {
  const changed = new Signal()
  let unreadable: ReadonlyArray<string> = []
  const asked = run("look at schedules", async (_, db) => {
    const answer = (await db.executeSql(sql.due, [page])).rows[0] as {
      readonly now: number
      readonly next: number | null
      readonly rows: ReadonlyArray<Due>
    }
    const { next, now, rows } = answer
    if (rows.length === 0) return Math.max(1, Math.min(Recurring.lookMillis, (next ?? Infinity) - now))
    const never: Array<string> = []
    const moved = rows.map((row) => movedOf(row, now, (why) => never.push(why)))
    await db.executeSql(sql.move, [JSON.stringify(moved)])
    unreadable = never
    return 0
  })
  const look = Effect.tap(asked, () => {
    const never = unreadable
    unreadable = []
    return Effect.forEach(never, (line) => Effect.logWarning(line), { discard: true })
  })
  let pause = restMillis
  const enqueuing = Housekeeping.repeat(
    Effect.map(look, (millis) => (pause = millis)),
    Effect.suspend(() => {
      const millis = pause
      pause = restMillis
      return millis === 0 ? Effect.yieldNow : Effect.asVoid(changed.wait(millis))
    }),
    "The look at schedules"
  )
  return {
    look,
    keep: Housekeeping.watched("The look at schedules", enqueuing),
    schedule: ({ cron, group, key, missed, payload, priority, queue, zone }) =>
      Effect.map(
        run("schedule", (_, db) => {
          // JSON leaves out what is undefined.
          const data = JSON.stringify({ ...stored({ payload, priority }), g: group })
          return db.executeSql(sql.put, [queue, key, cron, zone, missed, data])
        }),
        () => changed.notify()
      ),
    unschedule: (queue, key) =>
      Effect.asVoid(run("unschedule", (_, db) => db.executeSql(sql.remove, [queue, key]))),
    schedules: (queue, { after, limit }) =>
      run("schedules", async (_, db) => {
        const { rows } = await db.executeSql(sql.list, [queue, after ?? null, limit])
        return (rows as Array<Row>).map(({ data, ...rest }) => {
          const { g: group, k: priority = normal, p: payload } = data
          return { queue, ...rest, payload, priority, ...(group === undefined ? {} : { group }) }
        })
      })
  }
}

interface Row extends Pick<Recurrence, "key" | "cron" | "zone" | "missed"> {
  readonly data: Stored
}
