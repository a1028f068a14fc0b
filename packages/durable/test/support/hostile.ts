/** Values that no store takes, or that throw when they are touched, and some that only look like it. Each is made anew. */
export const hostile: { readonly [name: string]: () => unknown } = {
  circular: () => {
    const value: Record<string, unknown> = {}
    value["self"] = [{ value }]
    return value
  },
  "no prototype": () => Object.create(null),
  "no prototype, null tag": () => Object.create(null, { [Symbol.toStringTag]: { value: null } }),
  "a toString that throws": () => ({
    toString() {
      throw new Error("no text")
    }
  }),
  "a toJSON that throws nothing to print": () => ({
    toJSON() {
      throw Object.create(null)
    }
  }),
  "a getter that throws": () => Object.defineProperty({}, "a", { enumerable: true, get: () => thrower() }),
  "a getter that throws the second time": () => {
    let read = 0
    return Object.defineProperty({}, "a", {
      enumerable: true,
      get: () => (read++ === 0 ? "first" : thrower())
    })
  },
  "an error whose message throws": () => Object.defineProperty(new Error(), "message", { get: thrower }),
  "an error whose message is no text": () => Object.assign(new Error(), { message: Symbol("m") }),
  "an error whose name is an object": () => Object.assign(new Error("m"), { name: Object.create(null) }),
  "a Proxy that throws": () =>
    new Proxy(
      {},
      {
        get: thrower,
        getPrototypeOf: thrower,
        has: thrower,
        ownKeys: thrower,
        getOwnPropertyDescriptor: thrower
      }
    ),
  "a revoked Proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  symbol: () => Symbol("s"),
  bigint: () => 12n,
  "nested 256 deep": () => nested(256),
  "nested 300 deep": () => nested(300),
  "nested 20,000 deep": () => nested(20_000),
  "bigint inside": () => [{ n: 12n }],
  function: () => () => 1,
  NaN: () => Number.NaN,
  "-0": () => -0,
  infinity: () => [Infinity, -Infinity],
  "a date out of range": () => new Date(8.64e15 + 1),
  NUL: () => "a\u0000b",
  "NUL inside": () => ({ deep: [{ text: "a\u0000b" }] }),
  "NUL in a field's name": () => ({ "a\u0000b": 1 }),
  "an escaped NUL": () => "a\\u0000b",
  "a lone surrogate": () => "x\ud83d",
  "a lone surrogate at the end of backslashes": () => ["\\\\\udc00"],
  "a pair of surrogates": () => "😀",
  "a long text": () => "m".repeat(100_000),
  undefined: () => undefined,
  null: () => null,
  "an own __proto__": () => JSON.parse('{"__proto__": {"a": 1}}'),
  "a sparse array": () => Object.assign([], { 3: 1 }),
  "an error": () => new RangeError("too far"),
  map: () => new Map([[{}, "a"]])
}

const thrower = (): never => {
  throw Object.create(null)
}

const nested = (depth: number): unknown => {
  let value: unknown = ["[{", '\\"']
  for (let n = 1; n < depth; n++) value = n % 2 === 0 ? [value] : { value }
  return value
}

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? 1 + Object.values(value).reduce((most: number, one) => Math.max(most, depthOf(one)), 0)
    : 0

/** What JSON has of it, or that a database takes none of it. */
export const jsonView = (value: unknown): { readonly json: unknown } | undefined => {
  try {
    const text = JSON.stringify(value) ?? "null"
    const bad = (one: string) => one.includes("\u0000") || !one.isWellFormed()
    let fits = true
    const json: unknown = JSON.parse(text, (key, one) => {
      if (bad(key) || (typeof one === "string" && bad(one))) fits = false
      return one
    })
    return fits && depthOf(json) <= 256 ? { json } : undefined
  } catch {
    return undefined
  }
}
