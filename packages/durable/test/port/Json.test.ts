import { assert, describe as group, it } from "@effect/vitest"
import { Schema } from "effect"
import { clean, cleanText, describe, isFit, jsonOf, messageOf, plain } from "../../src/port/Json.ts"
import { hostile, jsonView } from "../support/hostile.ts"

group("what is stored of a value", () => {
  for (const [name, make] of Object.entries(hostile)) {
    it(`${name}: is what JSON has of it, or it is refused`, () => {
      const view = jsonView(make())
      if (view === undefined) assert.throws(() => plain(make()), /not a value of JSON|NUL|nested deeper/)
      else assert.deepStrictEqual(plain(make()), view.json)
    })

    it(`${name}: can be described in a text that every store takes`, () => {
      for (const say of [describe, messageOf]) {
        const text = say(make())
        assert.isTrue(isFit(text) && text.length > 0 && text.length <= 1_000_000)
      }
    })
  }

  it("is a copy", () => {
    const value = { list: [1] }
    const kept = plain(value)
    value.list.push(2)
    assert.deepStrictEqual(kept, { list: [1] })
  })

  it.prop("is fit once it is cleaned, and the same where it was fit", { value: Schema.Json }, ({ value }) => {
    const cleaned = clean(value)
    assert.deepStrictEqual(plain(cleaned), cleaned)
    const view = jsonView(value)
    if (view !== undefined) assert.deepStrictEqual(cleaned, view.json)
  })

  it("loses NUL and lone surrogates where it is cleaned, and no more", () => {
    const value = { "a\u0000": ["\u0000\u0000x", "\\u0000", "\\\u0000", "\ud83d!", "😀", "\\\\\udc00"] }
    assert.deepStrictEqual(clean(value), { a: ["x", "\\u0000", "\\", "\ufffd!", "😀", "\\\\\ufffd"] })
    assert.strictEqual(cleanText("a\u0000b\ud83d"), "ab\ufffd")
  })

  it("has a description of at most 8,192 characters, of whole ones", () => {
    assert.strictEqual(describe("x".repeat(8_192)).length, 8_192)
    const long = describe("😀".repeat(5_000))
    assert.strictEqual(long.length, 8_192)
    assert.isTrue(long.isWellFormed() && long.endsWith("…"))
  })

  it("has at most as many bytes as are allowed, whatever its characters are", () => {
    for (const value of [
      "x".repeat(98),
      "ü".repeat(49),
      "☃☃☃".repeat(10) + "x".repeat(8),
      [1, "x".repeat(94)]
    ]) {
      assert.doesNotThrow(() => plain(value, 100))
      assert.throws(() => plain(value, 99), /more than 99 bytes/)
    }
  })

  it("keeps keys that have a meaning elsewhere as what they are, and changes no prototype", () => {
    const text = '{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}},"toString":1}'
    for (const kept of [plain(JSON.parse(text)), clean(JSON.parse(text))]) {
      assert.strictEqual(jsonOf(kept), text)
      assert.strictEqual(Object.getPrototypeOf(kept), Object.prototype)
    }
    assert.notProperty({}, "x")
  })

  it("says what is wrong with a value that is not JSON", () => {
    assert.throws(() => jsonOf({ n: 1n }), /BigInt/)
    assert.strictEqual(jsonOf(undefined), "null")
  })
})
