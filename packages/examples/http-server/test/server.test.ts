import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Schedule } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HerdRegistry } from "lemmings"
import { createServer } from "node:http"
import { loadServer } from "../src/LoadTest.ts"
import { routes } from "../src/Server.ts"

const start = Effect.gen(function* () {
  const registry = HerdRegistry.make()
  const live = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(
      NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 0 })
    )
  )
  const context = yield* Effect.provideService(Layer.build(live), HerdRegistry.HerdRegistry, registry)
  const herd = registry.herds().get("app/Renderer")
  if (herd === undefined) return yield* Effect.die("no herd")
  return {
    herd,
    url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  }
})

const get = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

describe("http-server", () => {
  it.live("renders on a herd, and has its dashboard and metrics beside", () =>
    Effect.gen(function* () {
      const { url } = yield* start
      const page = yield* get(`${url}/render/home`)
      assert.deepStrictEqual([page.status, page.text], [200, "<h1>home</h1>"])
      assert.include((yield* get(`${url}/lemmings/herds`)).text, "app/Renderer")
      assert.include(
        (yield* get(`${url}/lemmings/metrics`)).text,
        `lemmings_workers_max{herd="app/Renderer"} 8`
      )
      assert.strictEqual((yield* get(`${url}/lemmings/health/ready`)).status, 200)
    })
  )

  it.live("refuses at once what it has no room for, and says when to come again", () =>
    Effect.gen(function* () {
      const { herd, url } = yield* start
      yield* herd.pause
      const waiting = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 128 }), () => get(`${url}/render/x`), {
          concurrency: "unbounded"
        })
      )
      yield* herd.stats.pipe(
        Effect.repeat({ until: ({ queue }) => queue.depth === 128, schedule: Schedule.spaced(1) })
      )
      const refused = yield* get(`${url}/render/x`)
      assert.strictEqual(refused.status, 429)
      assert.match(refused.headers.get("retry-after") ?? "", /^[1-9]\d*$/)
      assert.match(refused.text, /full \(capacity 128\)/)
      const stop = yield* Effect.forkChild(herd.stop())
      yield* herd.stats.pipe(
        Effect.repeat({ until: ({ state }) => state !== "running", schedule: Schedule.spaced(1) })
      )
      assert.strictEqual((yield* get(`${url}/render/x`)).status, 503)
      assert.strictEqual((yield* get(`${url}/lemmings/health/ready`)).status, 503)
      yield* Fiber.join(stop)
      const ends = yield* Fiber.join(waiting)
      assert.isTrue(ends.every(({ status }) => status === 200 || status === 504))
    })
  )

  it.live("answers 504 at the deadline", () =>
    Effect.gen(function* () {
      const { herd, url } = yield* start
      yield* herd.pause
      const late = yield* get(`${url}/render/x`)
      assert.strictEqual(late.status, 504)
      assert.include(late.text, "missed its deadline of 2000 ms")
    })
  )

  it.live(
    "with twice as many callers as there is room for, latency is bounded and nothing else breaks",
    () =>
      Effect.gen(function* () {
        const { herd, url } = yield* start
        const { errors, p99, statuses } = yield* Effect.promise(() => loadServer(url, 3))
        assert.strictEqual(errors, 0)
        assert.sameMembers(
          Object.keys(statuses).filter((status) => status !== "504"),
          ["200", "429"]
        )
        assert.isAbove(statuses["200"] ?? 0, 50)
        // The deadline bounds it, whatever the machine.
        assert.isBelow(p99, 4000)
        yield* herd.awaitIdle
        const { tasks } = yield* herd.stats
        assert.strictEqual(tasks.submitted, tasks.succeeded + tasks.failed + tasks.interrupted + tasks.shed)
        assert.isAtLeast(tasks.succeeded, statuses["200"] ?? 0)
        assert.isAtLeast(tasks.rejected, statuses["429"] ?? 0)
      }),
    30_000
  )
})
