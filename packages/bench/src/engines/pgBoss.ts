// pg-boss, on PostgreSQL and on PGlite.
import { PGlite } from "@electric-sql/pglite"
import { fromPglite, PgBoss, type JobAttempt } from "pg-boss"
import { type Email, type Engine, concurrency, type Handle, inBulk, many, type Open } from "./Engine.ts"

const queue = "email"

/** How a contestant works through a queue. Returns what stops it. */
type Work = (boss: PgBoss, handle: Handle) => Promise<() => Promise<unknown>>

/** Its own loop. Where nothing notifies, we tell it of new jobs ourselves: otherwise it would sleep half a second. */
const own = (notified: boolean) => {
  let id: string | undefined
  const work: Work = async (boss, handle) => {
    const options = { batchSize: concurrency, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
    id = await boss.work<Email>(queue, options, async (jobs) => {
      for (const { data } of jobs) handle(data)
    })
    return () => boss.offWork(queue)
  }
  const wake = (boss: PgBoss) => {
    if (!notified && id !== undefined) boss.notifyWorker(id)
  }
  return { work, wake }
}

/** Runs a batch with that many handlers at once. */
const runAll = async (jobs: ReadonlyArray<{ readonly data: Email }>, atOnce: number, handle: Handle) => {
  const rest = jobs.values()
  const worker = async () => {
    // What it may return is a promise.
    for (const { data } of rest) await Promise.resolve(handle(data))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/**
 * The shortest loops that its users can write: a batch claimed, run, acknowledged, and the next. With more than one, some of
 * them run while others wait for the database.
 */
const pull =
  (loops: number, batchSize: number): Work =>
  async (boss, handle) => {
    const stop = new AbortController()
    const loop = async () => {
      while (!stop.signal.aborted) {
        const jobs = await boss.fetch<Email>(queue, { batchSize })
        if (jobs.length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 10))
          continue
        }
        await runAll(jobs, concurrency / loops, handle)
        await boss.complete(
          queue,
          jobs.map(({ id, retryCount }): JobAttempt => ({ id, retryCount }))
        )
      }
    }
    const ended = Promise.all(Array.from({ length: loops }, loop))
    return () => {
      stop.abort()
      return ended
    }
  }

const engine = async (
  boss: PgBoss,
  work: Work,
  wake: (boss: PgBoss) => void,
  notify: boolean
): Promise<Engine> => {
  boss.on("error", (error) => {
    throw error
  })
  await boss.start()
  // Another process may have made it.
  if ((await boss.getQueue(queue)) === null) await boss.createQueue(queue, { notify })
  let stop = () => Promise.resolve<unknown>(undefined)
  return {
    enqueue: async (email) => {
      await boss.send(queue, email)
      wake(boss)
    },
    enqueueAll: (emails) =>
      inBulk(emails, (some) =>
        boss.insert(
          queue,
          some.map((data) => ({ data }))
        )
      ),
    work: async (handle) => {
      stop = await work(boss, handle)
    },
    close: async () => {
      await stop()
      await boss.stop({ graceful: false })
    }
  }
}

const idle = () => {}

const onPostgres =
  (notify: boolean, make: () => { readonly work: Work; readonly wake: (boss: PgBoss) => void }): Open =>
  (connectionString) => {
    const { wake, work } = make()
    return engine(new PgBoss({ connectionString, useListenNotify: notify }), work, wake, notify)
  }

const onPglite =
  (make: () => { readonly work: Work; readonly wake: (boss: PgBoss) => void }): Open =>
  async (directory) => {
    const lite = await PGlite.create(directory)
    const { wake, work } = make()
    const inner = await engine(new PgBoss({ db: fromPglite(lite), backend: "pglite" }), work, wake, false)
    return {
      ...inner,
      close: async () => {
        await inner.close()
        await lite.close()
      }
    }
  }

const pulling = (loops: number, batchSize: number) => () => ({ work: pull(loops, batchSize), wake: idle })

export const pgBossPull: Open = onPostgres(false, pulling(1, concurrency))
export const pgBossPullMany: Open = onPostgres(false, pulling(2, many))
export const pgBossWork: Open = onPostgres(true, () => own(true))
export const pgBossPullEmbedded: Open = onPglite(pulling(1, concurrency))
export const pgBossPullManyEmbedded: Open = onPglite(pulling(2, many))
export const pgBossWorkEmbedded: Open = onPglite(() => own(false))
