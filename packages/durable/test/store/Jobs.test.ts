import { describe, it } from "@effect/vitest"
import { Layer } from "effect"
import * as Jobs from "../../src/Jobs.ts"
import { hostileSuite } from "../support/HostileSuite.ts"
import { lettersSuite } from "../support/LettersSuite.ts"
import { orderSuite } from "../support/OrderSuite.ts"
import { stores } from "../support/stores.ts"

// What jobs do, on every store alike.
for (const { layer, missing, name } of stores) {
  // The same as in memory, but for the disk.
  if (name === "PGlite in a directory") continue
  describe.skipIf(missing)(`jobs on ${name}`, () => {
    it.layer(Layer.provideMerge(Jobs.layer, layer), { excludeTestServices: true, timeout: 60_000 })((it) => {
      hostileSuite(it)
      orderSuite(it)
      lettersSuite(it)
    })
  })
}
