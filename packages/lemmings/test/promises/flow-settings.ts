// The settings of flow control: that each has an effect. Part of the test of promise 16.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { start } from "./support.ts"

export const flowEffects = {
  "queue.order": Effect.gen(function* () {
    for (const [order, expected] of [
      ["arrival", "aab"],
      ["fair", "aba"]
    ] as const) {
      const ran: Array<string> = []
      const herd = yield* start({ workers: { max: 1 }, queue: { order } })
      yield* herd.pause
      for (const key of ["a", "a", "b"])
        yield* herd.submit(
          Effect.sync(() => ran.push(key)),
          { key }
        )
      yield* herd.resume
      yield* herd.awaitIdle
      assert.strictEqual(ran.join(""), expected)
    }
  }),
  "queue.cost": Effect.gen(function* () {
    for (const [cost, expected] of [
      ["weight", "abababab"],
      ["time", "abbbbabb"]
    ] as const) {
      const ran: Array<string> = []
      const herd = yield* start({ workers: { max: 1 }, queue: { order: "fair", cost } })
      yield* herd.pause
      for (let left = 8; left > 0; left--) {
        for (const [key, millis] of [
          ["a", 40],
          ["b", 10]
        ] as const) {
          const task = Effect.andThen(
            Effect.sync(() => ran.push(key)),
            Effect.sleep(millis)
          )
          yield* herd.submit(task, { key, label: key })
        }
      }
      yield* herd.resume
      yield* TestClock.adjust(1_000)
      assert.strictEqual(ran.slice(0, 8).join(""), expected)
    }
  })
}
