import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, Layer, Schema } from "effect"
import { QueueRegistry } from "lemmings"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"

const Slow = Job.make("Slow", { payload: Schema.Int, attempts: 5 })

const lease = "5 seconds"

describe.skipIf(missing.postgres)("a flood of every read at once", () => {
  it.live(
    "no running job begins twice, with a lease of 5 s, 200 askers and a large table",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const begun: Array<string> = []
        const process = (name: string) =>
          Slow.toLayer(() =>
            Effect.andThen(
              Effect.sync(() => begun.push(name)),
              Effect.sleep("13 seconds")
            )
          ).pipe(Layer.provideMerge(Layer.fresh(Jobs.layerPostgres({ url, lease }))))
        const registry = QueueRegistry.make()
        const flooded = yield* Layer.build(process("flooded")).pipe(
          Effect.provideService(QueueRegistry.QueueRegistry, registry)
        )
        yield* Effect.gen(function* () {
          yield* Jobs.enqueue(Slow(1))
          yield* Effect.sleep("1 second")
          assert.deepStrictEqual(begun, ["flooded"])
          const rows = new Client({ connectionString: url })
          yield* Effect.promise(async () => {
            await rows.connect()
            await rows.query(`INSERT INTO lemmings.job_common (name, data, state, completed_on)
              SELECT 'Slow', '{"p":1}', 'completed', now() FROM generate_series(1, 300000)`)
            await rows.query(`INSERT INTO lemmings.job_common (name, data, source_name)
              SELECT 'Slow.dead', '{"p":1}', 'Slow' FROM generate_series(1, 50000)`)
            await rows.end()
          })
          // Somebody who would take it up when its lease has lapsed.
          yield* Layer.build(process("other"))
          const queue = registry.queues().get("Slow")!
          const look = <A, E, R>(read: Effect.Effect<A, E, R>) => Effect.asVoid(Effect.exit(read))
          const nobody = "00000000-0000-0000-0000-000000000000"
          const reads = [
            look(Jobs.stats(Slow)),
            look(queue.stats),
            look(Jobs.deadLetters.list(Slow, { limit: 100 })),
            look(queue.deadLetters.list({ limit: 1, ids: [nobody] })),
            look(Jobs.deadLetters.list(Slow, { payload: "nothing" as never, limit: 1 })),
            look(queue.job(nobody))
          ]
          let asked = 0
          const ask = (n: number) =>
            Effect.forever(
              Effect.andThen(
                Effect.exit(reads[n % reads.length]!),
                Effect.sync(() => asked++)
              )
            )
          yield* Effect.forEach(
            Array.from({ length: 200 }, (_, n) => n),
            ask,
            {
              concurrency: "unbounded",
              discard: true
            }
          ).pipe(Effect.timeoutOption("11 seconds"))
          assert.deepStrictEqual(begun, ["flooded"])
          assert.isAbove(asked, 10)
        }).pipe(Effect.provide(flooded))
      }),
    90_000
  )
})
