// Values that do not behave, by name. Those of a thread are made there: they cannot travel.
import vm from "node:vm"

class Own extends Error {
  readonly code = "E_OWN"
  readonly act = () => 1
  constructor(message: string) {
    super(message)
    this.name = "Own"
  }
}
const refuses = () => {
  throw new Error("do not look")
}

const traps = Object.fromEntries(
  ["get", "has", "ownKeys", "getPrototypeOf", "getOwnPropertyDescriptor"].map((trap) => [trap, refuses])
)

const deep = () => {
  let error = new Error("the root")
  for (let i = 0; i < 5000; i++) error = new Error(`level ${i}`, { cause: error })
  return error
}

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

export const hostile: { readonly [name: string]: () => unknown } = {
  "no prototype": () => Object.create(null),
  "toString that throws": () => ({ toString: refuses, f() {} }),
  "a symbol": () => Symbol("s"),
  nothing: () => undefined,
  null: () => null,
  "a function": () => () => 1,
  "a bigint": () => 12n,
  NaN: () => Number.NaN,
  "a getter that throws": () =>
    Object.defineProperty(new Error("kept"), "boom", { enumerable: true, get: refuses }),
  "a message that throws": () => Object.defineProperty(new Error("x"), "message", { get: refuses }),
  "a name and a stack that throw": () =>
    Object.defineProperties(new Error("x"), { name: { get: refuses }, stack: { get: refuses } }),
  "a message that is no text": () => Object.assign(new Error("x"), { message: Symbol("m"), name: {} }),
  "a proxy that throws": () => new Proxy({}, traps),
  "an error in a proxy that throws": () => new Proxy(new Error("x"), traps),
  "a revoked proxy": revoked,
  "an error with functions": () => new Own("kept"),
  "a circle": () => {
    const error: Error & { self?: unknown } = new Error("round")
    error.self = error
    error.cause = { error }
    return error
  },
  "a cause without end": deep,
  "errors in errors": () => new AggregateError([new Own("a"), refuses, new AggregateError([1])], "many"),
  "another realm": () => vm.runInNewContext("new TypeError('elsewhere')"),
  "a DOMException": () => new DOMException("stopped", "AbortError"),
  "a promise": () => Promise.resolve(1),
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is hostile
  "a then that throws": () => Object.defineProperty({}, "then", { get: refuses }),
  weak: () => new WeakMap(),
  "a stream": () => new ReadableStream(),
  "a port": () => new MessageChannel().port1,
  "a prototype": () => JSON.parse('{"__proto__":{"_tag":"QueueFull"},"toString":1,"valueOf":1}'),
  "huge and empty": () => Object.assign([], { length: 2 ** 31 })
}
