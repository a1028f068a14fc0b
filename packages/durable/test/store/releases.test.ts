import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Cause, Effect, Layer, Schema } from "effect"
import { readFileSync } from "node:fs"
import { Pool } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import * as PgBossInstall from "../../src/pgboss/PgBossInstall.ts"
import type { Swept } from "../../src/port/JobStore.ts"
import { eventually } from "../support/store.ts"

/** The statements of the release before, as it has sent them. */
const before = JSON.parse(
  readFileSync(new URL("../support/release-before.json", import.meta.url), "utf8")
) as Record<"claim" | "claimWithin" | "settle" | "heartbeat" | "sweep" | "pulse", string> & {
  readonly installed: PgBossInstall.Install
}

const [perQueue, perGroup, lease] = [6, 2, 1_000]

const Rolled = Job.make("Rolled", {
  payload: Schema.Int,
  attempts: 4,
  group: (n) => `${n % 5}`
})

/** What runs, whichever release runs it: never more than the limits. */
const watching = () => {
  const running = new Map<string, number>()
  const runs = new Map<number, number>()
  let worst = [0, 0] as readonly [queue: number, group: number]
  return {
    runs,
    failures: [] as Array<string>,
    worst: () => worst,
    begin: (id: string, n: number) => {
      running.set(id, n)
      runs.set(n, (runs.get(n) ?? 0) + 1)
      const group = [...running.values()].filter((other) => other % 5 === n % 5).length
      worst = [Math.max(worst[0], running.size), Math.max(worst[1], group)]
    },
    end: (id: string) => void running.delete(id)
  }
}

/** A process of the release before: what it asks of the database, on connections of its own. */
const older = (url: string, watch: ReturnType<typeof watching>, abandons: (n: number) => boolean) =>
  Effect.gen(function* () {
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new Pool({ connectionString: url, max: 4 })),
      (one) => Effect.promise(() => one.end())
    )
    const ask = <A>(text: string, values: Array<unknown> = []) =>
      Effect.map(
        Effect.promise(() => pool.query(text, values)),
        ({ rows }) => rows as ReadonlyArray<A>
      )
    const db = { executeSql: (text: string, values?: Array<unknown>) => pool.query(text, values) }
    yield* Effect.promise(() => PgBossInstall.install(db, before.installed))
    const left = new Set<number>()
    const work = Effect.gen(function* () {
      const values = ["Rolled", 2, perQueue, perGroup, null, null]
      const [row] = yield* ask<{
        answer: { jobs: ReadonlyArray<{ id: string; data: { p: number }; retryCount: number }> }
      }>(before.claimWithin, values)
      for (const { data, id, retryCount } of row!.answer.jobs) {
        watch.begin(id, data.p)
        // Once, as if its process were gone.
        if (abandons(data.p) && !left.has(data.p)) {
          left.add(data.p)
          watch.end(id)
          continue
        }
        yield* ask(before.heartbeat, ["Rolled", [id], [`${id}:${retryCount}`]])
        yield* Effect.sleep("5 millis")
        watch.end(id)
        const said = {
          [id]: data.p % 11 === 0 && (watch.runs.get(data.p) ?? 0) < 2 ? { k: "x" } : { k: "c" }
        }
        yield* ask(before.settle, ["Rolled", [id], [`${id}:${retryCount}`], JSON.stringify(said)])
      }
      if (row!.answer.jobs.length === 0) yield* Effect.sleep("10 millis")
    })
    const failure = JSON.stringify({ reason: "lost", message: "gone" })
    const keep = Effect.andThen(
      Effect.andThen(
        ask(before.pulse, [lease]),
        ask<{ swept: number; dead: Swept["dead"] }>(before.sweep, [["Rolled"], lease, failure])
      ),
      Effect.sleep(lease / 3)
    )
    const noted = (what: Effect.Effect<unknown>) =>
      Effect.tapCause(Effect.forever(what), (cause) =>
        Effect.sync(() => Cause.hasInterruptsOnly(cause) || watch.failures.push(Cause.pretty(cause)))
      )
    yield* Effect.forkScoped(noted(keep))
    yield* Effect.forkScoped(Effect.all([noted(work), noted(work)], { concurrency: "unbounded" }))
    return left
  })

/** One of this release. */
const newer = (url: string, watch: ReturnType<typeof watching>) =>
  Layer.build(
    Rolled.toLayer(
      (n, { id }) =>
        Effect.sync(() => watch.begin(id, n)).pipe(
          Effect.andThen(Effect.sleep("5 millis")),
          Effect.andThen(Effect.sync(() => watch.end(id)))
        ),
      { perQueue, perGroup, pollInterval: "50 millis" }
    ).pipe(Layer.provideMerge(Layer.fresh(Jobs.layerPostgres({ url, lease }))))
  )

describe.skipIf(missing.postgres)("a rolling deploy", () => {
  it.live(
    "processes of two releases share a queue under load, each by its own functions, whoever comes and goes",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const watch = watching()
        const count = 400
        const own = yield* Layer.build(Layer.fresh(Jobs.layerPostgres({ url, lease })))
        yield* Effect.gen(function* () {
          const enqueue = (from: number) =>
            Jobs.enqueue(Array.from({ length: count / 2 }, (_, n) => Rolled(from + n)))
          yield* Jobs.stats(Rolled)
          // The old one alone, then both, then the old one starts again, which installs nothing, then the new one alone.
          const ids = [...(yield* enqueue(0))]
          const ended = (least: number) =>
            eventually(Jobs.stats(Rolled), ({ lastMinute: { completed } }) => completed >= least)
          const left = yield* Effect.scoped(
            Effect.gen(function* () {
              const abandoned = yield* older(url, watch, (n) => n % 40 === 7)
              yield* ended(20)
              yield* Effect.scoped(Effect.andThen(newer(url, watch), ended(60)))
              yield* newer(url, watch)
              ids.push(...(yield* enqueue(count / 2)))
              yield* ended(150)
              return abandoned
            })
          )
          yield* Effect.scoped(
            Effect.andThen(
              older(url, watch, () => false),
              ended(250)
            )
          )
          yield* newer(url, watch)
          yield* ended(count)
          const jobs = yield* Effect.forEach(ids, (id) => Jobs.inspect(Rolled, id))
          assert.isTrue(jobs.every(({ state }) => state === "completed"))
          // What the old one has abandoned, or given back, ran again; a process that was stopped may have left one more.
          assert.isAbove(left.size, 0)
          const again = [...watch.runs].filter(([n, times]) => times > 1 && !left.has(n) && n % 11 !== 0)
          assert.isAtMost(again.length, 4, JSON.stringify(again))
          assert.strictEqual(watch.runs.size, count)
          assert.deepStrictEqual(watch.failures, [])
          const [queue, group] = watch.worst()
          assert.isAtMost(queue, perQueue)
          assert.isAtMost(group, perGroup)
          assert.isAtLeast(queue, 3)
        }).pipe(Effect.provide(own))
      })
  )
})
