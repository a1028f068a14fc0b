import { assert, describe, type Vitest } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Schedule, Schema } from "effect"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import type { JobStore } from "../../src/port/JobStore.ts"
import { hostile, jsonView } from "./hostile.ts"

const twice = { attempts: 2, retry: Schedule.spaced("1 millis") }
const quick = { pollInterval: "20 millis" } as const

/** One that says of each job what it does: by its name, in one of three ways. */
const Anything = Job.make("Anything", {
  payload: { how: Schema.Literals(["result", "error", "defect", "well"]), name: Schema.String },
  success: Schema.Any,
  error: Schema.Any,
  ...twice
})

const ways = ["result", "error", "defect"] as const

/** Names of values, in each of the ways, and as many jobs that end well between them. */
const payloads = ways.flatMap((how) =>
  Object.keys(hostile).flatMap((name) => [
    { how, name },
    { how: "well" as const, name }
  ])
)

const reasonOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? "completed" : String(Reflect.get(Object(Cause.squash(exit.cause)), "reason"))

const tagOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? "Success" : String(Reflect.get(Object(Cause.squash(exit.cause)), "_tag"))

/** What every store does with values that user code makes. */
export const hostileSuite = (it: Vitest.MethodsNonLive<JobStore | Jobs.Jobs>) => {
  describe("hostile values", () => {
    it.effect(
      "every attempt ends in a settlement, whatever it returns, fails with or dies of, and harms no other",
      () =>
        Effect.gen(function* () {
          const runs = new Map<string, number>()
          const handler = ({ how, name }: (typeof payloads)[number]) =>
            Effect.suspend(() => {
              runs.set(`${how} ${name}`, (runs.get(`${how} ${name}`) ?? 0) + 1)
              const value = hostile[name]!()
              if (how === "result") return Effect.succeed(value)
              if (how === "error") return Effect.fail(value)
              return how === "defect" ? Effect.die(value) : Effect.succeed(name)
            })
          const ids = yield* Jobs.enqueue(payloads.map(Anything))
          yield* Layer.build(Anything.toLayer(handler, quick))
          for (const [n, { how, name }] of payloads.entries()) {
            const said = `${how}: ${name}`
            const end = yield* Effect.exit(Jobs.await(Anything, ids[n]!)).pipe(Effect.timeout("20 seconds"))
            const { attempts, failure, state } = yield* Jobs.inspect(Anything, ids[n]!)
            const view = how === "well" ? { json: name } : jsonView(hostile[name]!())
            if (how === "well" || (how === "result" && view !== undefined)) {
              assert.deepStrictEqual(end, Exit.succeed(view?.json), said)
              assert.strictEqual(state, "completed", said)
              continue
            }
            assert.deepStrictEqual([state, attempts, runs.get(`${how} ${name}`)], ["failed", 2, 2], said)
            // A typed error is cleaned. What no JSON has is a defect, as in the other ways.
            const typed = how === "error" && (view !== undefined || /NUL|surrogate/.test(name))
            assert.strictEqual(failure?.reason, typed ? "failed" : "defect", said)
            if (!typed) assert.strictEqual(reasonOf(end), "defect", said)
          }
          assert.isTrue((yield* Jobs.readiness).ready)
        }),
      60_000
    )

    it.effect("no payload, key or group is stored that would not come back", () =>
      Effect.gen(function* () {
        const Given = Job.make("Given", { payload: Schema.Any, success: Schema.Any })
        const Plain = Job.make("Plain")
        const Keyed = Job.make("Keyed", {
          payload: { name: Schema.String },
          idempotencyKey: ({ name }) => hostile[name]!() as string
        })
        const Grouped = Job.make("Grouped", {
          payload: { name: Schema.String },
          group: ({ name }) => hostile[name]!() as string
        })
        yield* Layer.build(Given.toLayer((value: unknown) => Effect.succeed(value), quick))
        for (const [name, make] of Object.entries(hostile)) {
          const view = jsonView(make())
          const given = yield* Effect.exit(Jobs.execute(Given(make())))
          if (view === undefined) assert.strictEqual(reasonOf(given), "invalid", name)
          else assert.deepStrictEqual(given, Exit.succeed(view.json), name)
          const fit = make() === undefined || (typeof make() === "string" && view !== undefined)
          const keyed = yield* Effect.exit(Jobs.enqueue(Keyed({ name })))
          assert.strictEqual(reasonOf(keyed), fit ? "completed" : "invalid", name)
          const grouped = yield* Effect.exit(Jobs.enqueue(Grouped({ name })))
          const short = fit && String(make()).length <= 255
          assert.strictEqual(reasonOf(grouped), short ? "completed" : "invalid", name)
          // As the key, the payload, the group and the cron of a schedule.
          const key = make() as string
          const planned = yield* Effect.exit(Jobs.schedule(Plain(), "0 3 * * *", { key }))
          assert.strictEqual(tagOf(planned), short ? "Success" : "InvalidConfig", name)
          const carried = yield* Effect.exit(Jobs.schedule(Given(make()), "0 3 * * *", { key: "given" }))
          assert.strictEqual(tagOf(carried), view === undefined ? "EnqueueFailed" : "Success", name)
          const shared = yield* Effect.exit(Jobs.schedule(Grouped({ name }), "0 3 * * *"))
          assert.strictEqual(tagOf(shared), short ? "Success" : "EnqueueFailed", name)
          const when = yield* Effect.exit(Jobs.schedule(Plain(), make() as string))
          assert.strictEqual(tagOf(when), "InvalidConfig", name)
        }
        assert.isTrue((yield* Jobs.readiness).ready)
      })
    )

    it.effect("no payload is longer than its job says", () =>
      Effect.gen(function* () {
        const Short = Job.make("Short", { payload: Schema.String, maxPayloadBytes: 100 })
        yield* Jobs.enqueue(Short("x".repeat(98)))
        const error = yield* Effect.flip(Jobs.enqueue([Short("x"), Short("x".repeat(99))]))
        assert.strictEqual(error.reason, "invalid")
        assert.match(error.message, /more than 100 bytes/)
        assert.strictEqual((yield* Jobs.stats(Short)).waiting, 1)
        const Long = Job.make("Long", { payload: Schema.String })
        assert.strictEqual((yield* Effect.flip(Jobs.enqueue(Long("x".repeat(1_048_575))))).reason, "invalid")
        assert.throws(() => Job.make("Never", { maxPayloadBytes: 0 }), /maxPayloadBytes/)
      })
    )

    it.effect("no result and no error is longer than its job says", () =>
      Effect.gen(function* () {
        const Said = Job.make("Said", {
          payload: { how: Schema.Literals(["result", "error"]), length: Schema.Int },
          success: Schema.String,
          error: Schema.String,
          maxResultBytes: 1_000,
          attempts: 1
        })
        yield* Layer.build(
          Said.toLayer(({ how, length }) => {
            const said = "x".repeat(length)
            return how === "result" ? Effect.succeed(said) : Effect.fail(said)
          }, quick)
        )
        const end = (how: "result" | "error", length: number) =>
          Effect.exit(Jobs.execute(Said({ how, length })))
        assert.strictEqual(tagOf(yield* end("result", 998)), "Success")
        assert.deepStrictEqual(yield* end("error", 998), Exit.fail("x".repeat(998)))
        for (const how of ["result", "error"] as const) {
          const failed = yield* end(how, 999)
          assert.strictEqual(reasonOf(failed), "defect", how)
          assert.match(Exit.isFailure(failed) ? Cause.pretty(failed.cause) : "", /more than 1000 bytes/)
        }
        // Ten megabytes are no trouble where the job does not say otherwise.
        const Large = Job.make("Large", { success: Schema.String })
        yield* Layer.build(Large.toLayer(() => Effect.succeed("y".repeat(10_000_000)), quick))
        assert.lengthOf(yield* Jobs.execute(Large()), 10_000_000)
      })
    )

    it.effect("a result whose JSON is null is a result", () =>
      Effect.gen(function* () {
        const results = {
          NullOr: [Schema.NullOr(Schema.String), null],
          UndefinedOr: [Schema.UndefinedOr(Schema.String), undefined],
          Null: [Schema.Null, null],
          Any: [Schema.Any, null]
        } as const
        for (const [name, [success, value]] of Object.entries(results)) {
          const Null = Job.make(name, { payload: success, success })
          yield* Layer.build(Null.toLayer((given) => Effect.succeed(given), quick))
          assert.deepStrictEqual(yield* Jobs.execute(Null(value)), value, name)
        }
      })
    )
  })
}
