import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { PriorityHeap } from "../../src/internal/PriorityHeap.ts"
import { mulberry } from "./mulberry.ts"

interface Entry {
  readonly id: number
  key: number
  sequence: number
  slot: number
}

const inOrder = (a: Entry, b: Entry): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : a.sequence - b.sequence

/** A heap beside a list that finds its first entry by looking at all of them. */
/** Takes every entry out, first to last, of a heap of its own: the other is empty at once, and can be used again. */
const drained = <A>(heap: PriorityHeap<A>): Array<A> => {
  const taken = heap.split()
  assert.deepStrictEqual([heap.size, heap.peekKey()], [0, Infinity])
  const order: Array<A> = []
  for (let left = taken.size; left > 0; left--) order.push(taken.pop() as A)
  assert.strictEqual(taken.size, 0)
  return order
}

class Pair {
  readonly heap = new PriorityHeap<Entry>()
  readonly entries: Array<Entry> = []
  private sequence = 0
  private readonly bySlot = new Map<number, Entry>()

  push(key: number): void {
    const entry: Entry = { id: this.sequence, key, sequence: this.sequence++, slot: -1 }
    entry.slot = this.heap.push(entry, key, entry.sequence)
    assert.isFalse(this.bySlot.has(entry.slot), "a slot in use was given out again")
    this.bySlot.set(entry.slot, entry)
    this.entries.push(entry)
  }

  pop(): void {
    const first = this.first()
    assert.strictEqual(this.heap.peekKey(), first === undefined ? Infinity : first.key)
    assert.strictEqual(this.heap.peek(), first)
    assert.strictEqual(this.heap.pop(), first)
    if (first !== undefined) this.forget(first)
  }

  remove(pick: number): void {
    const entry = this.pick(pick)
    if (entry === undefined) return
    assert.strictEqual(this.heap.remove(entry.slot), entry)
    this.forget(entry)
  }

  update(pick: number, key: number): void {
    const entry = this.pick(pick)
    if (entry === undefined) return
    entry.key = key
    entry.sequence = this.sequence++
    this.heap.update(entry.slot, key, entry.sequence)
  }

  check(): void {
    assert.strictEqual(this.heap.size, this.entries.length)
    assert.sameMembers([...this.heap.values()], this.entries)
    const sorted = this.entries.toSorted(inOrder)
    assert.deepStrictEqual(this.heap.first(7), sorted.slice(0, 7))
    assert.deepStrictEqual(this.heap.first(sorted.length + 1), sorted)
    const sample = this.heap.sample(5)
    assert.strictEqual(new Set(sample).size, sample.length)
    assert.includeMembers(this.entries, sample)
    assert.isAtMost(sample.length, 5)
    assert.strictEqual(sample.length > 0, this.entries.length > 0)
  }

  drain(): void {
    assert.deepStrictEqual(drained(this.heap), this.entries.toSorted(inOrder))
    assert.strictEqual(this.heap.size, 0)
    assert.strictEqual(this.heap.pop(), undefined)
  }

  private first(): Entry | undefined {
    let first: Entry | undefined
    for (const entry of this.entries) if (first === undefined || inOrder(entry, first) < 0) first = entry
    return first
  }

  private pick(pick: number): Entry | undefined {
    return this.entries[pick % this.entries.length]
  }

  private forget(entry: Entry): void {
    this.bySlot.delete(entry.slot)
    const last = this.entries.pop()!
    if (last !== entry) this.entries[this.entries.indexOf(entry)] = last
  }
}

// Few keys, so that ties are common, and any key. Literals must be finite, hence the names.
const Key = Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: -9, maximum: 9 })),
  Schema.Finite,
  Schema.Literals(["-Infinity", "Infinity"])
])
const Pick = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
const Step = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("push"), key: Key }),
  Schema.Struct({ kind: Schema.Literal("pop") }),
  Schema.Struct({ kind: Schema.Literal("remove"), pick: Pick }),
  Schema.Struct({ kind: Schema.Literal("update"), pick: Pick, key: Key })
])

describe("PriorityHeap", () => {
  it.prop(
    "agrees with a list for every script",
    { script: Schema.Array(Step) },
    ({ script }) => {
      const pair = new Pair()
      for (const step of script) {
        if (step.kind === "push") pair.push(Number(step.key))
        else if (step.kind === "pop") pair.pop()
        else if (step.kind === "remove") pair.remove(step.pick)
        else pair.update(step.pick, Number(step.key))
      }
      pair.check()
      pair.drain()
    },
    { arbitrary: { runs: 200, size: 100 } }
  )

  it.prop(
    "split and pop return entries by key and then by sequence for every list of keys",
    { keys: Schema.Array(Key) },
    ({ keys }) => {
      const pair = new Pair()
      for (const key of keys) pair.push(Number(key))
      pair.drain()
    },
    { arbitrary: { runs: 200 } }
  )

  // The sizes cross every doubling and halving up to 512, with ten keys so that most comparisons are ties.
  it.each([1, 2, 3, 4, 5, 6])("agrees with a list for 20,000 random operations, seed %i", (seed) => {
    const random = mulberry(seed)
    const pair = new Pair()
    const key = seed % 2 === 0 ? () => Math.floor(random() * 10) : () => random() * 2000 - 1000

    for (let operation = 0; operation < 20_000; operation++) {
      const filling = Math.floor(operation / 1000) % 2 === 0
      const dice = random()
      if (dice < (filling ? 0.6 : 0.2)) pair.push(key())
      else if (dice < (filling ? 0.7 : 0.6)) pair.pop()
      else if (dice < 0.85) pair.remove(Math.floor(random() * 1_000_000))
      else pair.update(Math.floor(random() * 1_000_000), key())
      if (operation % 500 === 0) pair.check()
    }

    pair.check()
    pair.drain()
  })

  it("keeps slots valid while storage shrinks around them", () => {
    const heap = new PriorityHeap<number>()
    const slots = Array.from({ length: 10_000 }, (_, index) => heap.push(index, index, 0))

    // The entries left are those with the highest slots, which pin the slot table.
    for (let index = 0; index < 9_990; index++) assert.strictEqual(heap.pop(), index)
    const late = Array.from({ length: 20 }, (_, index) => heap.push(20_000 + index, 20_000 + index, 0))
    assert.strictEqual(new Set([...slots.slice(9_990), ...late]).size, 30)

    heap.update(slots[9_999]!, -1, 0)
    assert.strictEqual(heap.pop(), 9_999)
    assert.strictEqual(heap.remove(slots[9_995]!), 9_995)
    assert.strictEqual(heap.remove(late[7]!), 20_007)
    assert.strictEqual(heap.size, 27)
    assert.strictEqual(drained(heap).length, 27)
  })

  it("gives storage back after a burst", () => {
    const heap = new PriorityHeap<number>()
    const small = storageOf(heap)

    const survivor = heap.push(-1, Infinity, 0)
    for (let index = 0; index < 100_000; index++) heap.push(index, index, 0)
    const large = storageOf(heap)
    for (let index = 0; index < 100_000; index++) heap.pop()

    assert.isAbove(large, 100_000 * 24)
    assert.isBelow(storageOf(heap), 2 * small)
    assert.strictEqual(heap.remove(survivor), -1)
  })

  it("releases a value as soon as its entry leaves", () => {
    const heap = new PriorityHeap<object>()
    const stored = (): ReadonlyArray<unknown> =>
      (Reflect.get(heap, "held") as Array<unknown>).filter((value) => value !== undefined)

    const popped = {}
    const removed = {}
    const kept = {}
    heap.push(popped, 0, 0)
    const slot = heap.push(removed, 1, 1)
    heap.push(kept, 2, 2)
    heap.pop()
    heap.remove(slot)

    assert.deepStrictEqual(stored(), [kept])
    heap.clear()
    assert.deepStrictEqual(stored(), [])
  })

  it("clear returns every entry and leaves a heap that can be used again", () => {
    const heap = new PriorityHeap<number>()
    const slots = [5, 3, 4].map((key) => heap.push(key, key, 0))

    assert.sameMembers(heap.clear(), [3, 4, 5])

    assert.strictEqual(heap.size, 0)
    assert.strictEqual(heap.peek(), undefined)
    assert.strictEqual(heap.peekKey(), Infinity)
    assert.throws(() => heap.remove(slots[0]!), RangeError)
    heap.push(2, 2, 0)
    heap.push(1, 1, 0)
    assert.deepStrictEqual(drained(heap), [1, 2])
  })

  it("refuses a slot whose entry has left", () => {
    const heap = new PriorityHeap<string>()
    const slot = heap.push("a", 0, 0)
    heap.push("b", 1, 1)
    heap.pop()

    assert.throws(() => heap.remove(slot), RangeError)
    assert.throws(() => heap.update(slot, 0, 0), RangeError)
    for (const stray of [-1, 0.5, 1_000_000, NaN]) assert.throws(() => heap.remove(stray), RangeError)
    assert.deepStrictEqual(drained(heap), ["b"])
  })
})

/** Bytes of the heap's typed arrays and of its values, at 8 bytes each. */
const storageOf = (heap: PriorityHeap<number>): number => {
  let bytes = 0
  for (const field of Object.values(heap)) {
    if (ArrayBuffer.isView(field)) bytes += field.byteLength
    else if (Array.isArray(field)) bytes += 8 * field.length
  }
  return bytes
}
