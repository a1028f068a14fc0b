import { describe, it } from "@effect/vitest"
import { tarnRandom } from "../support/tarnRandom.ts"

describe("tarn: random", () => {
  // Switched off upstream; here it is on. Each seed has virtual time of its own.
  it.live("randomised test: whatever fails and whoever leaves, nothing is shared, lost or left open", () =>
    tarnRandom(32)
  )
})
