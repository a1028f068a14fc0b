import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Scope } from "effect"
import { fork, hold, poolOf, Server, settled, timed } from "../support/connections.ts"

const name = "db.client.connection.pool.name"
const prefix = "db.client.connection."

/** The pool's figures by their name, with the state where there is one. */
const published = Effect.map(Metric.snapshot, (all) => {
  const seen: { [name: string]: Metric.Metric.Snapshot["state"] } = {}
  for (const { attributes, id, state } of all) {
    if (!id.startsWith(prefix) || attributes?.[name] !== "db") continue
    const of = attributes["db.client.connection.state"]
    seen[id.slice(prefix.length) + (of === undefined ? "" : ` ${of}`)] = state
  }
  return seen
})

describe("PoolMetrics", () => {
  it.effect("publishes what OpenTelemetry has names for, as it is when it is read", () =>
    timed(
      Effect.gen(function* () {
        const server = new Server({ opening: Effect.sleep(150) })
        const pool = yield* poolOf(server, { size: { min: 2, max: 3 }, scaling: "fixed" })
        yield* pool.resize(2)
        yield* Effect.sleep(200)
        yield* pool.use(() => Effect.sleep(400))
        const holders = [yield* hold(pool), yield* hold(pool)]
        yield* Effect.ignore(pool.use(() => Effect.void, { acquireTimeout: 100 }))
        const waiting = yield* fork(pool.use(() => Effect.void))

        const busy = yield* published
        assert.deepStrictEqual(Object.keys(busy).toSorted(), [
          "count idle",
          "count used",
          "create_time",
          "idle.max",
          "idle.min",
          "max",
          "pending_requests",
          "timeouts",
          "use_time",
          "wait_time"
        ])
        assert.deepInclude(busy, {
          "count idle": { value: 0 },
          "count used": { value: 2 },
          "idle.min": { value: 2 },
          "idle.max": { value: 3 },
          max: { value: 3 },
          pending_requests: { value: 1 },
          timeouts: { count: 1, incremental: true }
        })
        // Seconds, as OpenTelemetry wants them.
        assert.deepInclude(busy["create_time"], { count: 2, min: 0.15, max: 0.15, sum: 0.3 })
        assert.deepInclude(busy["use_time"], { count: 1, min: 0.4, max: 0.4, sum: 0.4 })
        assert.deepInclude(busy["wait_time"], { count: 3, max: 0 })

        yield* Effect.sleep(250)
        for (const holder of holders) yield* Fiber.interrupt(holder)
        yield* Fiber.join(waiting)
        const idle = yield* published
        assert.deepInclude(idle, {
          "count idle": { value: 2 },
          "count used": { value: 0 },
          pending_requests: { value: 0 }
        })
        assert.deepInclude(idle["wait_time"], { count: 4, max: 0.25 })
        assert.strictEqual(server.made.length, 2)
      })
    )
  )

  it.effect("publishes nothing more once the pool's scope is closed", () =>
    timed(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Scope.provide(poolOf(new Server(), { size: 1 }), scope)
        yield* settled
        const before = Object.keys(yield* published).length
        yield* Scope.close(scope, Exit.void)
        const after = Object.keys(yield* published).length
        assert.deepStrictEqual([before, after], [10, 0])
      })
    )
  )
})
