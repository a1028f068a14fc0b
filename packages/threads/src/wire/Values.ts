/**
 * Values that do not behave. What a task throws may be anything: what cannot be printed, cloned or even looked at. Nothing
 * here throws. A thread starts with it.
 */
import { types } from "node:util"

/**
 * A defect as it travels: every value of it once, those inside by their number. Flat, so that no depth is too much.
 */
export interface Defect {
  readonly nodes: ReadonlyArray<Node>
}

/** A primitive, or the number of a node. */
type Slot = string | number | boolean | bigint | null | undefined | readonly [node: number]
type Props = ReadonlyArray<readonly [name: string, value: Slot]>
type Node =
  | readonly [
      is: "error",
      kind: string,
      name: string,
      message: string,
      stack: string | undefined,
      props: Props
    ]
  | readonly [is: "object", props: Props]
  | readonly [is: "array" | "set", items: ReadonlyArray<Slot>]
  | readonly [is: "map", entries: ReadonlyArray<readonly [key: Slot, value: Slot]>]
  | readonly [is: "buffer", bytes: Uint8Array]
  | readonly [is: "leaf", value: unknown]

/** Values of one defect at most, and values in one array, map or object that are looked at one by one. */
const mostNodes = 1000
const mostInside = 10_000

const errors: ReadonlyMap<unknown, ErrorConstructor> = new Map(
  [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((made) => [made.name, made])
)

const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** Text for any value. */
export const describe = (value: unknown): string => {
  if (attempt(() => Array.isArray(value) && value.length > mostInside) === true) return "a long array"
  const said = attempt(() => (isError(value) ? value.message : String(value)))
  if (typeof said === "string") return said
  const kind = attempt(() => Object.prototype.toString.call(value))
  return kind ?? `a value of type ${typeof value} that cannot be shown`
}

/** Whether it is an error, of this realm or another. */
export const isError = (value: unknown): value is Error =>
  types.isNativeError(value) || attempt(() => value instanceof Error) === true

const text = (value: unknown, otherwise: string): string =>
  typeof value === "string" ? value : value === undefined ? otherwise : describe(value)
const read = (object: object, key: string): unknown => attempt(() => Reflect.get(object, key))

const kindOf = (error: Error): string => {
  if (attempt(() => error instanceof AggregateError) === true) return "AggregateError"
  if (attempt(() => error instanceof DOMException) === true) return "DOMException"
  for (const [name, constructor] of errors) {
    if (attempt(() => error instanceof constructor) === true) return String(name)
  }
  // Of another realm.
  const name = text(read(error, "name"), "Error")
  return errors.has(name) || name === "AggregateError" ? name : "Error"
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const never = Symbol("does not travel")

class Packing {
  readonly nodes: Array<Node> = []
  private readonly seen = new Map<object, number>()
  private readonly todo: Array<() => void> = []

  root(value: unknown): void {
    const slot = this.slot(value)
    if (slot === never) this.nodes.push(["leaf", describe(value)])
    else if (!Array.isArray(slot)) this.nodes.push(["leaf", slot])
    for (let fill = this.todo.pop(); fill !== undefined; fill = this.todo.pop()) fill()
  }

  private slot(value: unknown): Slot | typeof never {
    switch (typeof value) {
      case "function":
      case "symbol":
        return never
      case "object":
        return value === null ? null : this.node(value)
      default:
        return value as Slot
    }
  }

  private node(value: object): readonly [number] | typeof never {
    const known = this.seen.get(value)
    if (known !== undefined) return [known]
    if (this.nodes.length >= mostNodes) return never
    const make = this.maker(value)
    if (make === undefined) return never
    const at = this.nodes.push(["leaf", undefined]) - 1
    this.seen.set(value, at)
    // Later: those inside may lead far down.
    this.todo.push(() => {
      this.nodes[at] = attempt(make) ?? ["leaf", undefined]
    })
    return [at]
  }

  private maker(value: object): (() => Node) | undefined {
    if (isError(value)) return () => this.error(value)
    if (attempt(() => Array.isArray(value) && value.length <= mostInside) === true)
      return () => ["array", this.items(value as Array<unknown>)]
    if (types.isMap(value) && value.size <= mostInside) return () => ["map", this.entries(value)]
    if (types.isSet(value) && value.size <= mostInside) return () => ["set", this.items([...value])]
    if (attempt(() => isPlain(value) && Object.keys(value).length <= mostInside) === true)
      return () => ["object", this.props(value, Object.keys(value))]
    // Its own bytes alone: it may be a part of memory that is shared.
    if (attempt(() => Buffer.isBuffer(value)) === true)
      return () => ["buffer", Uint8Array.from(value as Uint8Array)]
    const clone = attempt(() => ({ value: structuredClone(value) }))
    return clone && (() => ["leaf", clone.value])
  }

  private error(error: Error): Node {
    const stack = read(error, "stack")
    const own = (attempt(() => Object.keys(error)) ?? []).filter(
      (key) => !["name", "message", "stack", "cause", "errors"].includes(key)
    )
    const inner = ["cause", "errors"].filter((key) => attempt(() => Object.hasOwn(error, key)) === true)
    return [
      "error",
      kindOf(error),
      text(read(error, "name"), "Error"),
      text(read(error, "message"), "an error without a message that can be read"),
      typeof stack === "string" ? stack : undefined,
      this.props(error, [...own, ...inner])
    ]
  }

  private props(object: object, keys: ReadonlyArray<string>): Props {
    return keys.flatMap((key) => {
      const got = attempt(() => ({ value: Reflect.get(object, key) as unknown }))
      const slot = got === undefined ? never : this.slot(got.value)
      return slot === never ? [] : [[key, slot] as const]
    })
  }

  private items(items: ReadonlyArray<unknown>): ReadonlyArray<Slot> {
    return Array.from({ length: items.length }, (_, i) => {
      const slot = this.slot(attempt(() => items[i]))
      return slot === never ? undefined : slot
    })
  }

  private entries(map: ReadonlyMap<unknown, unknown>): ReadonlyArray<readonly [Slot, Slot]> {
    return [...map].flatMap(([key, value]) => {
      const [k, v] = [this.slot(key), this.slot(value)] as const
      return k === never || v === never ? [] : [[k, v] as const]
    })
  }
}

/**
 * Makes any value able to travel. Errors keep their name, message, stack, `cause`, `errors` and properties; objects, arrays,
 * maps and sets what is in them; of all these what cannot be cloned is left out, and the rest is kept. Symbols and functions become text.
 */
export const packDefect = (defect: unknown): Defect => {
  const packing = new Packing()
  packing.root(defect)
  return { nodes: packing.nodes }
}

/** What is left of a value where not even `packDefect` gets through: text. */
export const packText = (defect: unknown): Defect => ({
  nodes: [
    isError(defect)
      ? ["error", "Error", "Error", describe(defect), undefined, []]
      : ["leaf", describe(defect)]
  ]
})

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

const define = (object: object, key: string, value: unknown, enumerable: boolean): void => {
  // What prints a value must go on printing it.
  if (key === "toString" || key === "valueOf") return
  Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true })
}

const madeError = (kind: unknown, name: unknown, message: unknown, stack: unknown): Error => {
  const said = typeof message === "string" ? message : ""
  const called = typeof name === "string" ? name : "Error"
  const made =
    kind === "DOMException"
      ? new DOMException(said, called)
      : kind === "AggregateError"
        ? new AggregateError([], said)
        : new (errors.get(kind) ?? Error)(said)
  if (made.name !== called) define(made, "name", called, false)
  if (typeof stack === "string") define(made, "stack", stack, false)
  return made
}

/** Bytes that have lost that they were a `Buffer`, as one again, without copying. Anything else as it is. */
export const asBuffer = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value

const kinds: ReadonlySet<unknown> = new Set(["error", "object", "array", "map", "set"])

const shell = (node: unknown): unknown => {
  if (!Array.isArray(node)) return undefined
  switch (node[0]) {
    case "error":
      return madeError(node[1], node[2], node[3], node[4])
    case "object":
      return {}
    case "array":
      return []
    case "map":
      return new Map()
    case "set":
      return new Set()
    case "buffer":
      return asBuffer(node[1])
    default:
      return node[1]
  }
}

const fill = (made: unknown, node: unknown, at: (slot: unknown) => unknown): void => {
  // All but the kinds with values inside are as they came.
  if (!Array.isArray(node) || !isRecord(made) || !kinds.has(node[0])) return
  const inside: unknown = node[0] === "error" ? node[5] : node[1]
  if (!Array.isArray(inside)) return
  for (const item of inside) {
    if (made instanceof Map) made.set(at(item[0]), at(item[1]))
    else if (made instanceof Set) made.add(at(item))
    else if (Array.isArray(made)) made.push(at(item))
    else {
      const inner = node[0] === "error" && (item[0] === "cause" || item[0] === "errors")
      define(made, String(item[0]), at(item[1]), !inner)
    }
  }
}

const unpack = (nodes: ReadonlyArray<unknown>): unknown => {
  const made = nodes.map(shell)
  const at = (slot: unknown) => (Array.isArray(slot) ? made[slot[0]] : slot)
  nodes.forEach((node, i) => fill(made[i], node, at))
  return made[0]
}

/** The defect as it was. What nobody has packed is told as it is, an error where it looks like one. */
export const unpackDefect = (packed: unknown): unknown => {
  try {
    if (!isRecord(packed)) return packed
    if (Array.isArray(packed["nodes"])) return unpack(packed["nodes"])
    if (typeof packed["message"] !== "string") return packed
    const made = madeError("Error", packed["name"], packed["message"], packed["stack"])
    const own = packed["value"]
    if (isRecord(own)) for (const [key, value] of Object.entries(own)) define(made, key, value, true)
    return made
  } catch {
    return new Error("a defect that cannot be read")
  }
}
