import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { HerdEvent, HerdEvents, Lemmings } from "../../src/index.ts"
import { fork, listen, settled, start } from "../promises/support.ts"

const events = Effect.map(Layer.build(HerdEvents.layer("test")), Context.get(HerdEvents))

describe("HerdEvents", () => {
  it.effect("nobody listening means nothing to build", () =>
    Effect.gen(function* () {
      const service = yield* events
      assert.isFalse(service.active())
      const reading = yield* fork(Stream.runCollect(Stream.take(service.stream, 1)))
      assert.isTrue(service.active())
      service.emit({ _tag: "Paused" })
      yield* settled
      assert.deepStrictEqual(reading.pollUnsafe(), Exit.succeed([{ _tag: "Paused", herd: "test", at: 0 }]))
      assert.isFalse(service.active(), "a reader that has ended listens no more")
    })
  )

  it.effect("every reader gets every event from its own beginning on, in order", () =>
    Effect.gen(function* () {
      const service = yield* events
      const first = yield* listen({ events: service.stream })
      service.emit({ _tag: "Paused" })
      yield* TestClock.adjust(5)
      const second = yield* listen({ events: service.stream })
      service.emit({ _tag: "Resumed" })
      yield* settled
      const resumed = { _tag: "Resumed", herd: "test", at: 5 }
      assert.deepStrictEqual(first, [{ _tag: "Paused", herd: "test", at: 0 }, resumed] as typeof first)
      assert.deepStrictEqual(second, [resumed] as typeof second)
    })
  )

  it.effect("a reader more than 1,024 events behind loses the oldest", () =>
    Effect.gen(function* () {
      const service = yield* events
      const seen = yield* listen({ events: service.stream })
      for (let to = 0; to < 3000; to++) {
        service.emit({ _tag: "Resized", from: 0, to, by: "test", reason: "test", paused: false })
      }
      yield* settled
      const numbers = seen.map((event) => (event._tag === "Resized" ? event.to : -1))
      assert.strictEqual(numbers.length, 1024)
      assert.deepStrictEqual([numbers[0], numbers.at(-1)], [1976, 2999])
    })
  )

  it.effect("the stream ends with the herd's scope, for readers old and new", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const herd = yield* Layer.build(Lemmings.layer()).pipe(
        Effect.map(Context.get(Lemmings)),
        Scope.provide(scope)
      )
      const reading = yield* fork(Stream.runCollect(herd.events))
      yield* Scope.close(scope, Exit.void)
      yield* settled

      const exit = reading.pollUnsafe()
      const states = (exit?._tag === "Success" ? exit.value : []).flatMap((event) =>
        event._tag === "StateChanged" ? [event.state] : []
      )
      assert.deepStrictEqual(states, ["draining", "interrupting", "closed"])
      assert.deepStrictEqual(yield* Stream.runCollect(herd.events), [])
    })
  )
})

describe("HerdEvent", () => {
  it.effect("every event of a busy herd survives its JSON", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 }, queue: { capacity: 1 } })
      const seen = yield* listen(herd)
      yield* herd.submit(Effect.sleep(5), { id: "a", label: "work", key: "acme", timeout: 2 })
      yield* herd.submit(Effect.die(new Error("boom")))
      yield* Effect.exit(herd.offer(Effect.void))
      yield* TestClock.adjust(10)
      yield* herd.pause
      yield* herd.submit(Effect.void)
      yield* herd.clear
      yield* herd.resize(0)
      yield* herd.stop()
      yield* settled

      const codec = Schema.fromJsonString(Schema.toCodecJson(HerdEvent))
      const tags = new Set<string>()
      for (const event of seen) {
        const json = yield* Schema.encodeEffect(codec)(event)
        assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(json), event)
        tags.add(event._tag)
      }
      assert.deepStrictEqual([...tags].toSorted(), [
        "Paused",
        "Resized",
        "StateChanged",
        "TaskAccepted",
        "TaskFinished",
        "TaskRejected",
        "TaskShed",
        "TaskStarted",
        "WorkerStopped"
      ])
    })
  )
})
