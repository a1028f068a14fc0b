/**
 * A program: a steady stream of jobs through one queue, then what was done and what was kept along the way, as JSON.
 *
 * `node --expose-gc jobs.ts <postgres|embedded> <jobs> <jobs a second> [autovacuum_naptime]`
 */
import { PgClient } from "@effect/sql-pg"
import { postgres } from "@lemmings/servers"
import { Clock, Context, Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { folder } from "../support/processes.ts"

const store = process.argv[2] === "embedded" ? "embedded" : "postgres"
const [total, perSecond] = [Number(process.argv[3]), Number(process.argv[4])]
const naptime = process.argv[5] ?? "1min"

/** Sizes in bytes: the table of jobs with its indexes, the log that the database keeps, and this process. */
export interface Sizes {
  readonly table: number
  readonly log: number
  readonly heap: number
  readonly resident: number
}

/** What came of it. */
export interface Soaked {
  readonly succeeded: number
  readonly failed: number
  readonly seconds: number
  /** Twenty times, evenly. */
  readonly sizes: ReadonlyArray<Sizes>
}

const retention = "1 second"
const enqueues = 10
const samples = 20

const Soak = Job.make("Soak", {
  payload: { n: Schema.Int, text: Schema.String },
  success: Schema.String,
  error: Schema.String,
  attempts: 1,
  retention: { ended: retention, deadLetters: retention }
})

const ended = { succeeded: 0, failed: 0 }
// One of a hundred ends among the dead letters.
const handled = Soak.toLayer(({ n, text }) =>
  Effect.suspend(() => {
    if (n % 100 === 0) {
      ended.failed++
      return Effect.fail("no")
    }
    ended.succeeded++
    return Effect.succeed(text.slice(0, 10))
  })
)

/** Bytes of a folder. */
const sizeOf = (path: string): number =>
  readdirSync(path, { withFileTypes: true }).reduce((sum, one) => {
    const file = join(path, one.name)
    return sum + (one.isDirectory() ? sizeOf(file) : statSync(file).size)
  }, 0)

/** Where the jobs are, and how large that is. */
const stores = {
  postgres: Effect.gen(function* () {
    const { url } = yield* postgres({ settings: { autovacuum_naptime: naptime } })
    const context = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
    const sql = Context.get(context, SqlClient)
    const sizes = sql<{ table: string; log: string }>`SELECT
      pg_total_relation_size('lemmings.job_common')::text AS table,
      (SELECT sum(size) FROM pg_ls_waldir())::text AS log`
    return {
      layer: Jobs.layerPostgres({ url, lease: "1 second" }),
      sizes: Effect.map(sizes, ([row]) => ({ table: Number(row?.table), log: Number(row?.log) }))
    }
  }),
  // Nobody else can ask it: its folders say it, with all tables.
  embedded: Effect.gen(function* () {
    const directory = yield* folder
    return {
      layer: Jobs.layerEmbedded({ directory, lease: "1 second" }),
      sizes: Effect.sync(() => ({
        table: sizeOf(join(directory, "data", "base")),
        log: sizeOf(join(directory, "data", "pg_wal"))
      }))
    }
  })
}

const program = Effect.gen(function* () {
  const { layer, sizes } = yield* stores[store]
  const measure = Effect.map(sizes, (stored): Sizes => {
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    return { ...stored, heap: heapUsed, resident: rss }
  })
  return yield* Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const measured: Array<Sizes> = []
    const each = perSecond / enqueues
    for (let n = 0; n < total; n += each) {
      yield* Jobs.enqueue(Array.from({ length: each }, (_, i) => Soak({ n: n + i, text: "x".repeat(200) })))
      const due = begun + ((n + each) / perSecond) * 1000
      yield* Effect.sleep(Math.max(0, due - (yield* Clock.currentTimeMillis)))
      if (n + each >= ((measured.length + 1) * total) / samples) measured.push(yield* measure)
    }
    while (ended.succeeded + ended.failed < total) yield* Effect.sleep("10 millis")
    const seconds = ((yield* Clock.currentTimeMillis) - begun) / 1000
    while ((yield* Jobs.stats(Soak)).deadLetters > 0) yield* Effect.sleep("100 millis")
    const soaked: Soaked = { ...ended, seconds, sizes: measured }
    return soaked
  }).pipe(Effect.provide(handled.pipe(Layer.provideMerge(layer))))
}).pipe(Effect.scoped)

console.log(JSON.stringify(await Effect.runPromise(program)))
