import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { connect } from "node:net"
import { type Head, refusal } from "../src/access/Access.ts"
import * as Guesses from "../src/access/Guesses.ts"
import { Control, type ControlRoutes } from "../src/index.ts"
import { decode } from "../src/model/Settings.ts"
import { alone, Db, herd, serve } from "./support/control.ts"

const secret = "correct-horse-battery"
const get = (headers: Record<string, string>, remoteAddress: string | undefined = "127.0.0.1"): Head => ({
  method: "GET",
  headers: { host: "127.0.0.1:2112", ...headers },
  remoteAddress
})
const patch = (headers: Record<string, string>): Head => ({ ...get(headers), method: "PATCH" })

describe("refusal", () => {
  const reason = (
    options: ControlRoutes.RoutesOptions,
    head: Head,
    guard: "guarded" | "open" | "live" = "guarded"
  ) =>
    Effect.map(decode(options, true), (settings) => {
      const refused = refusal(settings, guard, head)
      return refused?._tag === "Forbidden" ? refused.reason : refused?._tag
    })

  it.effect("without a token, answers this machine under its own names and nobody else", () =>
    Effect.gen(function* () {
      for (const host of ["localhost", "LOCALHOST:2112", "127.0.0.1", "127.0.0.2:80", "[::1]:9"])
        assert.isUndefined(yield* reason({}, get({ host })), host)
      for (const host of ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::2]"])
        assert.strictEqual(yield* reason({}, get({ host })), "host", host)
      for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
        assert.isUndefined(yield* reason({}, get({}, address)), address)
      for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "128.0.0.1"])
        assert.strictEqual(yield* reason({}, get({}, address)), "address", address)
      assert.strictEqual(yield* reason({}, { ...get({}), remoteAddress: undefined }), "address")
      const proxied = { allowedHosts: ["ops.example"] }
      assert.isUndefined(yield* reason(proxied, get({ host: "Ops.Example:443" })))
      assert.strictEqual(yield* reason(proxied, get({ host: "localhost" })), "host")
    })
  )

  it.effect("without a token, answers no proxy, whatever name it gives, unless it was told to", () =>
    Effect.gen(function* () {
      for (const header of ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-proto"]) {
        const proxied = get({ host: "localhost", [header]: "127.0.0.1" })
        assert.strictEqual(yield* reason({}, proxied), "address", header)
        assert.isUndefined(yield* reason({ withoutToken: "anyone" }, proxied), header)
      }
      const anyone = { withoutToken: "anyone" } as const
      assert.isUndefined(yield* reason(anyone, { ...get({ host: "app.example" }), remoteAddress: undefined }))
    })
  )

  it.effect("a token of readers shows everything and changes nothing; of several tokens each is right", () =>
    Effect.gen(function* () {
      const [old, fresh, reader] = ["a".repeat(16), "b".repeat(40), "c".repeat(16)]
      const options = { token: [old, Redacted.make(fresh)], readToken: reader }
      const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
      for (const token of [old, fresh]) assert.isUndefined(yield* reason(options, patch(bearer(token))))
      assert.isUndefined(yield* reason(options, get(bearer(reader))))
      assert.strictEqual(yield* reason(options, patch(bearer(reader))), "role")
      const both = { token: reader, readToken: reader }
      assert.isUndefined(yield* reason(both, patch(bearer(reader))))
      const readers = { readToken: reader }
      assert.strictEqual(yield* reason(readers, patch(bearer(reader))), "role")
      assert.strictEqual(yield* reason(readers, get({})), "Unauthorized")
    })
  )

  it.effect("with a token, asks for it, as a bearer's or as a password", () =>
    Effect.gen(function* () {
      const options = { token: Redacted.make(secret) }
      const from = (authorization: string) =>
        reason(options, get({ host: "anything", authorization }, "10.0.0.1"))
      assert.isUndefined(yield* from(`Bearer ${secret}`))
      assert.isUndefined(yield* from(`bearer  ${secret}`))
      assert.isUndefined(yield* from(`Basic ${btoa(`anybody:${secret}`)}`))
      for (const wrong of [
        "",
        secret,
        "Bearer",
        `Bearer ${secret}x`,
        `Bearer ${secret.slice(1)}`,
        `Bearer ${secret} x`,
        "Basic !!!",
        `Basic ${btoa(secret + "x")}`,
        `Digest ${secret}`
      ])
        assert.strictEqual(yield* from(wrong), "Unauthorized", wrong)
      assert.strictEqual(yield* reason(options, get({})), "Unauthorized")
      assert.isUndefined(yield* reason(options, get({}), "open"))
      assert.isUndefined(yield* reason(options, get({ host: "evil" }, "10.0.0.1"), "live"))
    })
  )

  it.effect.prop("no other text is the token", { text: Schema.String }, ({ text }) =>
    Effect.gen(function* () {
      const refused = yield* reason({ token: secret }, get({ authorization: `Bearer ${text}` }))
      assert.strictEqual(refused, text.trim() === secret ? undefined : "Unauthorized")
    })
  )

  it.effect("refuses changes that a page of another origin asks for", () =>
    Effect.gen(function* () {
      const host = "localhost:2112"
      for (const headers of [
        {},
        { origin: "http://localhost:2112" },
        { "sec-fetch-site": "same-origin" },
        { "sec-fetch-site": "none" }
      ])
        assert.isUndefined(yield* reason({}, patch({ host, ...headers })), JSON.stringify(headers))
      for (const headers of [
        { origin: "http://evil.example" },
        { origin: "http://localhost:2113" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site", origin: "http://localhost:2112" }
      ])
        for (const head of [patch({ host, ...headers }), get({ host, ...headers })])
          assert.strictEqual(yield* reason({}, head), "origin", JSON.stringify([head.method, headers]))
      const link = { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }
      assert.isUndefined(yield* reason({}, get({ ...link, "sec-fetch-dest": "document" })))
      assert.strictEqual(yield* reason({}, get({ ...link, "sec-fetch-dest": "iframe" })), "origin")
      assert.strictEqual(yield* reason({}, patch({ ...link, "sec-fetch-dest": "document" })), "origin")
    })
  )

  it.effect("behind a proxy with a name of its own: says what to set, and takes it", () =>
    Effect.gen(function* () {
      const options = { token: secret }
      const authorization = `Bearer ${secret}`
      const head = patch({ host: "backend:2112", origin: "https://ops.example", authorization })
      const refused = refusal(yield* decode(options, true), "guarded", head)
      assert.match(refused?.message ?? "", /"https:\/\/ops\.example" to the allowedOrigins option/)
      assert.isUndefined(yield* reason({ ...options, allowedOrigins: ["https://ops.example"] }, head))
    })
  )

  it("guesses of a token are counted by network, and forgotten after a minute", () => {
    const guesses = Guesses.make(3)
    for (let n = 0; n < 3; n++) {
      assert.strictEqual(guesses.wait("10.0.0.1", n), 0)
      guesses.wrong("10.0.0.1", n)
      guesses.wrong(`2001:db8:0:1::${n}`, 0)
    }
    assert.strictEqual(guesses.wait("10.0.0.1", 30_000), 30)
    assert.strictEqual(guesses.wait("10.0.0.2", 30_000), 0)
    assert.strictEqual(guesses.wait("2001:db8:0:1:ffff::9", 0), 60)
    assert.strictEqual(guesses.wait("2001:db8:0:2::1", 0), 0)
    assert.strictEqual(guesses.wait("10.0.0.1", 60_000), 0)
    for (let n = 0; n < 10_000; n++) guesses.wrong(`10.1.${n >> 8}.${n & 255}`, 0)
    assert.strictEqual(guesses.wait("10.1.0.0", 1), 0)
  })

  it.effect("read-only: everything can be seen and nothing changed", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* reason({ readOnly: true }, get({})))
      assert.strictEqual(yield* reason({ readOnly: true }, patch({})), "readOnly")
    })
  )
})

describe("options", () => {
  it.effect("are refused with their name and rule, and without the token in the text", () =>
    Effect.gen(function* () {
      const options: ReadonlyArray<readonly [Control.ControlOptions, string]> = [
        [{ host: "0.0.0.0" }, "host"],
        [{ host: "10.1.2.3" }, "host"],
        [{ port: -1 }, "port"],
        [{ port: 70_000 }, "port"],
        [{ port: 0, token: "short" }, "token"],
        [{ port: 0, token: "with space in the token" }, "token"],
        [{ port: 0, token: "fifteen-letters" }, "token"],
        [{ port: 0, token: [secret, "short"] }, "token"],
        [{ port: 0, readToken: "short" }, "readToken"],
        [{ port: 0, allowedOrigins: ["https://ops.example/"] }, "allowedOrigins"],
        [{ port: 0, withoutToken: "all" as "anyone" }, "withoutToken"],
        [{ port: 0, guessesPerMinute: 0 }, "guessesPerMinute"],
        [{ port: 0, maxConnections: 0 }, "maxConnections"],
        [{ port: 0, maxReaders: 0 }, "maxReaders"],
        [{ port: 0, maxWorkers: 0 }, "maxWorkers"],
        [{ port: 0, prefix: "/ends/" }, "prefix"],
        [{ port: 0, maxBodyBytes: 0 }, "maxBodyBytes"],
        [{ port: 0, eventBuffer: 1.5 }, "eventBuffer"]
      ]
      for (const [option, field] of options) {
        const error = yield* Effect.flip(Layer.build(Control.layer(option)))
        assert.strictEqual(error._tag, "InvalidConfig", field)
        if (error._tag !== "InvalidConfig") continue
        assert.strictEqual(error.field, field)
        assert.notInclude(error.message, option.token === undefined ? "\0" : "short")
      }
    })
  )

  it.effect("routes of an application answer nobody unless it was said who may call", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode({ prefix: "/lemmings" }))
      assert.strictEqual(error.field, "withoutToken")
      for (const options of [{ token: secret }, { readToken: secret }, { withoutToken: "local" as const }])
        yield* decode(options)
    })
  )

  it.live("a port that is taken is a typed error", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const error = yield* Effect.flip(Layer.build(Control.layer({ port: Number(new URL(url).port) })))
      assert.strictEqual(error._tag, "ServeError")
    }).pipe(alone)
  )
})

describe("a server with a token", () => {
  const guarded = [
    ["GET", "/"],
    ["GET", "/herd"],
    ["PATCH", "/herd"],
    ["GET", "/herds"],
    ["GET", "/herds/app%2FDb/events"],
    ["POST", "/herds/app%2FDb/drain"],
    ["GET", "/frames"],
    ["GET", "/metrics"],
    ["GET", "/docs"],
    ["GET", "/openapi.json"],
    ["GET", "/dashboard"],
    ["GET", "/dashboard/app.js"],
    ["GET", "/health/ready"],
    ["GET", "/nothing"],
    ["PUT", "/herds"]
  ] as const

  it.live("asks for it on every path but liveness, at any address", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { ask } = yield* serve({ host: "0.0.0.0", token: secret })
      for (const [method, path] of guarded) {
        const refused = yield* ask(method, path)
        assert.strictEqual(refused.status, 401, path)
        assert.match(refused.headers.get("www-authenticate") ?? "", /Bearer/)
        assert.deepInclude(refused.json, { _tag: "Unauthorized" })
      }
      assert.strictEqual((yield* one.stats).state, "running")
      assert.strictEqual((yield* ask("GET", "/health/live")).status, 200)
      const shown = yield* ask("GET", "/herds", undefined, { authorization: `Bearer ${secret}` })
      assert.strictEqual(shown.status, 200)
    }).pipe(alone)
  )

  it.live("looks at no more tokens of an address that has guessed too often", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { ask } = yield* serve({ token: secret, guessesPerMinute: 2 })
      const show = (token: string) => ask("GET", "/herds", undefined, { authorization: `Bearer ${token}` })
      assert.strictEqual((yield* show(secret)).status, 200)
      for (let n = 0; n < 2; n++) assert.strictEqual((yield* show(`guess-${n}`)).status, 401)
      for (const token of ["guess", secret]) {
        const refused = yield* show(token)
        assert.deepStrictEqual([refused.status, refused.json["_tag"]], [429, "TooManyGuesses"])
        assert.isAtLeast(Number(refused.headers.get("retry-after")), 1)
      }
      assert.strictEqual((yield* ask("GET", "/herds")).status, 401)
      assert.strictEqual((yield* ask("GET", "/health/live")).status, 200)
    }).pipe(alone)
  )

  it.live("leaves open what it is told to", () =>
    Effect.gen(function* () {
      const { ask } = yield* serve({ token: secret, open: ["metrics", "docs"] })
      for (const path of ["/metrics", "/docs", "/openapi.json"])
        assert.strictEqual((yield* ask("GET", path)).status, 200, path)
      assert.strictEqual((yield* ask("GET", "/herds")).status, 401)
    }).pipe(alone)
  )

  it.live("a name that was rebound to this machine is refused", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { url } = yield* serve()
      const port = Number(new URL(url).port)
      const head = yield* Effect.callback<string>((resume) => {
        const socket = connect(port, "127.0.0.1", () => {
          socket.write("GET /herds HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        })
        let text = ""
        socket.on("data", (data) => (text += String(data)))
        socket.on("close", () => resume(Effect.succeed(text)))
      })
      assert.match(head, /^HTTP\/1.1 403/)
      assert.include(head, `"reason":"host"`)
      assert.notInclude(head, "app/Db")
    }).pipe(alone)
  )

  it.live("read-only servers show and do not change", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { ask } = yield* serve({ readOnly: true })
      assert.strictEqual((yield* ask("GET", "/herds")).status, 200)
      for (const [method, path] of [
        ["PATCH", "/herd"],
        ["PATCH", "/herds/app%2FDb"],
        ["POST", "/herds/app%2FDb/clear"],
        ["DELETE", "/herds/app%2FDb/tasks/1"]
      ] as const) {
        const refused = yield* ask(method, path, { target: 1, num: 1 })
        assert.deepStrictEqual([refused.status, refused.json["reason"]], [403, "readOnly"], path)
      }
      assert.strictEqual(yield* one.target, 4)
    }).pipe(alone)
  )
})
