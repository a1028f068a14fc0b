import { assert, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, type Layer, Layer as L, Schedule, Schema } from "effect"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import type { JobStore } from "../../src/port/JobStore.ts"

class Bounced extends Schema.TaggedError<Bounced>()("Bounced", { to: Schema.String }) {}

const SendEmail = Job.make("SendEmail", {
  payload: { to: Schema.String, at: Schema.DateFromString },
  success: Schema.String,
  error: Bounced,
  attempts: 3,
  retry: Schedule.spaced("1 millis"),
  retryable: (error) => error.to !== "never@"
})

const handled = (attempts: Map<string, number>) =>
  SendEmail.toLayer(({ at, to }, { attempt, id }) => {
    attempts.set(id, attempt)
    if (to === "flaky@" && attempt < 3) return Effect.fail(new Bounced({ to }))
    if (to === "never@" || to === "always@") return Effect.fail(new Bounced({ to }))
    if (to === "dies@") return Effect.die(new Error("boom"))
    return Effect.succeed(`${to} ${at.toISOString()}`)
  })

const endToEnd = <E>(name: string, jobs: Layer.Layer<Jobs.Jobs | JobStore, E>, skip = false) =>
  it.live.skipIf(skip)(
    name,
    () => {
      const attempts = new Map<string, number>()
      const at = new Date(0)
      return Effect.gen(function* () {
        assert.strictEqual(yield* Jobs.execute(SendEmail({ to: "a@", at })), "a@ 1970-01-01T00:00:00.000Z")
        const flaky = yield* Jobs.enqueue(SendEmail({ to: "flaky@", at }))
        assert.strictEqual(yield* Jobs.await(SendEmail, flaky), "flaky@ 1970-01-01T00:00:00.000Z")
        assert.strictEqual(attempts.get(flaky), 3)
        const never = yield* Effect.flip(Jobs.execute(SendEmail({ to: "never@", at })))
        assert.instanceOf(never, Bounced)
        const always = yield* Effect.flip(Jobs.execute(SendEmail({ to: "always@", at })))
        assert.instanceOf(always, Bounced)
        const died = yield* Effect.flip(Jobs.execute(SendEmail({ to: "dies@", at })))
        assert.strictEqual(died._tag === "JobFailed" ? died.reason : "", "defect")
        const letters = yield* Jobs.deadLetters.list(SendEmail)
        assert.deepStrictEqual(
          letters
            .map(({ attempts, failure }) => `${failure.reason} ${attempts}`)
            .toSorted((a, b) => (a < b ? -1 : 1)),
          ["defect 3", "failed 1", "failed 3"]
        )
        const many = yield* Jobs.enqueue(
          Array.from({ length: 500 }, (_, n) => SendEmail({ to: `${n}@`, at }))
        )
        const results = yield* Effect.forEach(many, (id) => Jobs.await(SendEmail, id), { concurrency: 50 })
        assert.strictEqual(results[499], "499@ 1970-01-01T00:00:00.000Z")
      }).pipe(Effect.provide(handled(attempts).pipe(L.provideMerge(jobs))))
    },
    60_000
  )

endToEnd("memory", Jobs.layerMemory())
endToEnd("PGlite", Jobs.layerEmbedded())
endToEnd(
  "PostgreSQL",
  L.unwrap(Effect.map(database, ({ url }) => Jobs.layerPostgres({ url }))),
  missing.postgres
)
