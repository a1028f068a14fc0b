import { assert, describe, it } from "@effect/vitest"
import { deserialize, serialize } from "node:v8"
import { describe as text, packDefect, packText, unpackDefect } from "../../src/wire/Wire.ts"
import { hostile } from "../support/hostile.ts"
import { randomValues } from "../support/random.ts"

const ways = { structuredClone, serialized: (value: unknown): unknown => deserialize(serialize(value)) }
const travelled = (defect: unknown): unknown => unpackDefect(structuredClone(packDefect(defect)))

const own = (error: Error) => Object.fromEntries(Object.entries(error))

describe("a defect that travels", () => {
  for (const [name, make] of Object.entries(hostile)) {
    for (const [way, travel] of Object.entries(ways)) {
      it(`never throws: ${name}, ${way}`, () => {
        const arrived = unpackDefect(travel(packDefect(make())))
        assert.isString(text(arrived))
        assert.isString(text(unpackDefect(travel(packText(make())))))
      })
    }
  }

  for (const [way, travel] of Object.entries(ways)) {
    it(`keeps a Buffer one, with its own bytes alone (${way})`, () => {
      const body = Buffer.from("body")
      assert.isBelow(body.byteLength, body.buffer.byteLength)
      const packed = packDefect(Object.assign(new Error("x"), { body, response: { parts: [body] } }))
      const arrived = own(unpackDefect(travel(packed)) as Error)
      assert.isTrue(Buffer.isBuffer(arrived["body"]))
      assert.deepStrictEqual(arrived, { body, response: { parts: [body] } })
      assert.isBelow(serialize(packed).byteLength, 4000)
      const thrown = unpackDefect(travel(packDefect(body)))
      assert.isTrue(Buffer.isBuffer(thrown))
      assert.deepStrictEqual<unknown>(thrown, body)
    })
  }

  it("keeps of an error what can travel, property by property", () => {
    class Own extends Error {
      readonly code = "E_OWN"
      readonly act = () => 1
      readonly config = { url: "/a", transform: [() => 1], headers: new Map([["a", "b"]]) }
      readonly at = new Date(0)
      readonly bytes = new Uint8Array([1, 2])
    }
    const cause = Object.assign(new TypeError("inner"), { code: 7, f() {}, cause: new RangeError("deep") })
    const error = new Own("outer", { cause })
    error.name = "Own"
    const arrived = travelled(error)

    assert.instanceOf(arrived, Error)
    assert.strictEqual(arrived.name, "Own")
    assert.strictEqual(arrived.message, "outer")
    assert.strictEqual(arrived.stack, error.stack)
    assert.deepStrictEqual(own(arrived), {
      code: "E_OWN",
      config: { url: "/a", transform: [undefined], headers: new Map([["a", "b"]]) },
      at: new Date(0),
      bytes: new Uint8Array([1, 2])
    })
    const inner = arrived.cause
    assert.instanceOf(inner, TypeError)
    assert.deepStrictEqual(own(inner), { code: 7 })
    assert.instanceOf(inner.cause, RangeError)
    assert.strictEqual(inner.cause.message, "deep")
  })

  it("keeps the errors of an AggregateError, and circles", () => {
    const many = new AggregateError(
      [new Error("a"), Object.assign(new TypeError("b"), { code: 1 }), 3],
      "many"
    )
    const arrived = travelled(many)
    assert.instanceOf(arrived, AggregateError)
    assert.deepStrictEqual(
      arrived.errors.map((each) => (each instanceof Error ? [each.constructor.name, each.message] : each)),
      [["Error", "a"], ["TypeError", "b"], 3]
    )
    assert.strictEqual(Reflect.get(arrived.errors[1] as Error, "code"), 1)
    assert.notInclude(Object.keys(arrived), "errors")

    const round = travelled(hostile["a circle"]?.())
    assert.instanceOf(round, Error)
    assert.strictEqual(Reflect.get(round, "self"), round)
    assert.strictEqual(Reflect.get(round.cause as object, "error"), round)
  })

  it("has no prototype but its own, and can be printed", () => {
    const polluted = Object.defineProperty(new Error("x"), "__proto__", {
      value: { a: 1 },
      enumerable: true
    })
    for (const arrived of [
      travelled(polluted),
      unpackDefect({
        error: true,
        name: "E",
        message: "m",
        stack: "s",
        value: JSON.parse('{"__proto__":{"a":1}}')
      })
    ]) {
      assert.instanceOf(arrived, Error)
      assert.isUndefined(Reflect.get(arrived, "a"))
      assert.deepStrictEqual(Object.getOwnPropertyDescriptor(arrived, "__proto__")?.value, { a: 1 })
    }
    assert.strictEqual(String(travelled(JSON.parse('{"toString":1,"valueOf":2}'))), "[object Object]")
    assert.isUndefined(Reflect.get({}, "a"))
  })

  it("of another realm or of the platform stays what it is", () => {
    const elsewhere = travelled(hostile["another realm"]?.())
    assert.instanceOf(elsewhere, TypeError)
    const stopped = travelled(new DOMException("stopped", "AbortError"))
    assert.instanceOf(stopped, DOMException)
    assert.strictEqual(stopped.name, "AbortError")
    assert.isUndefined(travelled(undefined))
    assert.isNull(travelled(null))
    assert.strictEqual(travelled(12n), 12n)
    assert.strictEqual(travelled(Symbol("s")), "Symbol(s)")
  })

  it("is read whatever was sent (3,000 random values, seed 7)", () => {
    for (const value of randomValues(7, 3000)) {
      assert.isString(text(unpackDefect(value)))
      assert.isString(text(unpackDefect({ nodes: value })))
      assert.isString(text(unpackDefect({ nodes: [["error", value, value, value, value, value], value] })))
    }
  })
})
