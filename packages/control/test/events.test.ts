import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope } from "effect"
import { createConnection } from "node:net"
import * as EventLog from "../src/frames/EventLog.ts"
import { Frame } from "../src/index.ts"
import { alone, Db, herd, Mail, serve, until } from "./support/control.ts"

interface Sent {
  readonly id: string | undefined
  readonly event: string
  readonly data: Record<string, unknown>
}

/** Reads server-sent events until the scope closes. */
const listen = (
  url: string,
  headers: Record<string, string> = {}
): Effect.Effect<{ readonly sent: Array<Sent>; readonly ended: () => boolean }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const abort = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const sent: Array<Sent> = []
    let ended = false
    const response = yield* Effect.promise(() => fetch(url, { headers, signal: abort.signal }))
    assert.strictEqual(response.status, 200)
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/)
    const read = async () => {
      let text = ""
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true })
        const blocks = text.split("\n\n")
        text = blocks.pop() ?? ""
        for (const block of blocks) {
          const lines = block.split("\n").filter((line) => !line.startsWith(":"))
          const field = (name: string) =>
            lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
          const data = field("data")
          if (data !== undefined)
            sent.push({ id: field("id"), event: field("event") ?? "", data: JSON.parse(data) })
        }
      }
    }
    read().then(
      () => (ended = true),
      () => (ended = true)
    )
    return { sent, ended: () => ended }
  })

const count = (sent: ReadonlyArray<Sent>, event: string) => sent.filter((one) => one.event === event).length

describe("GET /herds/:id/events", () => {
  it.live("sends what happens, in order and numbered, to each reader", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve()
      const first = yield* listen(`${url}/herds/app%2FDb/events`)
      const second = yield* listen(`${url}/herds/app%2FDb/events`)
      yield* one.run(Effect.void, { label: "first" })
      yield* Effect.exit(one.run(Effect.die(new Error("secret")), { label: "second" }))
      for (const { sent } of [first, second]) {
        yield* until(() => Effect.sync(() => count(sent, "TaskFinished") === 2))
        assert.deepStrictEqual(
          sent.map(({ event }) => event),
          ["TaskAccepted", "TaskStarted", "TaskFinished", "TaskAccepted", "TaskStarted", "TaskFinished"]
        )
        const numbers = sent.map(({ id }) => Number(id?.split("-")[1]))
        assert.deepStrictEqual(numbers, [0, 1, 2, 3, 4, 5])
        assert.deepInclude(sent[2]?.data, { herd: "app/Db", label: "first", outcome: "succeeded" })
        assert.notInclude(JSON.stringify(sent), "secret")
      }
    }).pipe(alone)
  )

  it.live("a reader that comes back goes on where it was, without a gap", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve()
      const events = `${url}/herds/app%2FDb/events`
      const last = yield* Effect.scoped(
        Effect.gen(function* () {
          const { sent } = yield* listen(events)
          yield* one.run(Effect.void)
          yield* until(() => Effect.sync(() => sent.length === 3))
          return sent[1]?.id ?? ""
        })
      )
      yield* one.run(Effect.void)
      const { sent } = yield* listen(events, { "last-event-id": last })
      yield* until(() => Effect.sync(() => sent.length >= 4))
      assert.deepStrictEqual(
        sent.map(({ event }) => event),
        ["TaskFinished", "TaskAccepted", "TaskStarted", "TaskFinished"]
      )
    }).pipe(alone)
  )

  it.live(
    "one that was away for too long is told how much it missed, and of another process that it does not know",
    () =>
      Effect.gen(function* () {
        const one = yield* herd(Db)
        const { url } = yield* serve({ eventBuffer: 16 })
        const events = `${url}/herds/app%2FDb/events`
        const keeper = yield* listen(events)
        yield* one.run(Effect.void)
        yield* until(() => Effect.sync(() => keeper.sent.length === 3))
        const last = keeper.sent[2]?.id ?? ""
        for (let n = 0; n < 10; n++) yield* one.run(Effect.void)
        const late = yield* listen(events, { "last-event-id": last })
        yield* until(() => Effect.sync(() => late.sent.length === 17))
        assert.deepInclude(late.sent[0], { event: "Missed" })
        assert.strictEqual(late.sent[0]?.data["events"], 14)
        for (const id of ["other-3", "nonsense", last.replace(/\d+$/, "999")]) {
          const stranger = yield* listen(events, { "last-event-id": id })
          yield* until(() => Effect.sync(() => stranger.sent.length === 17))
          assert.deepInclude(stranger.sent[0]?.data, { _tag: "Missed", events: null }, id)
        }
      }).pipe(alone)
  )

  it.live("a reader that does not read slows nobody, and costs a bounded amount of memory", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db)
      const { url } = yield* serve()
      const socket = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createConnection>>((resume) => {
          const made = createConnection(Number(new URL(url).port), "127.0.0.1", () => {
            made.write("GET /herds/app%2FDb/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            made.once("data", () => {
              made.pause()
              resume(Effect.succeed(made))
            })
          })
        }),
        (made) => Effect.sync(() => made.destroy())
      )
      assert.isTrue(socket.isPaused())
      // Twenty times what any buffer on the way holds.
      const note = "x".repeat(1000)
      for (let n = 0; n < 400; n++) {
        yield* one.runAll(
          Array.from({ length: 100 }, () => Effect.void),
          { label: note }
        )
      }
      assert.strictEqual((yield* one.stats).tasks.succeeded, 40_000)
      let text = ""
      socket.on("data", (data) => (text += String(data)))
      socket.resume()
      // It may be told more than once: the herd lets others have their turns.
      const missed = () =>
        [...text.matchAll(/"_tag":"Missed".*?"events":(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0)
      yield* until(() => Effect.sync(() => missed() > 10_000))
    }).pipe(alone)
  )

  it.live("ends with its herd, and a herd that takes its name is read anew", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const events = `${url}/herds/app%2FMail/events`
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(herd(Mail), scope)
      const first = yield* listen(events)
      yield* one.run(Effect.void)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => Effect.sync(first.ended))
      assert.deepInclude(first.sent.at(-1)?.data, { _tag: "StateChanged", state: "closed" })
      const next = yield* herd(Mail)
      const second = yield* listen(events)
      yield* next.run(Effect.void)
      yield* until(() => Effect.sync(() => second.sent.length === 3))
      assert.notStrictEqual(second.sent[0]?.id, first.sent[0]?.id)
    }).pipe(alone)
  )

  it.live("an open stream does not hold up the end of the server", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const scope = yield* Scope.make()
      const { url } = yield* Scope.provide(serve(), scope)
      const events = yield* listen(`${url}/herds/app%2FDb/events`)
      const frames = yield* listen(`${url}/frames?rate=0.1`)
      yield* Effect.timeout(Scope.close(scope, Exit.void), "1 second")
      yield* until(() => Effect.sync(() => events.ended() && frames.ended()))
    }).pipe(alone)
  )
})

describe("GET /frames", () => {
  it.live("sends everything first, then what is new, and no more than asked for", () =>
    Effect.gen(function* () {
      const one = yield* herd(Db, { workers: { max: 2 } })
      yield* Effect.exit(one.run(Effect.fail("x"), { label: "bad" }))
      yield* one.submit(Effect.never, { label: "long" })
      yield* one.resize(1)
      const { url } = yield* serve()
      const { sent } = yield* listen(`${url}/frames?rate=10&herd=app%2FDb`)
      yield* until(() => Effect.sync(() => sent.length === 3))
      const frames = yield* Effect.forEach(sent, ({ data }) => Schema.decodeUnknownEffect(Frame)(data))
      assert.deepStrictEqual(
        frames.map(({ first }) => first),
        [true, false, false]
      )
      assert.deepStrictEqual(frames[0]?.herdIds, ["app/Db"])
      assert.deepInclude(frames[0]?.herds[0], { id: "app/Db", state: "running", busy: 1, max: 2 })
      assert.isUndefined(frames[1]?.herdIds)
      const opened = frames.map(({ open }) => open)
      assert.deepInclude(opened[0]?.stats, { herd: "app/Db", state: "running" })
      assert.strictEqual(opened[0]?.running[0]?.label, "long")
      assert.strictEqual(opened[0]?.failures[0]?.label, "bad")
      assert.isUndefined(opened[0]?.failures[0]?.error)
      assert.isAtLeast(opened[0]?.points.at.length ?? 0, 1)
      assert.strictEqual(opened[0]?.decisions.at(-1)?.to, 1)
      assert.deepStrictEqual(opened[1]?.decisions, [])
      assert.deepStrictEqual(opened[1]?.failures, [])
      assert.isAtMost(opened[1]?.points.at.length ?? 2, 1)
      // Nothing is sent again that has not changed, and nothing of what is not open.
      const idle = yield* listen(`${url}/frames?rate=10`)
      yield* until(() => Effect.sync(() => idle.sent.length === 3))
      const quiet = idle.sent.map(({ data }) => data as typeof Frame.Type)
      assert.isTrue(quiet.every(({ open }) => open === undefined))
      assert.isTrue(quiet.slice(1).some(({ herds }) => herds.length === 0))
      const before = sent.length
      yield* one.resize(2)
      yield* until(() => Effect.sync(() => sent.length === before + 2))
      const later = sent
        .slice(before)
        .flatMap(({ data }) => (data as typeof Frame.Type).open?.decisions ?? [])
      assert.deepStrictEqual(
        later.map(({ from, to }) => [from, to]),
        [[1, 2]]
      )
      const [first, last] = [frames[0]?.at ?? 0, frames[2]?.at ?? 0]
      // On the beat, so that the first wait is shorter.
      assert.isAtLeast(last - first, 90)
      for (const rate of ["0", "11", "x"]) {
        const { status } = yield* Effect.promise(() => fetch(`${url}/frames?rate=${rate}`))
        assert.strictEqual(status, 400, rate)
      }
    }).pipe(alone)
  )
})

describe("EventLog", () => {
  it.effect("keeps the last ones and knows their numbers", () =>
    Effect.gen(function* () {
      const log = EventLog.make("epoch", 4)
      const event = (at: number) => ({ _tag: "Paused", herd: "x", at }) as const
      yield* Effect.forEach(
        Array.from({ length: 10 }, (_, at) => event(at)),
        (one) => Effect.sync(() => log.add(one))
      )
      assert.deepStrictEqual([log.oldest(), log.next()], [6, 10])
      for (let n = 6; n < 10; n++) assert.strictEqual(log.get(n).at, n)
      assert.isFalse(log.ended())
      log.add({ _tag: "StateChanged", herd: "x", at: 10, state: "closed" })
      assert.isTrue(log.ended())
      yield* log.until(99)
    })
  )
})
