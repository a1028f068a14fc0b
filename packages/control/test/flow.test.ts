import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Herd, HerdRegistry, QueueRegistry } from "lemmings"
import { serve } from "./support/control.ts"

class Api extends Herd.Service<Api>()("app/Api", { sheds: true }) {
  static readonly live = this.layer({
    workers: { min: 4, max: 4 },
    queue: { order: "fair" },
    limits: { perKey: { concurrency: (key) => (key === "a" ? 1 : undefined), share: 2 } },
    shutdown: { drain: 0, interrupt: 0 }
  })
}
class Plain extends Herd.Service<Plain>()("app/Plain") {
  static readonly live = this.layer({ shutdown: { drain: 0, interrupt: 0 } })
}

const live = Layer.mergeAll(Api.live, Plain.live).pipe(
  Layer.provideMerge(Layer.mergeAll(HerdRegistry.layer, QueueRegistry.layer))
)

const herd = "/herds/app%2FApi"

describe("flow control over HTTP", () => {
  it.live("shows keys, holds and releases them, and says why a task waits", () =>
    Effect.gen(function* () {
      const { ask } = yield* serve()
      yield* Api.submit(Effect.never, { key: "a" })
      yield* Api.submit(Effect.void, { key: "a", id: "waits" })
      const held = yield* ask("PUT", `${herd}/keys/b%2Fc/hold`, { duration: "30 seconds" })
      assert.deepStrictEqual([held.status, held.json], [200, { herd: "app/Api", key: "b/c" }])

      const { json } = yield* ask("GET", `${herd}/keys?top=5`)
      const keys = json["keys"] as Array<Record<string, unknown>>
      assert.deepInclude(keys[0], { key: "a", running: 1, held: 1, ready: 0, concurrency: 1, share: 2 })
      assert.deepInclude(keys[1], { key: "b/c", onHold: true })

      const why = yield* ask("GET", `${herd}/tasks/waits/explain`)
      assert.deepInclude(why.json, { status: "queued", key: "a", blockedBy: ["concurrency"] })
      assert.strictEqual(why.json["sentence"], `Key "a" runs as much as it may at one time.`)

      assert.strictEqual((yield* ask("DELETE", `${herd}/keys/b%2Fc/hold`)).status, 200)
      const again = yield* ask("DELETE", `${herd}/keys/b%2Fc/hold`)
      assert.deepStrictEqual([again.status, again.json["_tag"]], [404, "UnknownKey"])
      assert.strictEqual((yield* ask("GET", `${herd}/tasks/nobody/explain`)).json["_tag"], "UnknownTask")
    }).pipe(Effect.provide(live))
  )

  it.live("changes what it is told of the limits, keeps functions, and refuses the rest", () =>
    Effect.gen(function* () {
      const { ask } = yield* serve()
      const before = yield* ask("GET", `${herd}/limits`)
      assert.deepInclude(before.json, { weight: null, rate: [], hold: false })
      const change = {
        weight: 3,
        rate: { limit: 5, per: "1 second", burst: 2 },
        perKey: { rate: [{ limit: 1, per: 100 }], queue: 7 }
      }
      const after = yield* ask("PATCH", `${herd}/limits`, change)
      assert.strictEqual(after.status, 200)
      assert.deepStrictEqual(after.json, {
        weight: 3,
        rate: [{ limit: 5, per: 1_000, burst: 2, window: "gcra" }],
        perKey: {
          concurrency: "by key",
          ordered: false,
          burst: false,
          queue: 7,
          share: 2,
          rate: [{ limit: 1, per: 100, burst: 1, window: "gcra" }]
        },
        hold: false
      })
      const none = yield* ask("PATCH", `${herd}/limits`, { weight: null, perKey: { queue: null } })
      assert.deepInclude(none.json, { weight: null })
      for (const [body, field] of [
        [{ weight: -1 }, "limits.weight"],
        [{ perKey: { concurrency: 0.5 } }, "limits.perKey.concurrency"],
        [{ rate: { limit: 1, per: "5 secnds" } }, "limits.rate.per"],
        [{ weigth: 1 }, "weigth"]
      ] as const) {
        const { json, status } = yield* ask("PATCH", `${herd}/limits`, body)
        assert.deepStrictEqual([status, json["field"]], [400, field])
      }
      const plain = yield* ask("PUT", "/herds/app%2FPlain/keys/a/hold", { duration: 5 })
      assert.strictEqual(plain.status, 400)
      assert.strictEqual((yield* ask("GET", "/herds/app%2FPlain/limits")).text, "null")
    }).pipe(Effect.provide(live))
  )
})
