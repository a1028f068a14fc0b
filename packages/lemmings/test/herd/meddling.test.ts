import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { virtual } from "../../src/testing/index.ts"
import { callbacks, meddle } from "../support/meddling.ts"

const blocks = 10
const seeds = 24

describe("a herd whose every callback acts on it and throws", () => {
  const seen = new Set<string>()
  for (let block = 0; block < blocks; block++) {
    const first = 1 + block * seeds
    it.live(`loses nothing and tells everybody once, seeds ${first} to ${first + seeds - 1}`, () =>
      Effect.gen(function* () {
        for (let seed = first; seed < first + seeds; seed++) {
          const { broken, called } = yield* virtual(Effect.scoped(meddle(seed)), { limit: "1 day" }).pipe(
            Effect.catchCause((cause) => Effect.die(new Error(`seed ${seed}`, { cause })))
          )
          assert.deepStrictEqual(broken, [], `seed ${seed}`)
          for (const callback of called) seen.add(callback)
        }
      })
    )
  }

  it("every kind of callback was among them", () => {
    assert.sameMembers([...seen], [...callbacks])
  })
})
