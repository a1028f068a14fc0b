import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { connect, type Socket } from "node:net"
import { makeOdd } from "./support/odd.ts"
import { type Server, alone, Db, herd, serve, until } from "./support/control.ts"
import { Herd, HerdRegistry } from "lemmings"

/** A connection that says this, and whatever the server says to it. */
const say = (
  url: string,
  text: string
): Effect.Effect<{ socket: Socket; heard: () => string }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ socket: Socket; heard: () => string }>((resume) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
        if (text !== "") socket.write(text)
        let heard = ""
        socket.on("data", (data) => (heard += String(data)))
        resume(Effect.succeed({ socket, heard: () => heard }))
      })
      socket.on("error", () => {})
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** What is answered to exactly these bytes, until the server closes. */
const exchange = (url: string, text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { heard, socket } = yield* say(url, text)
      yield* until(() => Effect.sync(() => socket.closed || socket.readableEnded))
      return heard()
    })
  )

const odd: ReadonlyArray<readonly [name: string, request: string, status: number]> = [
  ["a percent sign", "GET /herds/%zz HTTP/1.1", 400],
  ["half a character", "GET /herds/%E0%A4 HTTP/1.1", 400],
  ["a percent sign that is alone", "GET /% HTTP/1.1", 400],
  ["TRACE", "TRACE /herds HTTP/1.1", 405],
  ["PROPFIND", "PROPFIND /herds HTTP/1.1", 405],
  ["a method of nobody", "BREW /herds HTTP/1.1", 400],
  ["TRACE nowhere", "TRACE /nothing HTTP/1.1", 404],
  ["OPTIONS of all", "OPTIONS * HTTP/1.1", 404],
  ["a whole address of a stranger", "GET http://evil.example/herds HTTP/1.1", 403],
  ["a path upwards", "GET /../../etc/passwd HTTP/1.1", 404],
  ["an id of 5,000 letters", `GET /herds/${"x".repeat(5000)} HTTP/1.1`, 404],
  ["no HTTP", "hello", 400],
  ["two lengths", "POST /herds/a/clear HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", 400],
  [
    "a length and chunks",
    "POST /herds/a/clear HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
    400
  ],
  ["two names", "GET /herds HTTP/1.1\r\nHost: evil.example", 403],
  ["an expectation", "GET /herds HTTP/1.1\r\nExpect: a-miracle", 417],
  ["a head of 20,000 bytes", `GET /herds HTTP/1.1\r\nX-Long: ${"x".repeat(20_000)}`, 431]
]

const headers = [
  "cache-control: no-store",
  "cross-origin-resource-policy: same-origin",
  "content-security-policy: ",
  "x-content-type-options: nosniff",
  "x-frame-options: DENY"
]

describe("what is no request for anything", () => {
  it.live("is answered in JSON with a tag, a status, and the headers of every answer", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve()
      for (const [name, request, status] of odd) {
        const answer = yield* exchange(url, `${request}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${name}: ${answer.slice(0, 80)}`)
        for (const header of headers) assert.include(answer.toLowerCase(), header.toLowerCase(), name)
        const body = answer.slice(answer.indexOf("\r\n\r\n") + 4)
        const json: unknown = JSON.parse(body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, ""))
        assert.containsAllKeys(json, ["_tag", "message"], name)
        assert.notMatch(answer, /\n\s+at |\.ts:/, name)
      }
      assert.strictEqual((yield* one.stats).state, "running")
    }).pipe(alone)
  )

  it.live("/dashboard/ leads to the page, and routes of another application are left alone", () =>
    Effect.gen(function* () {
      const { ask } = yield* serve({ prefix: "/ops" })
      const moved = yield* ask("GET", "/ops/dashboard/")
      assert.deepStrictEqual([moved.status, moved.headers.get("location")], [308, "/ops/dashboard"])
      for (const path of ["/opsx/herds", "/herds", "/"])
        assert.notStrictEqual((yield* ask("GET", path)).status, 200, path)
    }).pipe(alone)
  )
})

describe("who asks for too much", () => {
  it.live(
    "1,000 readers that never read: 64 are served, the rest told to come again, and all see the same frames",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        const registry = yield* HerdRegistry.HerdRegistry
        const real = registry.herds().get("app/Db")!
        let looks = 0
        const stats = Effect.suspend(() => {
          looks++
          return real.stats
        })
        registry.add({ ...real, id: "watched", stats })
        const { ask, url } = yield* serve({ maxConnections: 2000 })
        const request = "GET /frames?rate=10 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        const readers = yield* Effect.forEach(
          Array.from({ length: 1000 }, () => 0),
          () => say(url, request),
          { concurrency: 50 }
        )
        yield* until(() => Effect.sync(() => readers.every(({ heard }) => heard() !== "")))
        const served = readers.filter(({ heard }) => heard().startsWith("HTTP/1.1 200"))
        assert.strictEqual(served.length, 64)
        const refused = readers.find(({ heard }) => heard().startsWith("HTTP/1.1 503"))?.heard() ?? ""
        assert.match(refused, /retry-after: 10\r\n[^]*"_tag":"TooManyReaders"/i)
        // All of them are shown the same look.
        const before = looks
        yield* Effect.sleep("1 second")
        assert.isAtMost(looks - before, 25)
        assert.isAtLeast(looks - before, 1)
        assert.strictEqual((yield* ask("GET", "/herds")).status, 200)
        // A place that falls free is given away, and asking for the head alone takes none.
        for (let n = 0; n < 100; n++) yield* ask("HEAD", "/frames")
        served[0]?.socket.destroy()
        yield* until(() =>
          Effect.promise(async () => {
            const answer = await fetch(`${url}/frames`)
            await answer.body?.cancel()
            return answer.status === 200
          })
        )
      }).pipe(alone)
  )

  it.live(
    "600 connections that say nothing leave room for somebody who asks, and hold no more than their share",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        const { ask, url } = yield* serve({ maxConnections: 40 })
        const silent = yield* Effect.forEach(
          Array.from({ length: 600 }, (_, n) => n),
          (n) => say(url, n % 2 === 0 ? "" : "GET /herds HTTP/1.1\r\nHost: 127.0.0.1\r\n"),
          { concurrency: 20 }
        )
        yield* until(() =>
          Effect.sync(
            () => silent.filter(({ socket }) => !socket.closed && !socket.readableEnded).length <= 40
          )
        )
        assert.strictEqual((yield* ask("GET", "/herds")).status, 200)
      }).pipe(alone)
  )

  it.live("where every connection has a request, a further one is told to come again", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { url } = yield* serve({ maxConnections: 3 })
      for (let n = 0; n < 3; n++) {
        const { heard } = yield* say(url, "GET /frames HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        yield* until(() => Effect.sync(() => heard().startsWith("HTTP/1.1 200")))
      }
      const refused = yield* exchange(url, "")
      assert.match(refused, /^HTTP\/1.1 503 [^]*retry-after: 5[^]*TooManyConnections/)
    }).pipe(alone)
  )
})

const asks = (server: Server, one: Effect.Success<ReturnType<typeof herd<Db>>>, body: unknown) =>
  Effect.gen(function* () {
    const before = yield* one.stats
    const answer = yield* server.ask("PATCH", "/herds/app%2FDb", body)
    if (answer.status === 200) return
    assert.include([400, 413], answer.status, JSON.stringify(body))
    assert.containsAllKeys(answer.json, ["_tag", "message"], JSON.stringify(body))
    const after = yield* one.stats
    assert.deepStrictEqual([after.workers, after.paused], [before.workers, before.paused])
  })

describe("bodies and names of every kind", () => {
  it.live("a body is obeyed, or refused in JSON and nothing is changed", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const server = yield* serve()
      const odd = makeOdd(18, ["target", "bounds", "paused", "min", "max", "__proto__", "constructor", "x"])
      for (let n = 0; n < 200; n++) yield* asks(server, one, JSON.stringify(odd.value(3)))
      for (const depth of [100, 5000]) yield* asks(server, one, "[".repeat(depth) + "]".repeat(depth))
      yield* asks(server, one, `{"__proto__":{"target":1},"constructor":{"prototype":{"target":1}}}`)
      assert.isUndefined(({} as { target?: number }).target)
    }).pipe(alone)
  )

  it.live("what a change is told in its query is refused, and nothing is changed", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { ask } = yield* serve()
      const before = yield* one.stats
      for (const [method, path, field] of [
        ["POST", "/herds/app%2FDb/drain?drain=5s", "drain"],
        ["POST", "/herds/app%2FDb/pause?%zz", "%zz"],
        ["POST", "/herds/app%2FDb/clear?", undefined],
        ["PATCH", "/herds/app%2FDb?target=2&x", "target"]
      ] as const) {
        const answer = yield* ask(method, path, method === "PATCH" ? {} : undefined)
        if (field === undefined) assert.strictEqual(answer.status, 200, path)
        else assert.deepStrictEqual([answer.status, answer.json["field"]], [400, field], path)
      }
      const { paused, state, workers } = yield* one.stats
      assert.deepStrictEqual([paused, state, workers.target], [false, "running", before.workers.target])
    }).pipe(alone)
  )

  it.live("a name in a query that nobody reads is refused by that name, wherever it is", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { ask } = yield* serve()
      const db = "/herds/app%2FDb"
      const { paths } = (yield* ask("GET", "/openapi.json")).json as {
        readonly paths: Record<string, { readonly get?: object }>
      }
      const health = ["/health/live", "/health/ready"]
      const declared = Object.keys(paths).filter(
        (path) => paths[path]?.get !== undefined && !health.includes(path)
      )
      assert.isAbove(declared.length, 15)
      declared.push("/metrics", "/openapi.json", "/docs", "/dashboard", "/dashboard/app.js")
      for (const path of declared)
        for (const name of ["From", "__proto__", "a b"]) {
          const answer = yield* ask(
            "GET",
            `${path.replaceAll(/\{\w+\}/g, "app%2FDb")}?${encodeURIComponent(name)}=abc`
          )
          const { _tag, field, message } = answer.json
          assert.deepStrictEqual([answer.status, _tag, field], [400, "BadRequest", name], path)
          assert.match(String(message), new RegExp(`^${name} must be .*left away`), path)
        }
      // Whoever asks for them restarts the process for a 400, and may add something against caches.
      for (const path of health) assert.strictEqual((yield* ask("GET", `${path}?y=1`)).status, 200, path)
      // Beside names that are read, without a value, and by whoever asks for the head alone.
      const second = yield* ask("GET", `${db}/tasks?limit=2&limits=3`)
      assert.deepStrictEqual([second.status, second.json["field"]], [400, "limits"])
      assert.include(second.json["message"], "limits must be one of status, offset, limit, or left away")
      for (const [method, query] of [
        ["GET", "?y"],
        ["GET", "?=1"],
        ["HEAD", "?y=1"]
      ] as const)
        assert.strictEqual((yield* ask(method, `${db}${query}`)).status, 400, query)
      for (const good of [`${db}?`, `${db}/tasks?limit=2&offset=0`, `${db}/keys?top=1`])
        assert.strictEqual((yield* ask("GET", good)).status, 200, good)
    }).pipe(alone)
  )

  it.live("a herd of any name is listed, shown by that name, and ready", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const names = [
        ...new Set([
          "__proto__",
          "constructor",
          "toString",
          ".",
          "..",
          " ",
          "a/b",
          "q\"uote'",
          "new\nline",
          "per%2Fcent",
          "a?b#c",
          "<img src=x>",
          "ünïcode ☃",
          "x".repeat(300),
          ...Array.from({ length: 25 }, makeOdd(18, []).text)
        ])
      ]
      for (const id of names) yield* herd(class X extends Herd.Service<X>()(id, { sheds: true }) {})
      const ready = yield* server.ask("GET", "/health/ready")
      assert.strictEqual(ready.status, 200)
      assert.sameMembers(Object.keys(ready.json["herds"] as object), names)
      for (const id of names) {
        // Clients themselves take these for steps of a path.
        if (id === "." || id === "..") continue
        const shown = yield* server.ask("GET", `/herds/${encodeURIComponent(id)}`)
        assert.deepStrictEqual([shown.status, shown.json["herd"]], [200, id], JSON.stringify(id))
      }
    }).pipe(alone)
  )
})
