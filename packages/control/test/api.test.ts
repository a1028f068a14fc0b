import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { HerdRegistry } from "lemmings"
import { ControlClient } from "../src/index.ts"
import { alone, Db, herd, Mail, serve, until } from "./support/control.ts"

const db = "/herds/app%2FDb"

describe("gofherd's calls", () => {
  it.live("show and set the size of the only herd, in gofherd's words", () =>
    Effect.gen(function* () {
      const only = yield* herd(Db, { workers: { min: 0, max: 16, initial: 3 } })
      const { ask } = yield* serve()
      const shown = yield* ask("GET", "/herd")
      assert.strictEqual(shown.text, `{"num":3,"msg":"success"}`)
      assert.strictEqual(shown.headers.get("content-type"), "application/json")
      // As curl sends it: a form, by its content type.
      const form = { "content-type": "application/x-www-form-urlencoded" }
      const set = yield* ask("PATCH", "/herd", `{"num": 10}`, form)
      assert.deepStrictEqual([set.status, set.text], [200, `{"num":10,"msg":"success"}`])
      assert.strictEqual(yield* only.target, 10)
      assert.strictEqual(
        (yield* ask("PATCH", "/herd", { num: 10 })).text,
        `{"num":10,"msg":"Herd size already 10"}`
      )
      const negative = yield* ask("PATCH", "/herd", { num: -1 })
      assert.deepStrictEqual(
        [negative.status, negative.text],
        [400, `{"num":10,"msg":"Herd size cannot be negative"}`]
      )
      for (const body of ["", "{", `{"num":"x"}`, `{"num":1.5}`, `{}`, `[]`, `{"num":17}`]) {
        const bad = yield* ask("PATCH", "/herd", body)
        assert.strictEqual(bad.status, 400, body)
        assert.strictEqual(bad.json["num"], 10, body)
        assert.match(String(bad.json["msg"]), /must be/, body)
      }
      assert.strictEqual(yield* only.target, 10)
      assert.strictEqual((yield* ask("PUT", "/herd", { num: 1 })).status, 405)
      assert.strictEqual((yield* ask("PATCH", "/herd", { num: 0 })).status, 200)
      assert.strictEqual(yield* only.target, 0)
    }).pipe(alone)
  )

  it.live("of several herds they mean the chosen one, and otherwise none", () =>
    Effect.gen(function* () {
      const none = yield* serve()
      assert.strictEqual((yield* none.ask("GET", "/herd")).status, 404)
      yield* herd(Db)
      const mail = yield* herd(Mail)
      const open = yield* serve()
      const many = yield* open.ask("PATCH", "/herd", { num: 2 })
      assert.strictEqual(many.status, 400)
      assert.match(String(many.json["msg"]), /app\/Db, app\/Mail/)
      const { ask } = yield* serve({ herd: "app/Mail" })
      assert.strictEqual((yield* ask("PATCH", "/herd", { num: 2 })).status, 200)
      assert.strictEqual(yield* mail.target, 2)
    }).pipe(alone)
  )
})

describe("/herds", () => {
  it.live("lists every herd and shows each", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      yield* herd(Mail)
      const { ask } = yield* serve()
      const all = (yield* ask("GET", "/herds")).json["herds"] as ReadonlyArray<{ herd: string }>
      assert.deepStrictEqual(
        all.map((one) => one.herd),
        ["app/Db", "app/Mail"]
      )
      for (const path of [db, `${db}/stats`]) {
        const one = yield* ask("GET", path)
        assert.deepInclude(one.json, { herd: "app/Db", state: "running" })
      }
      assert.strictEqual((yield* ask("GET", `${db}/metrics.json`)).json["herd"], "app/Db")
      const unknown = yield* ask("GET", "/herds/nobody")
      assert.strictEqual(unknown.status, 404)
      assert.deepInclude(unknown.json, { _tag: "UnknownHerd", known: ["app/Db", "app/Mail"] })
    }).pipe(alone)
  )

  it.live("changes target, bounds and pause, all or nothing", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { ask } = yield* serve()
      const changed = yield* ask("PATCH", db, { target: 5, bounds: { min: 2, max: 6 }, paused: true })
      assert.strictEqual(changed.status, 200)
      assert.deepInclude(changed.json["workers"], { min: 2, max: 6, target: 5 })
      assert.isTrue((yield* one.stats).paused)
      const before = yield* one.stats
      const bad: ReadonlyArray<readonly [unknown, string]> = [
        [{ target: 7 }, "target"],
        [{ target: -1 }, "target"],
        [{ target: 1.5 }, "target"],
        [{ target: "many" }, "target"],
        [{ target: 3, bounds: { min: 1, max: 2 } }, "target"],
        [{ bounds: { min: 3, max: 2 }, paused: false }, "bounds.min"],
        [{ bounds: { min: 1, max: 1_000_000 } }, "bounds.max"],
        [{ bounds: 3 }, "bounds"],
        [{ target: 2, pause: true }, "pause"],
        [{ bounds: { min: 1, max: 2, mx: 3 } }, "bounds.mx"],
        [{ bounds: { min: 1 } }, "bounds.max"],
        [{ bounds: { min: -1, max: 2 } }, "bounds.min"],
        [{ paused: "no", target: 3 }, "paused"],
        [{}, "body"],
        [[], "body"],
        ["{", "body"]
      ]
      for (const [body, field] of bad) {
        const refused = yield* ask("PATCH", db, body)
        assert.strictEqual(refused.status, 400, JSON.stringify(body))
        assert.strictEqual(refused.json["_tag"], "BadRequest")
        assert.strictEqual(refused.json["field"], field, JSON.stringify(body))
        assert.isString(refused.json["rule"])
        assert.match(String(refused.json["message"]), /must be .*Nothing was changed/)
      }
      assert.deepStrictEqual((yield* one.stats).workers, before.workers)
      assert.isTrue((yield* one.stats).paused)
      assert.isFalse((yield* ask("PATCH", db, { paused: false })).json["paused"])
      assert.deepInclude((yield* ask("PATCH", db, { target: "auto" })).json["scaling"], { pinned: false })
    }).pipe(alone)
  )

  it.live("pauses, resumes and clears", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { ask } = yield* serve()
      assert.isTrue((yield* ask("POST", `${db}/pause`)).json["paused"])
      for (let n = 0; n < 3; n++) yield* one.submit(Effect.void)
      const cleared = yield* ask("POST", `${db}/clear`)
      assert.deepStrictEqual(cleared.json, { herd: "app/Db", shed: 3 })
      assert.isFalse((yield* ask("POST", `${db}/resume`)).json["paused"])
      yield* one.run(Effect.void)
    }).pipe(alone)
  )

  it.live("drains without waiting, and is not ready from then on", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const gate = yield* one.submit(Effect.never)
      const { ask } = yield* serve()
      assert.deepStrictEqual((yield* ask("GET", "/health/ready")).json, {
        ready: true,
        herds: { "app/Db": "running" }
      })
      const bad = yield* ask("POST", `${db}/drain`, { drain: "soon" })
      assert.deepInclude(bad.json, { _tag: "BadRequest", field: "drain" })
      assert.strictEqual((yield* one.stats).state, "running")
      const drained = yield* ask("POST", `${db}/drain`, { drain: "1 hour" })
      assert.strictEqual(drained.status, 202)
      assert.strictEqual((yield* one.stats).state, "draining")
      const ready = yield* ask("GET", "/health/ready")
      assert.strictEqual(ready.status, 503)
      assert.deepStrictEqual(ready.json, {
        ready: false,
        herds: { "app/Db": "draining" },
        why: ["app/Db is draining"]
      })
      assert.strictEqual((yield* ask("GET", "/health/live")).text, `{"live":true}`)
      yield* gate.interrupt
      yield* until(() => Effect.map(one.stats, ({ state }) => state === "closed"))
      const late = yield* ask("PATCH", db, { target: 1 })
      assert.strictEqual(late.status, 409)
      assert.deepInclude(late.json, { _tag: "Closed", state: "closed" })
    }).pipe(alone)
  )

  it.live(
    "a herd that is on its way out cannot be paused, and a drain with an impossible limit does not begin",
    () =>
      Effect.gen(function* () {
        const one = yield* herd(Db)
        const gate = yield* one.submit(Effect.never)
        const { ask } = yield* serve()
        const negative = yield* ask("POST", `${db}/drain`, { drain: "-5 seconds" })
        assert.strictEqual(negative.status, 400)
        assert.deepInclude(negative.json, { _tag: "BadRequest", field: "drain" })
        assert.strictEqual((yield* one.stats).state, "running")
        assert.strictEqual((yield* ask("POST", `${db}/drain`, { drain: "1 hour" })).status, 202)
        for (const [method, path, body] of [
          ["POST", `${db}/pause`, undefined],
          ["PATCH", db, { paused: true }]
        ] as const) {
          const refused = yield* ask(method, path, body)
          assert.deepInclude(refused.json, { _tag: "Closed", state: "draining" }, path)
          assert.strictEqual(refused.status, 409, path)
        }
        assert.isFalse((yield* one.stats).paused)
        yield* gate.interrupt
      }).pipe(alone)
  )

  it.live("is not ready from the signal on, before any herd drains", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const registry = yield* HerdRegistry.HerdRegistry
      const { ask } = yield* serve()
      assert.strictEqual((yield* ask("GET", "/health/ready")).status, 200)
      registry.stop()
      const ready = yield* ask("GET", "/health/ready")
      assert.strictEqual(ready.status, 503)
      assert.deepStrictEqual(ready.json, {
        ready: false,
        herds: { "app/Db": "running" },
        why: ["the process was told to stop"]
      })
      assert.strictEqual((yield* ask("GET", "/health/live")).status, 200)
    }).pipe(alone)
  )

  it.live("an empty body drains with the layer's limits", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      yield* one.submit(Effect.never)
      const { ask } = yield* serve()
      assert.strictEqual((yield* ask("POST", `${db}/drain`)).status, 202)
      yield* until(() => Effect.map(one.stats, ({ state }) => state === "closed"))
    }).pipe(alone)
  )

  it.live("shows pages of tasks, and interrupts one", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db, { workers: { max: 1 } })
      const running = yield* one.submit(Effect.never, { id: "a/b", label: "report", key: "k" })
      yield* one.submit(Effect.void, { priority: "high" })
      yield* one.submit(Effect.void)
      const { ask } = yield* serve()
      const page = (yield* ask("GET", `${db}/tasks?limit=2`)).json
      const tasks = page["tasks"] as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual([page["total"], tasks.length], [3, 2])
      assert.deepInclude(tasks[0], { id: "a/b", label: "report", key: "k", status: "running", attempt: 1 })
      assert.deepInclude(tasks[1], { priority: 10, status: "queued" })
      const queued = (yield* ask("GET", `${db}/tasks?status=queued&offset=1`)).json
      assert.deepStrictEqual((queued["tasks"] as Array<unknown>).length, 1)
      for (const [query, field] of [
        ["limit=0", "limit"],
        ["limit=x", "limit"],
        ["offset=-1", "offset"],
        ["status=dead", "status"]
      ]) {
        const refused = yield* ask("GET", `${db}/tasks?${query}`)
        assert.deepStrictEqual([refused.status, refused.json["field"]], [400, field])
      }
      assert.strictEqual((yield* ask("DELETE", `${db}/tasks/a%2Fb`)).status, 202)
      const exit = yield* running.await
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      const gone = yield* ask("DELETE", `${db}/tasks/a%2Fb`)
      assert.deepStrictEqual([gone.status, gone.json["_tag"]], [404, "UnknownTask"])
    }).pipe(alone)
  )

  it.live("shows errors only where they are exposed, and names as the hook leaves them", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      yield* Effect.exit(
        one.run(Effect.die(new Error("secret")), { label: "card 4000 1234", key: "tenant-7" })
      )
      const shut = yield* serve()
      const hidden = yield* shut.ask("GET", `${db}/failures`)
      assert.notInclude(hidden.text, "secret")
      assert.include(hidden.text, `"kind":"defect"`)
      const open = yield* serve({
        exposeErrors: true,
        redact: ({ label, ...names }) => ({ ...names, label: (label ?? "").replace(/\d/g, "*") })
      })
      const shown = yield* open.ask("GET", `${db}/failures`)
      assert.include(shown.text, "Error: secret")
      assert.include(shown.text, "card **** ****")
      assert.include(shown.text, "tenant-7")
      const broken = yield* serve({
        redact: () => {
          throw new Error("hook")
        }
      })
      const nothing = yield* broken.ask("GET", `${db}/failures`)
      assert.strictEqual(nothing.status, 200)
      assert.notInclude(nothing.text, "4000")
    }).pipe(alone)
  )

  it.live("the history has every decision with its reason", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { ask } = yield* serve()
      yield* ask("PATCH", db, { target: 2 })
      const { decisions } = (yield* ask("GET", `${db}/history`)).json as {
        decisions: ReadonlyArray<Record<string, unknown>>
      }
      assert.deepInclude(decisions.at(-1), { from: 4, to: 2, by: "resize", reason: "asked for" })
    }).pipe(alone)
  )
})

describe("every path", () => {
  it.live("answers other methods with 405 and what is allowed, and unknown paths with 404", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { ask } = yield* serve()
      for (const [method, path, allow] of [
        ["POST", "/herds", "GET, HEAD"],
        ["PUT", db, "GET, PATCH, HEAD"],
        ["GET", `${db}/drain`, "POST"],
        ["DELETE", "/metrics", "GET, HEAD"],
        ["POST", "/health/live", "GET, HEAD"],
        ["PATCH", "/dashboard", "GET, HEAD"]
      ] as const) {
        const refused = yield* ask(method, path)
        assert.strictEqual(refused.status, 405, `${method} ${path}`)
        assert.strictEqual(refused.headers.get("allow"), allow)
        assert.deepStrictEqual(refused.json["_tag"], "MethodNotAllowed")
      }
      for (const [method, path] of [
        ["GET", "/nothing"],
        ["POST", "/herds/a/b/c/d"],
        ["DELETE", "/%00"]
      ] as const) {
        const refused = yield* ask(method, path)
        assert.strictEqual(refused.status, 404, path)
        assert.strictEqual(refused.json["_tag"], "NotFound")
      }
      assert.strictEqual((yield* ask("HEAD", "/herds")).status, 200)
      assert.strictEqual((yield* ask("GET", "/")).headers.get("location"), "/dashboard")
    }).pipe(alone)
  )

  it.live("carries what keeps browsers from guessing, keeping and framing it", () =>
    Effect.gen(function* () {
      const { ask } = yield* serve()
      for (const path of ["/herds", "/nothing", "/metrics", "/dashboard", "/openapi.json"]) {
        const { headers } = yield* ask("GET", path)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
        assert.strictEqual(headers.get("cache-control"), "no-store", path)
        assert.strictEqual(headers.get("x-frame-options"), "DENY", path)
        assert.isNull(headers.get("access-control-allow-origin"), path)
      }
    }).pipe(alone)
  )

  it.live("limits bodies, whether or not their length is announced", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { ask, url } = yield* serve({ maxBodyBytes: 100 })
      const long = JSON.stringify({ target: 1, note: "x".repeat(200) })
      assert.deepInclude((yield* ask("PATCH", db, long)).json, { _tag: "BodyTooLarge", limitBytes: 100 })
      const chunked = yield* Effect.promise(async () => {
        const body = new Blob([long]).stream()
        const response = await fetch(`${url}${db}`, { method: "PATCH", body, duplex: "half" } as RequestInit)
        return [response.status, await response.json()] as const
      })
      assert.strictEqual(chunked[0], 413)
      assert.deepInclude(chunked[1], { _tag: "BodyTooLarge" })
      assert.strictEqual(yield* one.target, 4)
      const xml = yield* ask("PATCH", db, "<size/>", { "content-type": "text/xml" })
      assert.deepStrictEqual([xml.status, xml.json["_tag"]], [415, "NotJson"])
    }).pipe(alone)
  )

  it.live("a prefix stands before all of it", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { ask } = yield* serve({ prefix: "/ops/lemmings" })
      assert.strictEqual((yield* ask("GET", "/ops/lemmings/herd")).json["num"], 4)
      assert.strictEqual((yield* ask("GET", "/ops/lemmings/nothing")).status, 404)
      assert.strictEqual((yield* ask("POST", "/ops/lemmings/herd")).status, 405)
      assert.strictEqual((yield* ask("GET", "/herd")).status, 404)
      for (const path of ["/ops/lemmings", "/ops/lemmings/"]) {
        assert.strictEqual((yield* ask("GET", path)).headers.get("location"), "/ops/lemmings/dashboard")
      }
    }).pipe(alone)
  )
})

describe("what comes from the declaration", () => {
  it.live("the typed client asks, changes and gets typed errors", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve({ token: "a-long-secret-of-ops" })
      const client = yield* ControlClient.make({ url, token: "a-long-secret-of-ops" })
      const { herds } = yield* client.herds.list()
      assert.strictEqual(herds[0]?.herd, "app/Db")
      const changed = yield* client.herds.change({ params: { id: "app/Db" }, payload: { target: 2 } })
      assert.strictEqual(changed.workers.target, 2)
      yield* Effect.exit(one.run(Effect.fail("x")))
      const { failures } = yield* client.herds.failures({ params: { id: "app/Db" } })
      assert.strictEqual(failures[0]?.kind, "failure")
      const unknown = yield* Effect.flip(client.herds.get({ params: { id: "nobody" } }))
      assert.strictEqual(unknown._tag, "UnknownHerd")
      const bad = yield* Effect.flip(
        client.herds.change({ params: { id: "app/Db" }, payload: { target: 99 } })
      )
      assert.strictEqual(bad._tag, "BadRequest")
      const stranger = yield* ControlClient.make({ url, token: "another-secret-of-ops" })
      assert.strictEqual((yield* Effect.flip(stranger.herds.list()))._tag, "Unauthorized")
      const fiber = yield* Effect.forkChild(client.health.ready())
      assert.isTrue((yield* Fiber.join(fiber)).ready)
    }).pipe(Effect.provide(FetchHttpClient.layer), alone)
  )

  it.live("the typed client reads events and frames", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve()
      const client = yield* ControlClient.make({ url })
      const events = yield* client.herds.events({ params: { id: "app/Db" }, headers: {} })
      const reader = yield* Effect.forkChild(
        Stream.runHead(Stream.filter(events, ({ event }) => event === "TaskFinished"))
      )
      const failing = yield* Effect.forkChild(
        Effect.forever(Effect.delay(Effect.exit(one.run(Effect.fail("x"))), "5 millis"))
      )
      const first = yield* Fiber.join(reader)
      yield* Fiber.interrupt(failing)
      assert.deepInclude(Option.getOrThrow(first).data, { _tag: "TaskFinished", herd: "app/Db" })
      const frames = yield* client.dashboard.frames({ query: {} })
      const frame = Option.getOrThrow(yield* Stream.runHead(frames))
      assert.strictEqual(frame.data.herds[0]?.id, "app/Db")
    }).pipe(Effect.provide(FetchHttpClient.layer), alone)
  )

  it.live(
    "the OpenAPI document has every path, its errors and the token; the documents need no network",
    () =>
      Effect.gen(function* () {
        const { ask } = yield* serve()
        const { paths } = (yield* ask("GET", "/openapi.json")).json as {
          paths: Record<string, Record<string, { responses: object; security?: unknown }>>
        }
        assert.sameMembers(Object.keys(paths), [
          "/herd",
          "/herds",
          "/herds/{id}",
          "/herds/{id}/drain",
          "/herds/{id}/pause",
          "/herds/{id}/resume",
          "/herds/{id}/clear",
          "/herds/{id}/stats",
          "/herds/{id}/metrics.json",
          "/herds/{id}/history",
          "/herds/{id}/failures",
          "/herds/{id}/tasks",
          "/herds/{id}/tasks/{taskId}",
          "/herds/{id}/tasks/{taskId}/explain",
          "/herds/{id}/limits",
          "/herds/{id}/keys",
          "/herds/{id}/keys/{key}/hold",
          "/herds/{id}/events",
          "/queues",
          "/queues/{id}",
          "/queues/{id}/pause",
          "/queues/{id}/resume",
          "/queues/{id}/dead-letters",
          "/queues/{id}/dead-letters/{letterId}",
          "/queues/{id}/dead-letters/replay",
          "/queues/{id}/dead-letters/purge",
          "/queues/{id}/jobs/{jobId}",
          "/frames",
          "/problems",
          "/health/live",
          "/health/ready"
        ])
        const change = paths["/herds/{id}"]?.["patch"]
        assert.containsAllKeys(change?.responses, ["200", "400", "401", "403", "404", "409", "413", "415"])
        assert.deepStrictEqual(change?.security, [{ token: [] }])
        const docs = yield* ask("GET", "/docs")
        assert.strictEqual(docs.status, 200)
        assert.notMatch(docs.text, /<script|(src|href)="(https?:)?\/\//)
        assert.match(docs.headers.get("content-security-policy") ?? "", /^default-src 'none'/)
        for (const path of Object.keys(paths)) {
          if (path.includes("{")) continue
          assert.include(docs.text, `${path}<`, path)
        }
      }).pipe(alone)
  )
})
