import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { launch } from "./child.ts"

// Real processes: how long one lives is a matter of the real clock.

describe("a process whose herds are not closed", () => {
  it.live("ends when nobody waits, whatever its herds would look after later", () =>
    Effect.gen(function* () {
      const child = yield* launch("unclosed.ts", "done")
      assert.deepStrictEqual(yield* child.ended, { code: 0, signal: null }, child.output())
      const [, lived] = /lived (\d+) ms/.exec(child.output()) ?? []
      // Each of its herds has something to do in 20 seconds or later.
      assert.isBelow(Number(lived), 10_000, child.output())
    })
  )

  it.live("goes on while a task waits for a worker that is tried again and again", () =>
    Effect.gen(function* () {
      const child = yield* launch("unclosed.ts", "waits")
      assert.deepStrictEqual(yield* child.ended, { code: 0, signal: null }, child.output())
      assert.include(child.output(), "lent 6")
    })
  )
})
