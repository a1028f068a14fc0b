import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Layer } from "effect"
import { InvalidConfig } from "lemmings/HerdError"
import { EnqueueFailed, Job, Jobs } from "../../src/index.ts"

const wrong: ReadonlyArray<Duration.Input> = [NaN, -1, "5 secnds" as Duration.Input]

const Nightly = Job.make("Nightly")

/** What is said of a duration, wherever it is given. */
const places: Record<string, (value: Duration.Input) => Effect.Effect<unknown, unknown, unknown>> = {
  timeout: (timeout) => Effect.sync(() => Job.make("Wrong", { timeout })),
  "retention.ended": (ended) => Effect.sync(() => Job.make("Wrong", { retention: { ended } })),
  "retention.deadLetters": (deadLetters) =>
    Effect.sync(() => Job.make("Wrong", { retention: { deadLetters } })),
  delay: (delay) => Effect.provide(Jobs.enqueue(Nightly(undefined), { delay }), Jobs.layerMemory()),
  lease: (lease) => Layer.build(Jobs.layerMemory({ lease })).pipe(Effect.scoped),
  statementTimeout: (statementTimeout) =>
    Layer.build(Jobs.layerPostgres({ url: "postgres://nobody@127.0.0.1:1/none", statementTimeout })).pipe(
      Effect.scoped
    ),
  drain: (drain) => serving({ drain }),
  pollInterval: (pollInterval) => serving({ pollInterval }),
  "rate.per": (per) => serving({ rate: { limit: 1, per } })
}

const serving = (options: Parameters<typeof Nightly.toLayer>[1]) =>
  Layer.build(Nightly.toLayer(() => Effect.void, options).pipe(Layer.provide(Jobs.layerMemory()))).pipe(
    Effect.scoped
  )

describe("durations of jobs", () => {
  for (const [field, give] of Object.entries(places)) {
    it.effect(`${field} that is none is refused, with its field, its value and the rule`, () =>
      Effect.gen(function* () {
        for (const value of wrong) {
          const exit = yield* Effect.exit(give(value) as Effect.Effect<unknown, unknown>)
          assert.isTrue(Exit.isFailure(exit), `${JSON.stringify(value)} was accepted`)
          const [reason] = Exit.isFailure(exit) ? exit.cause.reasons : []
          const error =
            reason?._tag === "Fail" ? reason.error : reason?._tag === "Die" ? reason.defect : undefined
          const cause = error instanceof EnqueueFailed ? error.cause : error
          assert.instanceOf(cause, InvalidConfig)
          assert.deepStrictEqual(
            {
              field: cause.field,
              value: cause.value,
              rule: cause.rule.includes("a duration") || cause.rule.includes("a finite duration")
            },
            { field, value, rule: true }
          )
        }
      })
    )
  }
})
