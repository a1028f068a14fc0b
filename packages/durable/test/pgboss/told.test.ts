import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, Layer, Schema } from "effect"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { logs } from "../support/logs.ts"
import { eventually } from "../support/store.ts"

const Report = Job.make("Report", { payload: Schema.Int })

describe.skipIf(missing.postgres)("what the database refuses in the background", () => {
  it.live("is told once with its reason, and goes on when it is put right", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const { about, layer } = logs()
      yield* Effect.gen(function* () {
        yield* Jobs.schedule(Report(1), "0 3 * * *")
        const client = yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const one = new Client({ connectionString: url })
            await one.connect()
            return one
          }),
          (one) => Effect.promise(() => one.end())
        )
        const say = (sql: string) => Effect.promise(() => client.query(sql))
        const heard = (what: string, count = 1) =>
          eventually(
            Effect.sync(() => about(what)),
            (lines) => lines.length >= count
          )
        // Somebody else has written it.
        yield* say(`INSERT INTO lemmings.lemmings_schedule (name, key, cron, zone, missed, data, since)
          VALUES ('Report', 'odd', 'each noon', 'UTC', 'skip', '{}', now())`)
        yield* Jobs.schedule(Report(2), "0 4 * * *", { key: "b" })
        yield* heard('The schedule "odd" of "Report" never comes')
        yield* say(
          "ALTER TABLE lemmings.lemmings_pulse RENAME TO away; ALTER TABLE lemmings.lemmings_schedule RENAME TO gone"
        )
        yield* Effect.ignore(Jobs.schedule(Report(2), "0 5 * * *", { key: "b" }))
        yield* heard("The pulse of the job store")
        yield* say(
          "ALTER TABLE lemmings.away RENAME TO lemmings_pulse; ALTER TABLE lemmings.gone RENAME TO lemmings_schedule"
        )
        yield* Jobs.schedule(Report(2), "0 6 * * *", { key: "b" })
        yield* Effect.sleep("500 millis")
        yield* say("ALTER TABLE lemmings.lemmings_pulse RENAME TO away")
        // Another time, since it went well between.
        yield* heard("The pulse of the job store", 2)
        for (const what of ["The schedule", "The pulse"])
          for (const { level, text } of about(what)) assert.strictEqual(level, "Warn", text)
        assert.match(about("The pulse")[0]?.text ?? "", /does not succeed: .*lemmings_pulse/)
        assert.lengthOf(about("The schedule"), 1)
        assert.isTrue((yield* Jobs.readiness).ready)
      }).pipe(Effect.provide(Layer.provideMerge(Jobs.layerPostgres({ url, lease: "1 second" }), layer)))
    })
  )
})
