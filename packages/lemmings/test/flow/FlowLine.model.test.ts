import { assert, describe, it } from "@effect/vitest"
import { lineModel } from "./lineModel.ts"
import { rig } from "./line.ts"

lineModel(30)

describe("a line that many keys pass", () => {
  it("remembers none of them", () => {
    const self = rig({ limits: { perKey: { concurrency: 1 } } })
    for (let key = 0; key < 100_000; key++) {
      self.add({ key: `key-${key}` })
      self.end(self.start(1)[0]!)
    }
    assert.strictEqual(self.line.flow.size(), 0)
  })
})
