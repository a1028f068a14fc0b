import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { InvalidConfig } from "lemmings/HerdError"
import { EnqueueFailed, Job, Jobs } from "../../src/index.ts"
import * as Settings from "../../src/port/Settings.ts"

const never = [null, "", "no", Number.NaN, -1e12, {}, [], () => 1, "5 secnds", true]

const Nightly = Job.make("Nightly")
const memory = Jobs.layerMemory()

const jobOf = (options: object) => Effect.sync(() => Job.make("Wrong", options))
const layerOf = (layer: Layer.Layer<never, unknown> | Layer.Layer<Jobs.Jobs, unknown>) =>
  Effect.scoped(Effect.asVoid(Layer.build(layer as Layer.Layer<never, unknown>)))
const handlerOf = (options: object) =>
  layerOf(Nightly.toLayer(() => Effect.void, options).pipe(Layer.provide(memory)))
const at = (path: string, value: unknown): object =>
  path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object

/** Where the options of each table are given. */
const places: ReadonlyArray<
  readonly [
    name: string,
    settings: Record<string, Settings.Setting<never, unknown>>,
    give: (path: string, value: unknown) => Effect.Effect<unknown, unknown>
  ]
> = [
  ["a store", Settings.store, (path, value) => layerOf(Jobs.layerMemory(at(path, value)))],
  ["an embedded store", Settings.embedded, (path, value) => layerOf(Jobs.layerEmbedded(at(path, value)))],
  [
    "PostgreSQL",
    Settings.postgres,
    (path, value) =>
      layerOf(Jobs.layerPostgres({ url: "postgres://nobody@127.0.0.1:1/x", ...at(path, value) }))
  ],
  ["a job", Settings.job, (path, value) => jobOf(at(path, value))],
  [
    "a handler",
    Settings.workers,
    (path, value) =>
      handlerOf(
        path.startsWith("rate.")
          ? { rate: { limit: 1, per: 1, ...at(path.slice(5), value) } }
          : at(path, value)
      )
  ]
]

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const [reason] = Exit.isFailure(exit) ? exit.cause.reasons : []
  const error = reason?._tag === "Fail" ? reason.error : reason?._tag === "Die" ? reason.defect : undefined
  return error instanceof EnqueueFailed ? error.cause : error
}

describe("options of durable jobs", () => {
  for (const [name, settings, give] of places)
    it.effect(`of ${name} are refused by the rule that the page says, with their field`, () =>
      Effect.gen(function* () {
        for (const { decode, path, rule } of Object.values(settings)) {
          if (path !== "url") assert.doesNotThrow(() => decode(undefined), path)
          let refused = 0
          for (const value of never) {
            let wrong = false
            try {
              decode(value as never)
            } catch {
              wrong = true
            }
            // What the table takes, such as "" for nothing but texts, is not opened here.
            if (!wrong) continue
            refused++
            const error = errorOf(yield* Effect.exit(give(path, value)))
            assert.instanceOf(error, InvalidConfig, `${path}: ${JSON.stringify(value)}`)
            assert.deepStrictEqual([error.field, error.rule], [path, rule])
            assert.include(error.message, rule)
          }
          assert.isAtLeast(refused, 7, path)
        }
      })
    )

  it.effect("as numbers are those that a database can hold, in every way that they are given", () =>
    Effect.gen(function* () {
      const wrong = [2 ** 31, -(2 ** 31) - 1, 1.5, Number.NaN]
      const ways = (priority: number) => [
        Jobs.enqueue(Nightly(), { priority }),
        Jobs.schedule(Nightly(), "0 3 * * *", { priority }),
        Jobs.setPriority(Nightly, "x", priority),
        Effect.sync(() => Job.make("Wrong", { priority }))
      ]
      for (const value of wrong)
        for (const way of ways(value)) {
          const error = errorOf(yield* Effect.exit(way))
          assert.deepInclude(error, { field: "priority", value })
        }
      for (const value of [2 ** 31 - 1, -(2 ** 31)]) yield* Jobs.enqueue(Nightly(), { priority: value })
      assert.strictEqual((yield* Jobs.stats(Nightly)).waiting, 2)
    }).pipe(Effect.provide(memory))
  )
})
