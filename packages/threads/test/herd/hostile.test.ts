// Handlers that throw, fail with and return what does not behave, beside innocent neighbours.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { hostile } from "../support/hostile.ts"
import { Misbehave } from "../support/hostile.tasks.ts"

class Hostile extends ThreadHerd.Service<Hostile>()("test/Hostile", {
  tasks: [Misbehave],
  worker: new URL("../support/hostile.worker.ts", import.meta.url)
}) {}

const names = Object.keys(hostile)
const run = (payload: Parameters<typeof Misbehave>[0]) => Effect.exit(Hostile.run(Misbehave(payload)))

for (const isolation of ["thread", "process"] as const) {
  const layer = Hostile.layer({ isolation, concurrency: 4, workers: { min: 1, max: 1 }, output: "ignore" })

  describe(`on a ${isolation}`, () => {
    for (const how of ["throw", "fail", "return"] as const) {
      it.live(`what a handler gives back when it does not behave is its own task's alone (${how})`, () =>
        Effect.gen(function* () {
          for (const name of names) {
            const [bad, ...others] = yield* Effect.all(
              [
                run({ how, name }),
                run({ how: "echo", value: 1, millis: 1 }),
                run({ how: "echo", value: Buffer.from("b") }),
                run({ how: "echo", value: 3 })
              ],
              { concurrency: "unbounded" }
            )
            if (how === "throw") assert.isTrue(Exit.isFailure(bad) && Cause.hasDies(bad.cause), name)
            assert.deepStrictEqual<ReadonlyArray<unknown>>(
              others,
              [1, Buffer.from("b"), 3].map((value) => Exit.succeed(value)),
              name
            )
          }
          const { resources } = yield* (yield* Hostile).stats
          assert.strictEqual(resources.created, 1)
        }).pipe(Effect.provide(layer))
      )
    }

    it.live("a payload that does not behave is refused, or arrives as it can, and harms no other", () =>
      Effect.gen(function* () {
        for (const name of names) {
          const [bad, good] = yield* Effect.all(
            [run({ how: "echo", value: hostile[name]?.() }), run({ how: "echo", value: 2 })],
            { concurrency: "unbounded" }
          )
          const error = Exit.isFailure(bad) ? bad.cause.reasons.find(Cause.isFailReason)?.error : undefined
          if (Exit.isFailure(bad))
            assert.strictEqual(Reflect.get(error as object, "_tag"), "InvalidPayload", name)
          assert.deepStrictEqual(good, Exit.succeed(2), name)
        }
        assert.strictEqual((yield* (yield* Hostile).stats).resources.created, 1)
      }).pipe(Effect.provide(layer))
    )

    it.live("a failure that is an error keeps what can travel; what cannot travel is a defect", () =>
      Effect.gen(function* () {
        const own = yield* run({ how: "fail", name: "an error with functions" })
        const error = Exit.isFailure(own) ? own.cause.reasons.find(Cause.isFailReason)?.error : undefined
        assert.instanceOf(error, Error)
        assert.deepStrictEqual(
          [error.name, error.message, Reflect.get(error, "code")],
          ["Own", "kept", "E_OWN"]
        )
        const bare = yield* run({ how: "fail", name: "a function" })
        assert.isTrue(Exit.isFailure(bare) && Cause.hasDies(bare.cause))
      }).pipe(Effect.provide(layer))
    )

    it.live(
      "a Buffer stays a Buffer, alone and in a field, and what a bad neighbour moves costs the others nothing",
      () =>
        Effect.gen(function* () {
          const bytes = Buffer.from("x")
          for (const [value, at] of [
            [bytes, (got: unknown) => got],
            [{ a: 1, b: bytes }, (got: unknown) => Reflect.get(got as object, "b") as unknown],
            [[2, bytes], (got: unknown) => Reflect.get(got as object, 1) as unknown]
          ] as const) {
            const exit = yield* run({ how: "echo", value })
            assert.deepStrictEqual(exit, Exit.succeed(value))
            // To compare is not to look at the class.
            assert.isTrue(Exit.isSuccess(exit) && Buffer.isBuffer(at(exit.value)))
          }
          const plain = yield* run({ how: "echo", value: new Uint8Array(2) })
          assert.isFalse(Exit.isSuccess(plain) && Buffer.isBuffer(plain.value))

          const all = yield* Effect.forEach(
            ["no prototype", "a symbol", "no prototype"],
            (name) => run({ how: "return with", name, value: new Uint8Array(4).fill(7) }),
            { concurrency: "unbounded" }
          )
          assert.isTrue(Exit.isFailure(all[1]!))
          for (const one of [all[0]!, all[2]!])
            assert.deepStrictEqual(one, Exit.succeed({ value: {}, bytes: new Uint8Array(4).fill(7) }))
        }).pipe(Effect.provide(layer))
    )

    it.live("a handler that patches what is global harms no later task", () =>
      Effect.gen(function* () {
        yield* run({ how: "patch" })
        assert.deepStrictEqual(yield* run({ how: "echo", value: [1] }), Exit.succeed([1]))
      }).pipe(Effect.provide(layer))
    )

    it.live("messages that a handler sends by the herd's own channel are ignored (3,000 random values)", () =>
      Effect.gen(function* () {
        const sent = Array.from({ length: 10 }, (_, seed) => run({ how: "send", seed, value: seed }))
        const beside = Array.from({ length: 10 }, (_, i) => run({ how: "echo", value: i, millis: 10 }))
        const exits = yield* Effect.all([...sent, ...beside], { concurrency: "unbounded" })
        assert.deepStrictEqual(
          exits,
          [...sent, ...beside].map((_, i) => Exit.succeed(i % 10))
        )
        assert.strictEqual((yield* (yield* Hostile).stats).resources.created, 1)
      }).pipe(Effect.provide(layer))
    )
  })
}
