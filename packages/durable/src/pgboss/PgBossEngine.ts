/** A running pg-boss: started, kept reachable, heard, and stopped. */
import { Clock, Duration, Effect, Scope } from "effect"
import * as Time from "lemmings/internal/Time"
import * as Fibers from "lemmings/internal/Fibers"
import type { ConstructorOptions, Db } from "pg-boss"
import { PgBoss } from "pg-boss"
import { JobStoreError } from "../port/JobError.ts"
import type { News, Readiness, Transaction } from "../port/JobStore.ts"
import * as Housekeeping from "../port/Housekeeping.ts"
import { messageOf } from "../port/Json.ts"
import { bareOf } from "./BareError.ts"
import * as Line from "./Line.ts"
import * as PgBossInstall from "./PgBossInstall.ts"
import * as PgBossSql from "./PgBossSql.ts"
import { Health } from "./Health.ts"
import { isFull, kindOf } from "./SqlState.ts"

export interface Engine {
  readonly clock: Clock.Clock
  readonly sql: PgBossSql.Statements
  readonly readiness: Effect.Effect<Readiness>
  /**
   * Runs an operation, and says what kind of failure it was. One that is not `own` runs on a connection of the caller's, and
   * says nothing of the store.
   */
  readonly run: <A>(
    operation: string,
    f: (boss: PgBoss, db: Db) => Promise<A>,
    own?: boolean
  ) => Effect.Effect<A, JobStoreError>
  readonly listen: (listener: (news: News) => void) => Effect.Effect<void, never, Scope.Scope>
  /** Tells the listeners of this process. */
  readonly tell: (news: News) => void
  /**
   * The same, for what must not wait for long: after so many milliseconds it has failed, and its connection is given up, since
   * what comes over it then may come late.
   */
  readonly urgent: <A>(
    operation: string,
    millis: number,
    f: (db: Transaction) => Promise<A>
  ) => Effect.Effect<A, JobStoreError>
  /** Runs statements that all happen or none. */
  readonly transaction: Transact
}

export type Transact = <A>(db: Db, f: (tx: Db) => Promise<A>) => Promise<A>

/** The transaction of pg-boss's own pool. */
const pooled: Transact = async (db, f) => {
  if (db.beginTransaction === undefined) return f(db)
  const transaction = await db.beginTransaction()
  try {
    const result = await f(transaction.db)
    await transaction.commit()
    return result
  } catch (error) {
    await transaction.rollback()
    throw error
  }
}

/** What keeps running jobs alive goes before everything else, on connections that nothing else may have. */
const first: ReadonlySet<string> = new Set(["claim", "settle", "heartbeat", "sweep", "pulse"])

/**
 * What only asks. A database that is full, read-only or a replica goes on answering, so that it says nothing of readiness, for
 * better or for worse.
 */
const reads: ReadonlySet<string> = new Set([
  "get",
  "stats",
  "schedules",
  "look at schedules",
  "look for jobs",
  "list dead letters",
  "upkeep",
  "listen"
])

/** How many connections that is. */
const reserved = 2

/** Gives the connection up where nobody waits for the answer any more. An embedded database has no such thing. */
const abandoning = (db: Db, signal: AbortSignal): Transaction => ({
  executeSql: (text, values) =>
    (db.executeSql as (...args: ReadonlyArray<unknown>) => ReturnType<Transaction["executeSql"]>).call(
      db,
      text,
      values,
      { signal }
    )
})

/** Longest that an operation may take. A database that hangs is as good as none. */
const patience = Duration.seconds(30)

/** What the database has not said may be anything. */
const unanswered = (limit: Duration.Duration): unknown =>
  new Error(`no answer within ${Duration.format(limit)}`)

/** Ends in time, whatever the database does: a layer that closes must. */
export const within = <A>(closing: Effect.Effect<A>) =>
  Effect.asVoid(Effect.timeoutOption(Effect.interruptible(closing), "10 seconds"))

/** Reads what came through the channel. Any role of the database may say it: all of it is a cue to look, and no order. */
const newsOf = (payload: string): News => {
  if (!payload.startsWith(" ")) return { _tag: "Available", queue: payload }
  const [, kind, queue = "", id = ""] = payload.split(" ")
  return kind === "ended" ? { _tag: "Ended", queue, id } : { _tag: "Cancelled", queue }
}

/**
 * Starts pg-boss and keeps it going until the scope closes.
 *
 * Returns when the first try to reach the database is over, whatever came of it: where that failed, tries go on with
 * backoff, at least every 5 seconds, and operations fail as `unavailable` meanwhile.
 */
export const make = Effect.fnUntraced(function* (
  options: ConstructorOptions & { readonly schema: string },
  /** Of a store that nobody else can have open. */
  alone?: { readonly transaction: Transact }
) {
  const clock = yield* Clock.Clock
  const scope = yield* Scope.Scope
  const context = yield* Effect.context()
  const sql = PgBossSql.make(options.schema)
  // An embedded database has one connection: what goes first waits for one operation at most.
  const room = alone === undefined ? Math.max(1, (options.max ?? 1) - reserved) : 1
  const listeners = new Set<(news: News) => void>()
  let state: Readiness = { ready: false, since: clock.currentTimeMillisUnsafe(), reason: "not started" }
  const health = new Health()
  const now = () => Time.monotonic(clock)
  let started = false

  let closed = false

  const bare = bareOf(options.connectionString)
  const log = (message: string, cause: unknown) =>
    Fibers.start(context, Effect.logDebug(`pg-boss: ${message}`, bare(cause)))
  /** Says it where it has changed. Until it was ready for the first time, also that the reason is another one. */
  const shown = (reason?: string) => {
    const { ready } = health
    state = { ready, since: clock.currentTimeMillisUnsafe(), reason }
    Fibers.start(
      context,
      ready
        ? Effect.logInfo("The job store is ready")
        : Effect.logWarning(`The job store is unavailable: ${reason}`)
    )
  }
  const wrote = (operation: string) => {
    if (!closed && !reads.has(operation) && health.wrote(operation, now())) shown()
  }
  const failed = (operation: string, cause: unknown) => {
    if (closed || (started && reads.has(operation))) return
    const reason = messageOf(bare(cause))
    const changed = health.failed(operation, isFull(cause), now())
    if (changed || (!started && state.reason !== reason)) shown(reason)
  }
  const boss = new PgBoss({ supervise: true, schedule: false, ...options })
  // Its own maintenance: it tries again by itself. An error that nobody hears would end the process.
  const maintenance = Housekeeping.teller("The maintenance of pg-boss")
  boss.on("error", (error) => {
    if (kindOf(error) === "away" || closed) log("error", error)
    else Fibers.start(context, maintenance.tell(messageOf(bare(error)), "does not succeed"))
  })
  boss.on("warning", (warning) => log("warning", warning))
  const db = boss.getDb()

  // A database in this process answers without a turn of the event loop: whoever asks it again and again would let no
  // timer, no signal and no other fiber come to its turn.
  const turn =
    alone === undefined ? () => undefined : () => new Promise<void>((resolve) => void setImmediate(resolve))

  const tryRun = <A>(
    operation: string,
    f: (boss: PgBoss, db: Db, signal: AbortSignal) => Promise<A>,
    own = true,
    hasBegun = () => true,
    limit = patience
  ) =>
    Effect.tryPromise(async (signal) => {
      const done = await f(boss, db, signal)
      await turn()
      return done
    }).pipe(
      Effect.mapError(({ cause }) => cause),
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.fail(unanswered(limit))
      }),
      Effect.mapError((cause) => {
        const kind = kindOf(cause)
        // Until it has started, whatever keeps it from that is why it is not ready.
        if (kind === "away" ? own && hasBegun() : !started) failed(operation, cause)
        const reason = kind === "refused" ? "refused" : "unavailable"
        return new JobStoreError({ operation, reason, cause: bare(cause) })
      }),
      Effect.tap(() => Effect.sync(() => started && own && wrote(operation)))
    )
  const tell = (news: News) => {
    for (const listener of listeners) listener(news)
  }
  const heard = (payload: string) => tell(newsOf(payload))
  // Also after every time that the connection had gone.
  const reconnected = () => tell({ _tag: "Missed" })
  const hear = Effect.acquireRelease(
    Housekeeping.insist(
      "Listening to the job store",
      tryRun("listen", async (_, db) => db.listen?.(PgBossSql.channel(options.schema), heard, reconnected))
    ),
    (handle) => within(Effect.promise(() => handle?.close() ?? Promise.resolve())),
    { interruptible: true }
  )
  const start = Effect.gen(function* () {
    yield* tryRun("start", () => boss.start())
    yield* tryRun("install", (_, db) => PgBossInstall.install(db, sql.install))
    if (alone !== undefined) yield* tryRun("recover", (_, db) => db.executeSql(sql.recover))
    started = true
    wrote("start")
    yield* Effect.forkIn(Scope.provide(hear, scope), scope)
  })

  yield* Effect.addFinalizer(() => {
    // What fails from now on says nothing of the store.
    closed = true
    return within(
      Effect.promise(() => boss.stop({ graceful: false, close: true }).catch((error) => log("stop", error)))
    )
  })
  const again = Housekeeping.insist("The start of the job store", Effect.delay(start, "100 millis"))
  yield* Effect.catchCause(start, () => Effect.forkIn(again, scope))

  const line = Line.make(room)
  /** One that has not come to its turn says nothing of the store. */
  const inTurn = <A>(operation: string, f: (boss: PgBoss, db: Db) => Promise<A>) => {
    let begun = false
    const begin = (boss: PgBoss, db: Db) => {
      begun = true
      return f(boss, db)
    }
    return tryRun(
      operation,
      (boss, db, signal) => line.through(() => begin(boss, db), signal),
      true,
      () => begun
    )
  }

  const whenStarted = <A>(operation: string, f: () => Effect.Effect<A, JobStoreError>) =>
    Effect.suspend(() => {
      if (started) return f()
      const cause = new Error(state.reason ?? "not started")
      return Effect.fail(new JobStoreError({ operation, reason: "unavailable", cause }))
    })

  const engine: Engine = {
    clock,
    sql,
    readiness: Effect.sync(() => state),
    run: (operation, f, own) =>
      whenStarted(operation, () =>
        own === false || first.has(operation) ? tryRun(operation, f, own) : inTurn(operation, f)
      ),
    urgent: (operation, millis, f) =>
      whenStarted(operation, () =>
        tryRun(
          operation,
          (_, db, signal) => f(abandoning(db, signal)),
          true,
          () => true,
          Duration.millis(millis)
        )
      ),
    listen: (listener) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
      ),
    tell,
    transaction: alone?.transaction ?? pooled
  }
  return engine
})
