import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HerdRegistry } from "lemmings"
import { createServer } from "node:http"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { loadServer } from "../src/LoadTest.ts"
import { routes } from "../src/Server.ts"

const start = Effect.gen(function* () {
  const registry = HerdRegistry.make()
  const live = HttpRouter.serve(routes(), { disableLogger: true, disableListenLog: true }).pipe(
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

// it.live throughout: the server is a real one.
describe("http-server", () => {
  it.live("renders on a herd, and has its dashboard and metrics beside", () =>
    Effect.gen(function* () {
      const { url } = yield* start
      const page = yield* get(`${url}/render/home`)
      assert.deepStrictEqual([page.status, page.text], [200, "<h1>home</h1>"])
      const odd = yield* get(`${url}/render/%3Cscript%3E`)
      assert.strictEqual(odd.text, "<h1>&#60;script&#62;</h1>")
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
        Effect.forEach(Array.from({ length: 64 }), () => get(`${url}/render/x`), {
          concurrency: "unbounded"
        })
      )
      yield* herd.stats.pipe(
        Effect.repeat({ until: ({ queue }) => queue.depth === 64, schedule: Schedule.spaced(1) })
      )
      const refused = yield* get(`${url}/render/x`)
      assert.strictEqual(refused.status, 429)
      // 64 wait, and nothing was ever finished, which counts as one a second.
      assert.strictEqual(refused.headers.get("retry-after"), "64")
      assert.include(refused.headers.get("content-type") ?? "", "application/json")
      assert.match(refused.text, /full \(capacity 64\)/)
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

  it.live("takes the task of a caller that hangs up out of the queue", () =>
    Effect.gen(function* () {
      const { herd, url } = yield* start
      yield* herd.pause
      const caller = new AbortController()
      const answer = fetch(`${url}/render/x`, { signal: caller.signal }).then(
        () => "answered",
        () => "hung up"
      )
      yield* herd.stats.pipe(
        Effect.repeat({ until: ({ queue }) => queue.depth === 1, schedule: Schedule.spaced(1) })
      )
      caller.abort()
      const { queue } = yield* herd.stats.pipe(
        Effect.repeat({ until: ({ tasks }) => tasks.interrupted === 1, schedule: Schedule.spaced(1) })
      )
      assert.strictEqual(queue.depth, 0)
      assert.strictEqual(yield* Effect.promise(() => answer), "hung up")
    })
  )

  it.live("at twice the rate that it can do, what it takes is done in time and the rest is refused", () =>
    Effect.gen(function* () {
      const { herd, url } = yield* start

      const stalls = monitorEventLoopDelay({ resolution: 10 })
      stalls.enable()
      const [took, { errors, statuses }] = yield* Effect.timed(Effect.promise(() => loadServer(url, 4)))
      stalls.disable()

      assert.strictEqual(errors, 0)
      assert.includeMembers([200, 429, 504], [...statuses.keys()])
      const count = (status: number) => statuses.get(status)?.count ?? 0
      const seconds = Duration.toMillis(took) / 1000
      // On a machine too busy to ask for more than eight workers can do, there is nothing to refuse.
      if (stalls.percentile(99) / 1e6 < 100) assert.isAbove(count(429), 0)
      const done = statuses.get(200)
      if (done === undefined) return assert.fail("nothing done")
      assert.isAbove(done.count, 25)
      // The whole queue at the rate that was seen, and then a page.
      const inTime = (64 / done.count) * seconds * 1000 + 80
      assert.isBelow(done.p50, 2 * inTime + 1000)
      // Callers and server share one thread of a machine that may be busy with other things.
      assert.isBelow(done.p99, 2 * inTime + 1000 + (10 * stalls.max) / 1e6)

      yield* herd.awaitIdle
      const { queue, tasks, workers } = yield* herd.stats
      assert.deepStrictEqual([queue.depth, tasks.queued, tasks.running, workers.busy], [0, 0, 0, 0])
      assert.strictEqual(workers.peak, 8)
      assert.strictEqual(tasks.submitted, tasks.succeeded + tasks.failed + tasks.interrupted + tasks.shed)
      assert.isAtLeast(tasks.succeeded, done.count)
      assert.isAtLeast(tasks.rejected, count(429))
      assert.isAtLeast(tasks.failed, count(504))
    })
  )
})
