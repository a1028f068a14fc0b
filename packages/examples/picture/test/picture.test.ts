import { readFileSync } from "node:fs"

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

import { draw } from "../src/Draw.ts"
import { scene } from "../src/Scene.ts"

describe("picture", () => {
  // The scene brings its own test clock.
  it.live("the committed picture is the one that the scene draws, every time", () =>
    Effect.gen(function* () {
      const first = draw(yield* scene)
      const second = draw(yield* scene)

      assert.strictEqual(second, first)
      assert.strictEqual(first, readFileSync(new URL("../../../../docs/herd.svg", import.meta.url), "utf8"))
    })
  )
})
