// Buffers that a task moves to its thread, when the task is taken back, has bad neighbours, or does not come to begin.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all, Echo } from "../support/tasks.ts"

class Moving extends ThreadHerd.Service<Moving>()("test/Moving", {
  tasks: all,
  worker: new URL("../support/all.worker.ts", import.meta.url)
}) {}

const one = Moving.layer({ workers: { min: 1, max: 1 } })
const eight = Moving.layer({ concurrency: 8, workers: { min: 1, max: 1 } })
/** The tasks are known to be short, so that more are sent ahead. */
const short = Effect.forEach(
  Array.from({ length: 50 }, (_, i) => i),
  (i) => Effect.andThen(Moving.run(Echo(i)), Moving.run(Act({ what: "sync" })))
)
const bytes = (i: number) => new Uint8Array(4).fill(i)
const moved = (i: number) => {
  const data = bytes(i)
  return { data, effect: Moving.run(Echo(data, { transfer: [data.buffer] })) }
}
const six = () => Array.from({ length: 6 }, (_, i) => moved(i))

describe("what a task moves", () => {
  for (const [how, first] of Object.entries({
    "a long task": Act({ what: "spin", millis: 60 }),
    "one that ends the thread": Act({ what: "exit" })
  })) {
    it.live(`is not lost behind ${how}`, () =>
      Effect.gen(function* () {
        yield* short
        const tasks = six()
        const [, ...exits] = yield* Effect.all(
          [Effect.exit(Moving.run(first)), ...tasks.map(({ effect }) => Effect.exit(effect))],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          exits,
          tasks.map((_, i) => Exit.succeed(bytes(i)))
        )
      }).pipe(Effect.provide(one))
    )
  }

  it.live("stays with its caller, who leaves before the task begins", () =>
    Effect.gen(function* () {
      yield* short
      const running = yield* Effect.forkChild(Moving.run(Act({ what: "spin", millis: 40 })), {
        startImmediately: true
      })
      const tasks = six()
      const waiting = yield* Effect.forEach(tasks, ({ effect }) =>
        Effect.forkChild(effect, { startImmediately: true })
      )
      yield* Effect.yieldNow
      yield* Fiber.interruptAll(waiting)
      assert.deepStrictEqual(
        tasks.map(({ data }) => data.byteLength),
        tasks.map(() => 4)
      )
      yield* Fiber.join(running)
      // And whoever comes now finds nothing of them.
      const again = moved(9)
      assert.deepStrictEqual(yield* again.effect, bytes(9))
      assert.strictEqual(again.data.byteLength, 0)
    }).pipe(Effect.provide(one))
  )

  for (const [where, layer] of Object.entries({ "sent ahead": one, "several at once": eight })) {
    it.live(
      `is its own: neighbours that cannot be sent, or move the same, cost the others nothing (${where})`,
      () =>
        Effect.gen(function* () {
          yield* short
          const deep = Array.from({ length: 4 }, () => new ArrayBuffer(16))
          const channel = new MessageChannel()
          const exits = yield* Effect.all(
            [
              ...deep.map((buffer) =>
                Effect.exit(Moving.run(Echo({ far: { down: [buffer] } }, { transfer: [buffer] })))
              ),
              Effect.exit(Moving.run(Act({ what: "sync", value: channel.port2 }))),
              Effect.exit(Moving.run(Echo(() => 1)))
            ],
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, true, true, false, false])
          assert.deepStrictEqual(
            deep.map(({ byteLength }) => byteLength),
            [0, 0, 0, 0]
          )
          const shared = new ArrayBuffer(8)
          const twice = yield* Effect.all(
            [1, 2, 3].map((i) =>
              Effect.exit(Moving.run(Echo(i === 3 ? 3 : shared, { transfer: i === 3 ? [] : [shared] })))
            ),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(twice.map(Exit.isSuccess), [true, false, true])
          channel.port1.close()
        }).pipe(Effect.provide(layer))
    )
  }

  it.live("is read once, at the call", () =>
    Effect.gen(function* () {
      const data = bytes(1)
      const transfer = [data.buffer]
      const call = Echo(data, { transfer })
      transfer.length = 0
      assert.deepStrictEqual(yield* Moving.run(call), bytes(1))
      assert.strictEqual(data.byteLength, 0)
    }).pipe(Effect.provide(one))
  )

  it.live("keeps the order of those that were sent", () =>
    Effect.gen(function* () {
      yield* short
      const order: Array<number> = []
      yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => i),
        (i) => {
          const data = bytes(i)
          const transfer = i % 3 === 0 ? [data.buffer] : []
          return Effect.tap(Moving.run(Echo(data, { transfer })), () => Effect.sync(() => order.push(i)))
        },
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        order,
        Array.from({ length: 40 }, (_, i) => i)
      )
    }).pipe(Effect.provide(one))
  )
})
