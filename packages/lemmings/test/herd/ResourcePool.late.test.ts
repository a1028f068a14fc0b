import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { ResourcePool } from "../../src/index.ts"

// Promises end on the real clock.

/** A server that takes its time, and forgets none of its connections. */
class Server {
  made = 0
  open = 0
  closed = 0
  private readonly millis: number
  constructor(millis: number) {
    this.millis = millis
  }
  connect = () =>
    new Promise<object>((resolve) =>
      setTimeout(() => {
        this.made++
        this.open++
        resolve({})
      }, this.millis)
    )
  end = () => {
    this.open--
    this.closed++
  }
}

const until = (holds: () => boolean) => Effect.repeat(Effect.sleep(5), { until: holds, times: 400 })

describe("ResourcePool: what is created late", () => {
  const lends = (
    name: string,
    onCreate: (server: Server) => Effect.Effect<object, unknown, Scope.Scope>,
    onDestroy: boolean
  ) =>
    it.live(name, () =>
      Effect.gen(function* () {
        const server = new Server(60)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* ResourcePool.make("late", {
              onCreate: onCreate(server),
              onDestroy: () => (onDestroy ? Effect.sync(server.end) : Effect.void),
              createTimeout: 20,
              size: { min: 1, max: 2 }
            })
            yield* Effect.exit(pool.use(() => Effect.void, { acquireTimeout: 100 }))
            // The attempts of the timeouts are given up, and what they bring is destroyed while the pool goes on.
            yield* until(() => server.closed >= 2)
            assert.isAtLeast(server.closed, 2)
          })
        )
        // Also what comes after the pool has closed.
        yield* Effect.sleep(100)
        yield* until(() => server.open === 0)
        assert.deepStrictEqual([server.open, server.closed], [0, server.made])
      })
    )

  lends("by a promise is destroyed when it comes", (server) => Effect.promise(() => server.connect()), true)
  lends(
    "by steps of promises is destroyed when they have ended",
    (server) =>
      Effect.gen(function* () {
        const connection = yield* Effect.tryPromise(() => server.connect())
        yield* Effect.promise(() => Promise.resolve())
        return connection
      }),
    true
  )
  lends(
    "in a scope is released by the scope",
    (server) =>
      Effect.acquireRelease(
        Effect.promise(() => server.connect()),
        () => Effect.sync(server.end)
      ),
    false
  )
})
