import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { ControlClient } from "../src/index.ts"
import { alone, Db, herd, serve } from "./support/control.ts"
import { queue } from "./support/queue.ts"

const mails = "/queues/app%2FSendEmail"
const ids = (json: Record<string, unknown>) =>
  (json["letters"] as ReadonlyArray<{ readonly id: string }>).map(({ id }) => id)

describe("/queues", () => {
  it.live("lists every queue and shows each", () =>
    Effect.gen(function* () {
      yield* queue("app/SendEmail", 2)
      yield* queue("Charge", 0)
      const { ask } = yield* serve()
      const all = (yield* ask("GET", "/queues")).json["queues"] as ReadonlyArray<{ queue: string }>
      assert.deepStrictEqual(
        all.map((one) => one.queue),
        ["app/SendEmail", "Charge"]
      )
      const one = yield* ask("GET", mails)
      assert.deepStrictEqual(one.json, {
        queue: "app/SendEmail",
        store: "postgres",
        ready: true,
        since: 0,
        stats: {
          paused: false,
          waiting: 12_345,
          delayed: 3,
          running: 4,
          deadLetters: 2,
          oldestMillis: 61_000,
          lastMinute: { completed: 600, failed: 2, cancelled: 1, attempts: 640 }
        }
      })
      const none = yield* ask("GET", "/queues/nope")
      assert.strictEqual(none.status, 404)
      assert.deepInclude(none.json, { _tag: "UnknownQueue", known: ["app/SendEmail", "Charge"] })
    }).pipe(alone)
  )

  it.live("pauses, resumes, and says that it has", () =>
    Effect.gen(function* () {
      const fake = yield* queue("app/SendEmail", 0)
      const { ask } = yield* serve()
      const paused = yield* ask("POST", `${mails}/pause`)
      assert.deepInclude(paused.json["stats"] as object, { paused: true })
      const resumed = yield* ask("POST", `${mails}/resume`)
      assert.deepInclude(resumed.json["stats"] as object, { paused: false })
      assert.deepStrictEqual(
        fake.asked.filter((what) => what !== "stats"),
        ["pause", "resume"]
      )
    }).pipe(alone)
  )

  it.live("shows dead letters a page at a time, without what is not exposed", () =>
    Effect.gen(function* () {
      yield* queue("app/SendEmail", 5)
      const { ask } = yield* serve()
      const first = yield* ask("GET", `${mails}/dead-letters?limit=2`)
      assert.deepStrictEqual(ids(first.json), ["letter-1", "letter-2"])
      assert.strictEqual(first.json["next"], "letter-2")
      const last = yield* ask("GET", `${mails}/dead-letters?limit=3&after=letter-2`)
      assert.deepStrictEqual(ids(last.json), ["letter-3", "letter-4", "letter-5"])
      assert.notProperty(last.json, "next")
      assert.notMatch(first.text, /example.com|mailbox/)
      const one = yield* ask("GET", `${mails}/dead-letters/letter-3`)
      assert.deepStrictEqual(one.json, {
        id: "letter-3",
        jobId: "job-3",
        reason: "failed",
        attempts: 5,
        enqueuedAt: 3,
        diedAt: 1003
      })
      assert.strictEqual((yield* ask("GET", `${mails}/dead-letters/letter-9`)).status, 404)
      for (const limit of ["0", "1001", "1.5", "many"]) {
        const bad = yield* ask("GET", `${mails}/dead-letters?limit=${limit}`)
        assert.deepInclude(bad.json, { _tag: "BadRequest", field: "limit" }, limit)
      }
      const errors = yield* serve({ exposeErrors: true })
      const shown = yield* errors.ask("GET", `${mails}/dead-letters/letter-3`)
      assert.strictEqual(shown.json["error"], "no such mailbox 3")
      assert.notProperty(shown.json, "payload")
      const payloads = yield* serve({ exposePayloads: true })
      const read = yield* payloads.ask("GET", `${mails}/dead-letters/letter-3`)
      assert.deepStrictEqual(read.json["payload"], { to: "user3@example.com" })
      assert.notProperty(read.json, "error")
    }).pipe(alone)
  )

  it.live("replays and purges those that are named, or all where that is said, and nothing otherwise", () =>
    Effect.gen(function* () {
      const fake = yield* queue("app/SendEmail", 6)
      const { ask } = yield* serve()
      for (const body of [undefined, {}, { all: false }, { ids: "letter-1" }, { diedBefore: "now" }, []]) {
        for (const action of ["replay", "purge"]) {
          const bad = yield* ask("POST", `${mails}/dead-letters/${action}`, body)
          assert.strictEqual(bad.status, 400, JSON.stringify(body))
          assert.strictEqual(bad.json["_tag"], "BadRequest")
        }
      }
      assert.strictEqual(fake.letters.length, 6)
      const named = yield* ask("POST", `${mails}/dead-letters/replay`, { ids: ["letter-2", "letter-9"] })
      assert.deepStrictEqual(named.json, { queue: "app/SendEmail", replayed: 1 })
      const old = yield* ask("POST", `${mails}/dead-letters/purge`, { diedBefore: 1004 })
      assert.deepStrictEqual(old.json, { queue: "app/SendEmail", purged: 2 })
      assert.deepStrictEqual(
        fake.letters.map(({ id }) => id),
        ["letter-4", "letter-5", "letter-6"]
      )
      const all = yield* ask("POST", `${mails}/dead-letters/replay`, { all: true })
      assert.deepStrictEqual(all.json, { queue: "app/SendEmail", replayed: 3 })
    }).pipe(alone)
  )

  it.live("shows a job and cancels it", () =>
    Effect.gen(function* () {
      const fake = yield* queue("app/SendEmail", 0)
      const { ask } = yield* serve()
      const shown = yield* ask("GET", `${mails}/jobs/known`)
      assert.deepInclude(shown.json, { id: "known", state: "running", attempts: 2, reason: "failed" })
      assert.notInclude(shown.text, "secret")
      assert.strictEqual((yield* ask("DELETE", `${mails}/jobs/known`)).status, 202)
      for (const method of ["GET", "DELETE"]) {
        const none = yield* ask(method, `${mails}/jobs/other`)
        assert.deepStrictEqual([none.status, none.json["_tag"]], [404, "UnknownJob"])
      }
      assert.deepStrictEqual(fake.asked, ["job known", "cancel known", "job other", "cancel other"])
    }).pipe(alone)
  )

  it.live("a store that is away is seen, is not waited for, and does not hide the others", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const fake = yield* queue("app/SendEmail", 1)
      yield* queue("Charge", 0)
      const { ask } = yield* serve()
      const ready = yield* ask("GET", "/health/ready")
      assert.deepStrictEqual(ready.json["queues"], { "app/SendEmail": "ready", Charge: "ready" })
      fake.store = "away"
      const away = yield* ask("GET", "/health/ready")
      assert.strictEqual(away.status, 503)
      assert.deepStrictEqual(away.json["queues"], { "app/SendEmail": "unavailable", Charge: "ready" })
      const seen = yield* ask("GET", mails)
      assert.deepInclude(seen.json, { ready: false, stats: null })
      for (const [method, path, body] of [
        ["POST", "/pause", undefined],
        ["GET", "/dead-letters", undefined],
        ["POST", "/dead-letters/replay", { all: true }],
        ["GET", "/jobs/known", undefined],
        ["DELETE", "/jobs/known", undefined]
      ] as const) {
        const refused = yield* ask(method, `${mails}${path}`, body)
        assert.deepStrictEqual([refused.status, refused.json["_tag"]], [503, "QueueAway"], path)
      }
      fake.store = "silent"
      const all = (yield* ask("GET", "/queues")).json["queues"] as ReadonlyArray<{ ready: boolean }>
      assert.deepStrictEqual(
        all.map(({ ready }) => ready),
        [false, true]
      )
      assert.strictEqual(fake.letters.length, 1)
    }).pipe(alone)
  )

  it.live("where the API is read-only, queues can be looked at alone", () =>
    Effect.gen(function* () {
      const fake = yield* queue("app/SendEmail", 1)
      const { ask } = yield* serve({ readOnly: true })
      assert.strictEqual((yield* ask("GET", `${mails}/dead-letters`)).status, 200)
      for (const [method, path] of [
        ["POST", "/pause"],
        ["POST", "/dead-letters/purge"],
        ["DELETE", "/jobs/known"]
      ] as const) {
        const body = method === "POST" ? { all: true } : undefined
        assert.strictEqual((yield* ask(method, `${mails}${path}`, body)).status, 403, path)
      }
      assert.strictEqual(fake.letters.length, 1)
    }).pipe(alone)
  )

  it.live("the typed client does the same", () =>
    Effect.gen(function* () {
      yield* queue("app/SendEmail", 3)
      const { url } = yield* serve()
      const client = yield* ControlClient.make({ url })
      const params = { id: "app/SendEmail" }
      const { letters } = yield* client.queues.deadLetters({ params, query: {} })
      assert.strictEqual(letters.length, 3)
      const { replayed } = yield* client.queues.replay({ params, payload: { ids: ["letter-1"] } })
      assert.strictEqual(replayed, 1)
      const gone = yield* Effect.flip(client.queues.job({ params: { ...params, jobId: "x" } }))
      assert.strictEqual(gone._tag, "UnknownJob")
    }).pipe(Effect.provide(FetchHttpClient.layer), alone)
  )
})
