/** A herd of three workers in seventeen busy seconds: priorities, a timeout, a retry, a broken resource, a resize. */
import { Context, Effect, Fiber, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Herd, type HerdEvent } from "lemmings"

class Connection extends Context.Service<Connection, { readonly worker: number }>()("picture/Connection") {}

class Herders extends Herd.Service<Herders>()("picture/Herders", { resource: Connection }) {
  static readonly live = this.layer({
    onCreate: ({ workerId }) => Effect.delay(Effect.succeed({ worker: workerId }), "800 millis"),
    checkHealth: (cause) =>
      !cause.reasons.some((reason) => reason._tag === "Fail" && reason.error === "connection lost"),
    workers: { min: 2, max: 5, initial: 3 },
    // The scene resizes it by hand.
    scaling: "fixed",
    queue: { ageing: "10 seconds" }
  })
}

const broken = Effect.gen(function* () {
  const { worker } = yield* Connection
  yield* Effect.sleep("1500 millis")
  return yield* worker === 3 ? Effect.fail("connection lost") : Effect.void
})

/** What happened, in order. The same on every run. */
export const scene: Effect.Effect<ReadonlyArray<HerdEvent>> = Effect.gen(function* () {
  const herd = yield* Herders
  const collected: Array<HerdEvent> = []
  const reader = Stream.runForEach(herd.events, (event) => Effect.sync(() => collected.push(event)))
  const fiber = yield* Effect.forkChild(reader, { startImmediately: true })
  yield* TestClock.adjust("1 second")
  const submit = (seconds: number, options: Parameters<typeof herd.submit>[1]) =>
    herd.submit(Effect.sleep(seconds * 1000), options)
  for (let i = 0; i < 9; i++) yield* submit(2 + (i % 3), { priority: "normal", label: "report" })
  yield* herd.submit(broken, { priority: "high", label: "query" })
  yield* TestClock.adjust("3 seconds")
  for (let i = 0; i < 4; i++) yield* submit(1, { priority: "high", label: "page" })
  yield* submit(30, { priority: "high", timeout: "3 seconds", label: "stuck" })
  let calls = 0
  const flaky = Effect.suspend(() =>
    Effect.delay(++calls < 3 ? Effect.fail("503") : Effect.void, "700 millis")
  )
  yield* herd.submit(flaky, { priority: "high", label: "flaky", retry: Schedule.spaced("2 seconds") })
  yield* TestClock.adjust("5 seconds")
  yield* Effect.orDie(herd.resize(5))
  for (let i = 0; i < 8; i++)
    yield* submit(1 + (i % 2), { priority: i === 7 ? "critical" : "normal", label: "job" })
  yield* TestClock.adjust("5 seconds")
  yield* Effect.orDie(herd.resize(2))
  yield* TestClock.adjust("2 seconds")
  yield* Effect.orDie(herd.stop())
  // Lets the reader take what is left.
  yield* TestClock.adjust("1 milli")
  yield* Fiber.interrupt(fiber)
  return collected
}).pipe(Effect.provide(Herders.live), Effect.orDie, Effect.provide(TestClock.layer()))
