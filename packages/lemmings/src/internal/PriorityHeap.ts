/**
 * An indexed min-heap: a priority queue whose entries can be removed or moved
 * while they wait.
 *
 * Entries leave in ascending order of `(key, sequence)`. Every operation is
 * O(log n) and allocation-free, save for the doubling and halving of storage.
 *
 * **Details**
 *
 * The heap is 4-ary. The four children of an entry are 64 adjacent bytes, so a
 * level costs one or two cache lines, and there are half as many levels as in a
 * binary heap.
 *
 * **Gotchas**
 *
 * Neither a key nor a sequence may be `NaN`, which has no order.
 */

// Above 0, so that a fresh position table reads as vacant. Child groups then start 48 bytes past a multiple of 64, which
// is a cache line wherever the allocator, as glibc does for large blocks, puts a 16-byte header before the array.
const root = 2

const minimumCapacity = 64

// Ends the list of vacant slots, which runs through the position table as `~next`.
const noSlot = -1

/**
 * A priority queue ordered by `(key, sequence)`, smallest first, with handles
 * to the entries inside.
 */
export class PriorityHeap<A> {
  // By heap position, from `root`: [key, sequence] pairs. Pairs past the end are infinite, so that a sift can compare
  // four children without counting them.
  private pairs: Float64Array = makePairs(minimumCapacity)
  // By heap position: the slot of the entry.
  private slots: Int32Array = new Int32Array(room(minimumCapacity))
  // By slot: the position of the entry, or less than `root` when the slot is vacant: then `~next` if it is listed.
  private positions: Int32Array = new Int32Array(minimumCapacity)
  // By slot. Shorter than `positions`: slots past its length were never used.
  private held: Array<A | undefined> = []
  private vacant: number = noSlot
  // Slots in use in the upper half of the slot tables, which can be halved when there are none.
  private upper = 0
  // First position past the entries.
  private end: number = root

  /** Entries in the heap. */
  get size(): number {
    return this.end - root
  }

  /**
   * Adds an entry and returns its slot, the handle that `remove` and `update`
   * take. The slot is valid until the entry leaves, then it is given to another.
   */
  push(value: A, key: number, sequence: number): number {
    const position = this.end
    if (position - root === capacityOf(this.slots)) this.resize(capacityOf(this.slots) * 2)
    let slot = this.vacant
    if (slot === noSlot) {
      slot = this.held.length
      if (slot === this.positions.length) {
        const positions = new Int32Array(slot * 2)
        positions.set(this.positions)
        this.positions = positions
        this.upper = 0
      }
      this.held.push(value)
    } else {
      this.vacant = ~this.positions[slot]!
      this.held[slot] = value
    }
    if (slot >= this.positions.length >> 1) this.upper++
    this.end = position + 1
    this.rise(position, slot, key, sequence)
    return slot
  }

  /** The first entry, or `undefined` when empty. */
  peek(): A | undefined {
    return this.end === root ? undefined : this.held[this.slots[root]!]
  }

  /** Key of the first entry, or `Infinity` when empty. */
  peekKey(): number {
    return this.pairs[2 * root]!
  }

  /** Takes the first entry out, or returns `undefined` when empty. */
  pop(): A | undefined {
    if (this.end === root) return undefined
    const slot = this.slots[root]!
    const value = this.held[slot]
    this.vacate(slot)
    this.extract(root)
    return value
  }

  /** Takes the entry in `slot` out. Throws a `RangeError` when the slot is vacant. */
  remove(slot: number): A {
    const position = this.positionOf(slot)
    const value = this.held[slot] as A
    this.vacate(slot)
    this.extract(position)
    return value
  }

  /** Moves the entry in `slot` to a new place in the order. Throws a `RangeError` when the slot is vacant. */
  update(slot: number, key: number, sequence: number): void {
    const position = this.positionOf(slot)
    const oldKey = this.pairs[2 * position]!
    const earlier = key < oldKey || (key === oldKey && sequence < this.pairs[2 * position + 1]!)
    this.rise(earlier ? position : this.sink(position), slot, key, sequence)
  }

  /** Moves every entry to a heap of its own, in O(1). Its slots there are those that it had here. */
  split(): PriorityHeap<A> {
    const taken = new PriorityHeap<A>()
    taken.pairs = this.pairs
    taken.slots = this.slots
    taken.positions = this.positions
    taken.held = this.held
    taken.vacant = this.vacant
    taken.upper = this.upper
    taken.end = this.end
    this.reset()
    return taken
  }

  /** Takes every entry out and returns them in no particular order. */
  clear(): Array<A> {
    const values = [...this.values()]
    this.reset()
    return values
  }

  /** Takes every entry out and returns them first to last. */
  drain(): Array<A> {
    const values: Array<A> = []
    for (let left = this.size; left > 0; left--) values.push(this.pop() as A)
    return values
  }

  /** The entries in no particular order. The heap must not change while they are read. */
  *values(): IterableIterator<A> {
    for (let position = root; position < this.end; position++) {
      yield this.held[this.slots[position]!] as A
    }
  }

  /**
   * The first `count` entries in order, which stay. O(c log c) for the `c` of them, whatever else is in the heap: only
   * the children of an entry that was taken can be next.
   */
  first(count: number): Array<A> {
    const found: Array<A> = []
    const front = new PriorityHeap<number>()
    const see = (position: number) => {
      if (position < this.end) front.push(position, this.pairs[2 * position]!, this.pairs[2 * position + 1]!)
    }
    see(root)
    while (found.length < count) {
      const position = front.pop()
      if (position === undefined) break
      found.push(this.held[this.slots[position]!] as A)
      const child = 4 * position - 5
      for (let next = child; next < child + 4; next++) see(next)
    }
    return found
  }

  /** At most `most` entries, spread over the heap: one of each part of it, but no regular pattern. */
  sample(most: number): Array<A> {
    const found: Array<A> = []
    const parts = Math.min(most, this.size)
    for (let part = 0; part < parts; part++) {
      // The golden ratio's multiples: entries that were added in a pattern must not all fall through it.
      const inside = (part * 0.618_033_988_749_895) % 1
      const position = root + Math.floor(((part + inside) * this.size) / parts)
      found.push(this.held[this.slots[position]!] as A)
    }
    return found
  }

  private positionOf(slot: number): number {
    const position = this.positions[slot]
    if (position === undefined || position < root) {
      throw new RangeError(`PriorityHeap: slot must hold an entry, got ${slot}`)
    }
    return position
  }

  private vacate(slot: number): void {
    if (slot >= this.positions.length >> 1) this.upper--
    this.held[slot] = undefined
    this.positions[slot] = ~this.vacant
    this.vacant = slot
  }

  /** Closes the gap at `position` with the last entry. */
  private extract(position: number): void {
    const pairs = this.pairs
    const last = --this.end
    const key = pairs[2 * last]!
    const sequence = pairs[2 * last + 1]!
    const slot = this.slots[last]!
    pairs[2 * last] = Infinity
    pairs[2 * last + 1] = Infinity
    if (position !== last) this.rise(this.sink(position), slot, key, sequence)
    if (last - root < capacityOf(this.slots) >> 2) this.shrink()
  }

  /** Fills the hole at `position`, or one above it, moving later entries down. */
  private rise(position: number, slot: number, key: number, sequence: number): void {
    const pairs = this.pairs
    const slots = this.slots
    const positions = this.positions
    let hole = position
    while (hole > root) {
      const parent = (hole + 5) >> 2
      const parentKey = pairs[2 * parent]!
      if (key > parentKey) break
      const parentSequence = pairs[2 * parent + 1]!
      if (key === parentKey && sequence >= parentSequence) break
      const parentSlot = slots[parent]!
      pairs[2 * hole] = parentKey
      pairs[2 * hole + 1] = parentSequence
      slots[hole] = parentSlot
      positions[parentSlot] = hole
      hole = parent
    }
    pairs[2 * hole] = key
    pairs[2 * hole + 1] = sequence
    slots[hole] = slot
    positions[slot] = hole
  }

  /**
   * Moves the hole at `position` down to a leaf, always swapping it with the
   * first of its children, and returns that leaf.
   *
   * The entry that fills the hole is not compared on the way: it comes from the
   * bottom, so it almost always belongs there, and rises from the leaf if not.
   */
  private sink(position: number): number {
    const pairs = this.pairs
    const slots = this.slots
    const positions = this.positions
    const end = this.end
    let hole = position
    let child = 4 * hole - 5
    while (child < end) {
      // A tournament in arithmetic rather than branches, which random keys would mispredict every other time.
      const at = 2 * child
      const left = child + before(pairs[at + 2]!, pairs[at + 3]!, pairs[at]!, pairs[at + 1]!)
      const right = child + 2 + before(pairs[at + 6]!, pairs[at + 7]!, pairs[at + 4]!, pairs[at + 5]!)
      const swap = before(pairs[2 * right]!, pairs[2 * right + 1]!, pairs[2 * left]!, pairs[2 * left + 1]!)
      const first = left + ((right - left) & (0 - swap))
      const slot = slots[first]!
      pairs[2 * hole] = pairs[2 * first]!
      pairs[2 * hole + 1] = pairs[2 * first + 1]!
      slots[hole] = slot
      positions[slot] = hole
      hole = first
      child = 4 * hole - 5
    }
    return hole
  }

  private shrink(): void {
    const capacity = capacityOf(this.slots)
    if (this.end === root) {
      if (capacity > minimumCapacity || this.positions.length > minimumCapacity) this.reset()
      return
    }
    if (capacity > minimumCapacity) this.resize(capacity >> 1)
    // Slots keep the room that entries have, or they would soon grow again.
    while (this.upper === 0 && this.positions.length > capacityOf(this.slots)) this.halveSlots()
  }

  private resize(capacity: number): void {
    const pairs = makePairs(capacity)
    pairs.set(this.pairs.subarray(0, 2 * this.end))
    this.pairs = pairs
    const slots = new Int32Array(room(capacity))
    slots.set(this.slots.subarray(0, this.end))
    this.slots = slots
  }

  /** Gives back the upper half of the slots. The others cannot move while callers hold them. */
  private halveSlots(): void {
    const capacity = this.positions.length >> 1
    const positions = this.positions.slice(0, capacity)
    const used = Math.min(this.held.length, capacity)
    this.positions = positions
    this.held.length = used
    this.vacant = noSlot
    for (let slot = used - 1; slot >= 0; slot--) {
      if (positions[slot]! >= root) {
        if (slot >= capacity >> 1) this.upper++
      } else {
        positions[slot] = ~this.vacant
        this.vacant = slot
      }
    }
  }

  private reset(): void {
    this.pairs = makePairs(minimumCapacity)
    this.slots = new Int32Array(room(minimumCapacity))
    this.positions = new Int32Array(minimumCapacity)
    this.held = []
    this.vacant = noSlot
    this.upper = 0
    this.end = root
  }
}

/** 1 when the first pair is ordered before the second, 0 when not. */
const before = (key: number, sequence: number, otherKey: number, otherSequence: number): number =>
  +(key < otherKey) | (+(key === otherKey) & +(sequence < otherSequence))

// The last child group may reach three positions past the last entry.
const room = (capacity: number): number => capacity + root + 4

const capacityOf = (slots: Int32Array): number => slots.length - root - 4

const makePairs = (capacity: number): Float64Array => new Float64Array(2 * room(capacity)).fill(Infinity)
