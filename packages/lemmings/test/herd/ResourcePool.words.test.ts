import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import { HerdRegistry, ResourcePool } from "../../src/index.ts"
import { fork } from "../support/connections.ts"

describe("ResourcePool: words", () => {
  it.effect("a pool says pool and resources, never herd, worker or task, whatever it logs", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = Logger.layer([
        Logger.make(({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message)))
      ])
      yield* Effect.gen(function* () {
        const scope = yield* Scope.make()
        let made = 0
        const pool = yield* Scope.provide(
          ResourcePool.make("test/Db", {
            onCreate: Effect.delay(
              Effect.sync(() => ++made),
              100
            ),
            onDestroy: (n) => (n === 1 ? Effect.fail("torn") : n === 2 ? Effect.never : Effect.void),
            size: { min: 1, max: 8 },
            leakAfter: "1 second",
            onLeak: "report",
            checkHealth: () => {
              throw new Error("no judgement")
            },
            shutdown: { drain: 0, interrupt: 0, destroy: 50 }
          }),
          scope
        )
        yield* TestClock.adjust("1 second")
        for (let i = 0; i < 8; i++) yield* fork(pool.use(() => Effect.sleep("3 seconds")))
        yield* fork(Effect.ignore(pool.use(() => Effect.fail("mine"))))
        yield* TestClock.adjust("10 seconds")
        yield* pool.resize(4)
        yield* pool.evictAll()
        yield* TestClock.adjust("1 minute")
        const { herds } = yield* HerdRegistry.HerdRegistry
        assert.strictEqual(herds().get("test/Db")?.kind, "pool")
        yield* fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("1 minute")
      }).pipe(
        Effect.provide([log, HerdRegistry.layer]),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
      const kinds = [
        /: 1 -> \d+ resources, littlesLaw: /,
        /: borrower \S+ has held resource \d+ for 1000 ms\. /,
        /: checkHealth failed$/,
        /: onDestroy failed$/,
        /: resource \d+ was left behind$/
      ]
      for (const kind of kinds)
        assert.isTrue(
          lines.some((line) => kind.test(line)),
          `${kind}: ${lines.join("\n")}`
        )
      for (const line of lines) {
        const [own = ""] = line.split(" It was submitted")
        assert.match(own, /^pool test\/Db: /)
        assert.notMatch(own, /\bherds?\b|\bworkers?\b|\btasks?\b/)
      }
    })
  )
})

describe("ResourcePool.Service", () => {
  class Database extends ResourcePool.Service<Database, number>()("test/Use") {
    static readonly live = this.layer({ onCreate: Effect.succeed(7), size: 1 })
  }

  it.effect("use of the class lends a resource, and the key and useSync give the pool", () =>
    Effect.gen(function* () {
      const pool = yield* Database
      assert.strictEqual(pool.name, "test/Use")
      assert.strictEqual(yield* Database.useSync(({ name }) => name), "test/Use")
      assert.strictEqual(yield* Database.use(Effect.succeed), 7)
      assert.strictEqual(yield* pool.use(Effect.succeed), 7)
      const { active, borrowed } = yield* pool.stats
      assert.deepStrictEqual([active, borrowed], [0, 2])
    }).pipe(Effect.provide(Database.live))
  )
})
