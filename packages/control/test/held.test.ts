// What attackers tried, and what held.
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer, type IncomingHttpHeaders, request } from "node:http"
import { ControlRoutes } from "../src/index.ts"
import { alone, Db, herd, serve } from "./support/control.ts"
import { queue } from "./support/queue.ts"

interface Said {
  readonly status: number
  readonly text: string
}

/** With headers that `fetch` would not send. */
const say = (url: string, method: string, path: string, headers: Record<string, string>) =>
  Effect.callback<Said>((resume) => {
    const { hostname, port } = new URL(url)
    const asked = request({ host: hostname, port, method, path, headers }, (answer) => {
      let text = ""
      answer.on("data", (data) => (text += String(data)))
      answer.on("end", () => resume(Effect.succeed({ status: answer.statusCode ?? 0, text })))
    })
    asked.end()
  })

/** A reverse proxy on this machine. */
const proxy = (url: string, change: (headers: IncomingHttpHeaders) => IncomingHttpHeaders) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const { hostname, port } = new URL(url)
      const server = createServer((asked, answer) => {
        const { method, url: path } = asked
        const on = request({ host: hostname, port, method, path, headers: change(asked.headers) }, (back) => {
          answer.writeHead(back.statusCode ?? 500, back.headers)
          back.pipe(answer)
        })
        asked.pipe(on)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const at = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `http://127.0.0.1:${at}`, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const drain = "/lemmings/herds/app%2FDb/drain"

/** The routes in an application's server. */
const mounted = (options: ControlRoutes.RoutesOptions) =>
  Effect.map(
    Layer.build(
      HttpRouter.serve(ControlRoutes.layer({ prefix: "/lemmings", ...options }), {
        disableLogger: true
      }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
    ),
    (context) => HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  )

describe("held when tried", () => {
  it.live("nobody drains a herd by way of a proxy on the same machine, whatever Host it gives", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const url = yield* mounted({ withoutToken: "local" })
      const forwarded = { "x-forwarded-for": "203.0.113.9" }
      const keeps = yield* proxy(url, (headers) => ({ ...headers, ...forwarded }))
      const replaces = yield* proxy(url, (headers) => ({ ...headers, ...forwarded, host: new URL(url).host }))
      const renames = yield* proxy(url, (headers) => ({ ...headers, host: "localhost", forwarded: "for=_x" }))
      for (const host of ["app.example", "localhost", "127.0.0.1"])
        for (const way of [keeps, replaces, renames]) {
          const refused = yield* say(way.url, "POST", drain, { host })
          assert.strictEqual(refused.status, 403, `${host}: ${refused.text}`)
        }
      assert.strictEqual((yield* one.stats).state, "running")
      assert.strictEqual((yield* say(url, "POST", drain, { host: "localhost" })).status, 202)
    }).pipe(alone)
  )

  it.live("nor by way of a handler that does not know who calls", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const routes = (options: ControlRoutes.RoutesOptions) =>
        HttpRouter.toWebHandler(
          ControlRoutes.layer({ prefix: "/lemmings", ...options }).pipe(
            Layer.provide(HttpServer.layerServices)
          ),
          { disableLogger: true }
        )
      const ask = (options: ControlRoutes.RoutesOptions) =>
        Effect.promise(async () => {
          const { dispose, handler } = routes(options)
          const headers = { host: "localhost" }
          const { status } = await handler(
            new Request("https://app.example/lemmings/herds/app%2FDb/pause", { method: "POST", headers })
          )
          await dispose()
          return status
        })
      assert.strictEqual(yield* ask({ withoutToken: "local" }), 403)
      assert.strictEqual(yield* ask({ token: "correct-horse-battery" }), 401)
    }).pipe(alone)
  )

  it.live("no page of another origin, and no name that was rebound, changes or reads anything", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve()
      const { host } = new URL(url)
      const port = host.split(":")[1]
      const hosts = [
        "evil.example",
        `evil.example:${port}`,
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1@evil.example",
        "localhost.",
        "0.0.0.0",
        "[::]",
        "[::2]",
        "169.254.169.254",
        "127.1",
        "2130706433",
        "0x7f000001",
        "127.0.0.1 evil.example",
        "localhost:80:80"
      ]
      const origins = [
        "http://evil.example",
        "https://127.0.0.1",
        `http://127.0.0.1:${Number(port) + 1}`,
        `http://localhost:${port}`,
        "null",
        "file://",
        `http://${host}.evil.example`,
        "chrome-extension://abc"
      ]
      for (const [method, path] of [
        ["POST", "/herds/app%2FDb/clear"],
        ["GET", "/herds"]
      ] as const) {
        for (const name of hosts) {
          const refused = yield* say(url, method, path, { host: name })
          assert.include([400, 403], refused.status, `${method} Host: ${name}`)
          assert.notInclude(refused.text, "app/Db")
        }
        for (const origin of origins) {
          const refused = yield* say(url, method, path, { host, origin })
          assert.strictEqual(refused.status, 403, `${method} Origin: ${origin}`)
          assert.notInclude(refused.text, "app/Db")
        }
      }
      assert.strictEqual((yield* one.stats).state, "running")
    }).pipe(alone)
  )

  it.live("what is hidden is on no path, in no header and in no stream", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      yield* Effect.exit(
        one.run(Effect.die(new Error("hidden-error")), { label: "hidden-label", key: "hidden-key" })
      )
      yield* one.submit(Effect.never, { label: "hidden-label", key: "hidden-key" })
      yield* queue("app/Mail", 3)
      const token = "hidden-token-of-ops"
      const { ask, url } = yield* serve({ token, redact: () => ({}) })
      const headers = { authorization: `Bearer ${token}` }
      const { paths } = (yield* ask("GET", "/openapi.json", undefined, headers)).json as { paths: object }
      const gets = [...Object.keys(paths), "/metrics", "/docs", "/dashboard", "/nothing"]
        .filter((path) => path !== "/frames" && !path.endsWith("/events"))
        .map((path) => path.replace("{id}", path.startsWith("/queues") ? "app%2FMail" : "app%2FDb"))
        .map((path) =>
          path.replace("{letterId}", "letter-1").replace("{jobId}", "known").replace("{taskId}", "x")
        )
      const hidden = /hidden-(error|label|key|token)|secret (error|payload)|no such mailbox|user\d@example/
      for (const path of gets) {
        const { headers: back, text } = yield* ask("GET", path, undefined, headers)
        assert.notMatch(text + JSON.stringify([...back]), hidden, path)
      }
      const frame = yield* Effect.promise(async () => {
        const answer = await fetch(`${url}/frames`, { headers })
        const reader = answer.body!.getReader()
        const first = await reader.read()
        await reader.cancel()
        return new TextDecoder().decode(first.value)
      })
      assert.include(frame, "event: frame")
      assert.notMatch(frame, hidden)
      for (const wrong of [{}, { authorization: `Bearer ${token}x` }])
        for (const path of gets) {
          const { text } = yield* ask("GET", path, undefined, wrong)
          assert.notMatch(text, hidden, path)
        }
    }).pipe(alone)
  )
})
