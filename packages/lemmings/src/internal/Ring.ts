/**
 * A first-in, first-out queue in one circular array.
 *
 * **Details**
 *
 * Capacity is a power of two. It doubles when full and halves when under a
 * quarter full, so both ends cost O(1) amortized and a burst is given back.
 */

const minimumCapacity = 16

/** A growable first-in, first-out queue. */
export class Ring<A> {
  private items: Array<A | undefined> = vacant(minimumCapacity)
  private mask: number = minimumCapacity - 1
  private head = 0
  private length = 0

  /** Items held. */
  get size(): number {
    return this.length
  }

  /** Adds an item at the back. */
  push(item: A): void {
    if (this.length > this.mask) this.resize(this.items.length * 2)
    this.items[(this.head + this.length) & this.mask] = item
    this.length++
  }

  /** Takes the item at the front, or returns `undefined` when empty. */
  shift(): A | undefined {
    if (this.length === 0) return undefined
    const item = this.items[this.head]
    this.items[this.head] = undefined
    this.head = (this.head + 1) & this.mask
    this.length--
    const capacity = this.items.length
    if (capacity > minimumCapacity && this.length < capacity >> 2) this.resize(capacity >> 1)
    return item
  }

  /** Forgets every item. */
  clear(): void {
    this.items = vacant(minimumCapacity)
    this.mask = minimumCapacity - 1
    this.head = 0
    this.length = 0
  }

  /** The items from front to back. The ring must not change while they are read. */
  *[Symbol.iterator](): IterableIterator<A> {
    for (let offset = 0; offset < this.length; offset++) {
      yield this.items[(this.head + offset) & this.mask] as A
    }
  }

  private resize(capacity: number): void {
    const items = vacant<A>(capacity)
    for (let offset = 0; offset < this.length; offset++) {
      items[offset] = this.items[(this.head + offset) & this.mask]
    }
    this.items = items
    this.mask = capacity - 1
    this.head = 0
  }
}

// Pushed rather than preallocated, which V8 would keep as a slower array with holes.
const vacant = <A>(capacity: number): Array<A | undefined> => {
  const items: Array<A | undefined> = []
  for (let index = 0; index < capacity; index++) items.push(undefined)
  return items
}
