import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Ring } from "../../src/internal/Ring.ts"

describe("Ring", () => {
  it.prop(
    "agrees with an array for every script of pushes and shifts",
    { script: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: -60, maximum: 60 }))) },
    ({ script }) => {
      const ring = new Ring<number>()
      const items: Array<number> = []
      let next = 0

      for (const amount of script) {
        for (let count = 0; count < amount; count++) {
          ring.push(next)
          items.push(next++)
        }
        for (let count = 0; count < -amount; count++) assert.strictEqual(ring.shift(), items.shift())
        assert.strictEqual(ring.size, items.length)
        assert.deepStrictEqual([...ring], items)
      }
    },
    { arbitrary: { runs: 200 } }
  )

  it("shift returns undefined when empty", () => {
    const ring = new Ring<string>()
    assert.strictEqual(ring.shift(), undefined)
    ring.push("a")
    ring.shift()

    assert.strictEqual(ring.shift(), undefined)
    assert.strictEqual(ring.size, 0)
  })

  it("releases an item as soon as it leaves, and its storage after a burst", () => {
    const ring = new Ring<object>()
    const storage = (): ReadonlyArray<unknown> => Reflect.get(ring, "items") as Array<unknown>
    const initial = storage().length
    for (let count = 0; count < 5000; count++) ring.push({})

    assert.isAtLeast(storage().length, 5000)
    for (let left = 5000; left > 0; left--) ring.shift()

    assert.strictEqual(storage().length, initial)
    assert.isTrue(storage().every((item) => item === undefined))
  })

  it("clear forgets every item and leaves a ring that can be used again", () => {
    const ring = new Ring<number>()
    for (let item = 0; item < 100; item++) ring.push(item)
    ring.clear()

    assert.strictEqual(ring.size, 0)
    assert.deepStrictEqual([...ring], [])
    ring.push(1)
    ring.push(2)
    assert.deepStrictEqual([...ring], [1, 2])
  })
})
