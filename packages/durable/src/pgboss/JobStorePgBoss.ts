/** The store on pg-boss, for PostgreSQL and for PGlite alike. */
import { type Clock, Effect } from "effect"
import type { Db, PgBoss } from "pg-boss"
import type {
  DeadFilter,
  Failure,
  NewJob,
  PagesOptions,
  QueueSpec,
  Settlement,
  Store,
  Swept,
  Transaction
} from "../port/JobStore.ts"
import * as Time from "lemmings/internal/Time"
import type { JobStoreError } from "../port/JobError.ts"
import { jsonOf, NotJson } from "../port/Json.ts"
import { groupRule, isGroup } from "../port/Limits.ts"
import { GroupRoom } from "./GroupRoom.ts"
import type { Engine } from "./PgBossEngine.ts"
import { claimedOf, insertOf, isId, recordOf, saidOf, type Claimed, type Stored } from "./PgBossRow.ts"
import * as PgBossLetters from "./PgBossLetters.ts"
import type { Schedules } from "./PgBossSchedules.ts"
import * as PgBossStats from "./PgBossStats.ts"
import { deadQueue } from "./PgBossSql.ts"

/** pg-boss deletes waiting jobs of this age. Ours are never dropped: ten years, in seconds. */
const forever = 315_360_000

/** pg-boss ends jobs of this age, in seconds, if they are still running. Heartbeats move it on. */
const expiry = 86_400

/** Rows that one statement takes. Larger batches are no faster, and hold a lock for longer. */
const most = 5_000

/** A read that looks at many rows takes the server 10 seconds at most, or what is said for every statement, if that is less. */
const boundRead = `SELECT set_config('statement_timeout',
  LEAST(10000, NULLIF(extract(epoch FROM current_setting('statement_timeout')::interval) * 1000, 0))::int::text, true)`

/** The page size that replay, purge and prune work in. */
const page = 1_000

const seconds = (millis: number) => Math.min(forever, Math.max(1, Math.ceil(millis / 1000)))

const lapsed: Failure = { reason: "lost", message: "the lease lapsed: its process ended or did not renew it" }

/** The last parameters of `replay`, and some of those of letters. */
const filterOf = ({ diedBefore, ids, payload }: DeadFilter = {}) => [
  payload === undefined ? null : jsonOf(payload),
  diedBefore === undefined ? null : new Date(diedBefore).toISOString(),
  ids === undefined ? null : ids.filter(isId)
]

const declare = async (boss: PgBoss, spec: QueueSpec) => {
  const dead = deadQueue(spec.name)
  const deadOptions = {
    retentionSeconds: seconds(spec.keepDeadMillis),
    deleteAfterSeconds: seconds(spec.keepDeadMillis)
  }
  const options = {
    retryLimit: spec.attempts - 1,
    expireInSeconds: expiry - 1,
    retentionSeconds: forever,
    deleteAfterSeconds: seconds(spec.keepEndedMillis),
    notify: true
  }
  await boss.createQueue(dead, deadOptions)
  await boss.createQueue(spec.name, { ...options, ...(spec.deadLetter ? { deadLetter: dead } : {}) })
  await boss.updateQueue(dead, deadOptions)
  await boss.updateQueue(spec.name, { ...options, deadLetter: spec.deadLetter ? dead : null })
}

/** Epoch microseconds, each later than the one before. */
const microseconds = (clock: Clock.Clock) => {
  let last = 0
  return () => (last = Math.max(last + 1, clock.currentTimeMillisUnsafe() * 1000))
}

const byQueue = (jobs: ReadonlyArray<NewJob>): Map<string, Array<NewJob>> => {
  const queues = new Map<string, Array<NewJob>>()
  for (const job of jobs) {
    const list = queues.get(job.queue)
    if (list === undefined) queues.set(job.queue, [job])
    else list.push(job)
  }
  return queues
}

/** Creates the store over a running engine. */
export const make = (
  { clock, listen, readiness, run, sql, tell, transaction, urgent }: Engine,
  { schedule, schedules, unschedule }: Schedules,
  leaseMillis: number,
  engine: "pglite" | "postgres"
): Store => {
  // Those that were declared: others are refused before anything is sent.
  const known = new Map<string, string>()
  // An embedded database tells milliseconds, and jobs come faster.
  const accepted = engine === "pglite" ? microseconds(clock) : undefined
  const groupRoom = new GroupRoom(() => Time.monotonic(clock))
  /** Writes jobs of one queue. Returns the ids that are there already. */
  const insert = async (db: Transaction, queue: string, jobs: ReadonlyArray<NewJob>) => {
    const refused: Array<string> = []
    for (let from = 0; from < jobs.length; from += most) {
      const part = jobs.slice(from, from + most)
      const { rows } = await db.executeSql(sql.insert, [
        queue,
        jsonOf(part.map((job, n) => insertOf(job, n, accepted?.()))),
        part.length
      ])
      for (const { id } of rows as Array<{ id: string }>) refused.push(id)
    }
    return refused
  }
  const insertAll = async (db: Transaction, jobs: ReadonlyArray<NewJob>) => {
    const refused: Array<string> = []
    for (const [queue, list] of byQueue(jobs)) refused.push(...(await insert(db, queue, list)))
    return refused
  }
  const enqueue: Store["enqueue"] = (jobs, within) => {
    const put = async (db: Transaction) => {
      const unknown = jobs.find(({ queue }) => !known.has(queue))
      if (unknown !== undefined)
        throw Object.assign(new Error(`queue "${unknown.queue}" was not declared`), { code: "undeclared" })
      if (jobs.some(({ group }) => group !== undefined && !isGroup(group))) throw new NotJson(groupRule)
      await groupRoom.check(jobs, async (looked) => {
        const { rows } = await db.executeSql(sql.waitingInGroups, [jsonOf(looked)])
        return (rows as Array<{ waiting: number }>).map(({ waiting }) => waiting)
      })
      return insertAll(db, jobs)
    }
    if (within !== undefined) return run("enqueue", () => put(within), false)
    const one = jobs.length <= most && jobs.every(({ queue }) => queue === jobs[0]!.queue)
    return run("enqueue", (_, db) => (one ? put(db) : transaction(db, put)))
  }

  const statementOf = (
    queue: string,
    batch: ReadonlyArray<Settlement>
  ): readonly [string, Array<unknown>] => {
    const ids = batch.map(({ id }) => id)
    const { claim } = batch[0]!
    if (batch.every((one) => one._tag === "Complete" && one.result === undefined && one.claim === claim))
      return [sql.done, [queue, ids, claim]]
    const text = batch.every(({ _tag }) => _tag === "Complete") ? sql.complete : sql.settle
    const pairs = batch.map(({ claim, id }) => `${id}:${claim}`)
    const said = Object.fromEntries(batch.map((one) => [one.id, saidOf(one)]))
    return [text, [queue, ids, pairs, jsonOf(said)]]
  }
  const settleBatch = (queue: string, batch: ReadonlyArray<Settlement>) =>
    run("settle", async (_, db) => {
      if (batch.length === 0) return []
      const { rows } = await db.executeSql(...statementOf(queue, batch))
      if (rows.length === batch.length) return []
      const held = new Set((rows as Array<{ id: string }>).map(({ id }) => id))
      return batch.flatMap(({ id }) => (held.has(id) ? [] : [id]))
    })

  const get: Store["get"] = (queue, id) =>
    run("get", async (boss) => {
      const job = isId(id) ? await boss.getJobById<Stored | null>(queue, id) : null
      return job === null ? undefined : recordOf(job)
    })

  const pruneSome = (queues: ReadonlyArray<string>) =>
    run("prune", async (_, db) => {
      const { rows } = await db.executeSql(sql.prune, [queues, page])
      return (rows as [{ readonly removed: number; readonly most: number }])[0]
    })

  /** Queues whose claim the database refuses: one of their rows may be why. */
  const unclaimable = new Set<string>()
  const claiming = <A>(queue: string, claim: (db: Db) => Promise<A>) =>
    Effect.tapError(
      run("claim", (_, db) => claim(db)),
      ({ reason }) =>
        Effect.sync(() => {
          if (reason !== "refused") return
          unclaimable.add(queue)
          tell({ _tag: "Overdue", queue })
        })
    )

  /** A read that nobody waits for any more ends by itself. */
  const bounded = <A>(db: Db, read: (tx: Transaction) => Promise<A>): Promise<A> =>
    engine === "pglite"
      ? read(db)
      : transaction(db, async (tx) => {
          await tx.executeSql(boundRead)
          return read(tx)
        })

  /** Page after page, each a statement of its own, until one is not full. */
  const pages = (
    some: Effect.Effect<number, JobStoreError>,
    progress: PagesOptions["progress"] = () => Effect.void
  ): Effect.Effect<number, JobStoreError> =>
    Effect.gen(function* () {
      let done = 0
      for (;;) {
        const more = yield* some
        done += more
        yield* progress(done)
        if (more < page) return done
      }
    })

  return {
    engine,
    leaseMillis,
    declare: (spec) => {
      const said = JSON.stringify(spec)
      if (known.get(spec.name) === said) return Effect.void
      return Effect.map(
        run("declare", (boss) => declare(boss, spec)),
        () => void known.set(spec.name, said)
      )
    },
    enqueue,
    claim: (queue, max, apart = false) =>
      claiming(queue, async (db) => {
        const { rows } = apart
          ? await db.executeSql(sql.claimApart, [queue])
          : await db.executeSql(sql.claim, [queue, max])
        return (rows as Array<Claimed>).map(claimedOf)
      }),
    claimWithin: (queue, max, { perGroup = null, perQueue = null, rate }, apart = false) =>
      claiming(queue, async (db) => {
        const values = [queue, max, perQueue, perGroup, rate?.limit ?? null, rate?.perMillis ?? null, apart]
        const { rows } = await db.executeSql(sql.claimWithin, values)
        const [{ answer }] = rows as [{ readonly answer: Answer }]
        return {
          jobs: answer.jobs.map(claimedOf),
          // JSON has infinity as a text.
          opensInMillis: answer.opens === null ? undefined : Number(answer.opens)
        }
      }),
    settle: (queue, settlements) => settleBatch(queue, settlements),
    heartbeat: (queue, claims) =>
      claims.length === 0
        ? Effect.succeed([])
        : urgent("heartbeat", leaseMillis / 3, async (db) => {
            const ids = claims.map(({ id }) => id)
            const pairs = claims.map(({ claim, id }) => `${id}:${claim}`)
            const { rows } = await db.executeSql(sql.heartbeat, [queue, ids, pairs])
            const held = new Set((rows as Array<{ id: string }>).map(({ id }) => id))
            return ids.filter((id) => !held.has(id))
          }),
    tellsAll: false,
    look: (queues) =>
      run("look for jobs", async (_, db) => {
        const { rows } = await db.executeSql(sql.lookForJobs, [queues])
        return (rows as Array<{ name: string }>).map(({ name }) => name)
      }),
    sweep: (queues) =>
      run("sweep", async (_, db) => {
        const names = [queues].flat()
        const { rows } = await db.executeSql(sql.sweep, [names, leaseMillis, JSON.stringify(lapsed)])
        const [{ apart, dead, swept: count }] = rows as [Omit<Swept, "count"> & { readonly swept: number }]
        const aside: Array<Swept["dead"][number]> = []
        for (const name of names) {
          if (!unclaimable.delete(name)) continue
          const { rows } = await db.executeSql(sql.setAside, [name, page])
          aside.push(...(rows as [{ readonly aside: Swept["dead"] }])[0].aside)
        }
        return { count, apart, dead: [...dead, ...aside] }
      }),
    prune: Effect.fnUntraced(function* (queues) {
      let all = 0
      for (;;) {
        const { most, removed } = yield* pruneSome([queues].flat())
        all += removed
        if (most < page) return all
      }
    }),
    cancel: Effect.fnUntraced(function* (
      queue,
      ids,
      { progress = () => Effect.void, transaction: within } = {}
    ) {
      const some = ids.filter(isId)
      let cancelled = 0
      for (let from = 0; from === 0 || from < some.length; from += page) {
        const part = some.slice(from, from + page)
        const one = async (db: Transaction) => {
          const { rows } = await db.executeSql(sql.cancel, [queue, part])
          return (rows as [{ readonly cancelled: number }])[0].cancelled
        }
        cancelled += yield* run("cancel", (_, db) => one(within ?? db), within === undefined)
        yield* progress(cancelled)
      }
      return cancelled
    }),
    forget: (queue, id) =>
      run(
        "forget",
        async (_, db) => isId(id) && (await db.executeSql(sql.forget, [queue, id])).rows.length > 0
      ),
    setPriority: (queue, id, priority) =>
      run("setPriority", async (_, db) => {
        if (!isId(id)) return false
        const { rows } = await db.executeSql(sql.setPriority, [queue, id, priority])
        return rows.length > 0
      }),
    get,
    watch: (queue, id) =>
      Effect.andThen(
        run("watch", async (_, db) => isId(id) && db.executeSql(sql.watch, [queue, id])),
        get(queue, id)
      ),
    pause: (queue) => Effect.asVoid(run("pause", (_, db) => db.executeSql(sql.pause, [queue]))),
    resume: (queue) => Effect.asVoid(run("resume", (_, db) => db.executeSql(sql.resume, [queue]))),
    stats: (queue) =>
      run("stats", async (_, db) => {
        const { rows } = await bounded(db, (tx) => tx.executeSql(sql.stats, [queue, deadQueue(queue)]))
        return PgBossStats.statsOf(queue, rows[0])
      }),
    dead: {
      list: (queue, { after, filter, limit }) =>
        run("list dead letters", (_, db) =>
          bounded(db, (tx) =>
            PgBossLetters.list(tx, sql.letters, deadQueue(queue), limit, after, filterOf(filter))
          )
        ),
      replay: (queue, filter, { progress, transaction: within } = {}) =>
        Effect.gen(function* () {
          const own = within === undefined
          const one = <A>(f: (db: Transaction) => Promise<A>) =>
            run("replay dead letters", (_, db) => f(within ?? db), own)
          // What is replayed now may die before this ends.
          const soon = yield* one(
            async (db) => ((await db.executeSql(sql.soon)).rows as [{ soon: string }])[0].soon
          )
          const [payload, before, ids] = filterOf(filter)
          const until = before === null || filter!.diedBefore! > Date.parse(soon) ? soon : before
          const some = one(async (db) => {
            const { rows } = await db.executeSql(sql.replay, [
              queue,
              deadQueue(queue),
              page,
              payload,
              until,
              ids
            ])
            return (rows as [{ readonly moved: number }])[0].moved
          })
          return yield* pages(some, progress)
        }),
      purge: (queue, filter, { progress, transaction: within } = {}) => {
        const some = async (db: Transaction) => {
          const { rows } = await db.executeSql(sql.letters.purge, [
            deadQueue(queue),
            page,
            ...filterOf(filter)
          ])
          return (rows as [{ readonly purged: number }])[0].purged
        }
        return pages(
          run("purge dead letters", (_, db) => some(within ?? db), within === undefined),
          progress
        )
      }
    },
    schedule,
    unschedule,
    schedules,
    listen,
    readiness
  }
}

interface Answer {
  readonly jobs: ReadonlyArray<Claimed>
  readonly opens: number | "Infinity" | null
}
