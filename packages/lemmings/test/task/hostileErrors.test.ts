import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { Herd } from "lemmings"

const thrower = (): never => {
  throw new Error("touched")
}

const errors: Record<string, () => object> = {
  "a Proxy that throws": () =>
    new Proxy({}, { get: thrower, getPrototypeOf: thrower, has: thrower, ownKeys: thrower }),
  "a revoked Proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  "no prototype": () => Object.create(null) as object
}

describe("an error that throws when it is touched", () => {
  for (const [name, make] of Object.entries(errors)) {
    it.effect(`${name}: is the caller's, and the worker goes on`, () =>
      Effect.gen(function* () {
        class Touched extends Herd.Service<Touched>()("test/Touched") {}
        yield* Effect.gen(function* () {
          const herd = yield* Touched
          const error = make()
          const exit = yield* Effect.exit(herd.run(Effect.fail(error), { once: true }))
          assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) === error)
          assert.strictEqual(yield* herd.run(Effect.succeed(1)), 1)
          const { tasks, workers } = yield* herd.stats
          assert.deepStrictEqual([tasks.failed, tasks.succeeded, workers.busy], [1, 1, 0])
        }).pipe(Effect.provide(Touched.layer({ workers: { min: 1, max: 1 } })))
      })
    )
  }
})
