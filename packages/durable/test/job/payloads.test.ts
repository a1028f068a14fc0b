import { assert, it } from "@effect/vitest"
import { directory } from "@lemmings/suite/embedded"
import { Effect, Layer, Schema } from "effect"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"

const embedded = Layer.unwrap(Effect.map(directory, (path) => Jobs.layerEmbedded({ directory: path })))

const Old = Job.make("Letter", { payload: { to: Schema.String, weight: Schema.Int } })

/** A field came, a field went. */
const New = Job.make("Letter", {
  payload: {
    to: Schema.String,
    subject: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("none")))
  },
  success: Schema.String
})

const Strict = Job.make("Letter", { payload: { to: Schema.String, subject: Schema.String } })

it.live("a row of an older release is decoded with the schema of today, defaults put in", () =>
  Effect.gen(function* () {
    const id = yield* Jobs.enqueue(Old({ to: "a", weight: 1 }))
    const handled = New.toLayer(({ subject, to }) => Effect.succeed(`${subject} to ${to}`))
    const { payload } = yield* Jobs.inspect(New, id)
    assert.deepStrictEqual(payload._tag === "Success" && payload.success, { to: "a", subject: "none" })
    assert.strictEqual(yield* Effect.provide(Jobs.await(New, id), handled), "none to a")
  }).pipe(Effect.provide(embedded))
)

it.live("one that does not fit is kept with the reason, and runs when the schema takes it", () =>
  Effect.gen(function* () {
    const id = yield* Jobs.enqueue(Old({ to: "a", weight: 1 }))
    const failed = yield* Effect.flip(Jobs.await(Old, id)).pipe(
      Effect.provide(Strict.toLayer(() => Effect.void))
    )
    assert.strictEqual(failed._tag === "JobFailed" && failed.reason, "undecodable")
    const [letter] = yield* Jobs.deadLetters.list(Strict)
    assert.include(letter?.failure.message, "subject")
    assert.isTrue(letter?.payload._tag === "Failure")
    assert.strictEqual(yield* Jobs.deadLetters.replay(New, "all"), 1)
    const got: Array<string> = []
    yield* Effect.scoped(
      Effect.andThen(
        Layer.build(
          New.toLayer(({ subject, to }) => Effect.sync(() => (got.push(`${subject} to ${to}`), "")))
        ),
        Effect.repeat(Effect.sleep("10 millis"), { until: () => got.length > 0 })
      )
    )
    assert.deepStrictEqual(got, ["none to a"])
  }).pipe(Effect.provide(embedded))
)
