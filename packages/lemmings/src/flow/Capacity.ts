/**
 * Who has room in the queue, who waits for room, and who is dropped to make room. Entries of the line count, not tasks.
 */
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import type { Overflow } from "../model/HerdConfig.ts"
import { priorityLevel, type QueuedTask } from "../model/Task.ts"
import { type Flow, type Key, none, type Places, Room } from "./Flows.ts"

export interface CapacityOptions {
  /** Most entries that wait. `Infinity`: unbounded. */
  readonly capacity: number
  readonly overflow: Overflow
  /** Milliseconds of waiting worth one level. `Infinity`: strict order. */
  readonly ageing: number
}

const normal = priorityLevel("normal")

/** The room of one line. */
export class Capacity<T extends QueuedTask> {
  /** Entries that have room, those of them above priority "normal", and entries that wait for room. */
  size = 0
  urgent = 0
  admitting = 0
  readonly most: number
  private readonly places: Places<T>
  private readonly ageing: number
  /** Those that wait for room in the queue. */
  private readonly room = new PriorityHeap<T>()
  /** Who is dropped first: kept only where dropping can happen. */
  private readonly victims: PriorityHeap<T> | undefined
  private readonly longest: PriorityHeap<Key> | undefined
  private readonly lowestFirst: boolean

  constructor(places: Places<T>, { ageing, capacity, overflow }: CapacityOptions) {
    this.places = places
    this.ageing = ageing
    this.most = capacity
    this.lowestFirst = overflow === "dropLowest"
    this.victims = overflow === "dropOldest" || overflow === "dropLowest" ? new PriorityHeap() : undefined
    this.longest = overflow === "dropLongest" ? new PriorityHeap() : undefined
  }

  /** The static key: the least is first, levels and ageing counted. */
  keyOf({ enqueuedAt, level }: T): number {
    return this.ageing === Infinity ? -level : enqueuedAt - level * this.ageing
  }

  get full(): boolean {
    return this.size >= this.most
  }

  /** An entry has room. */
  admit(task: T, key: Key): void {
    this.size++
    key.admitted++
    if (task.level > normal) this.urgent++
    if (this.victims !== undefined)
      task.victim = this.lowestFirst
        ? this.victims.push(task, -this.keyOf(task), -task.sequence)
        : this.victims.push(task, task.sequence, task.sequence)
    this.lengthen(key)
  }
  /** An entry that had room leaves. */
  dismiss(task: T, key: Key): void {
    this.size--
    key.admitted--
    if (task.level > normal) this.urgent--
    if (this.victims !== undefined) {
      if (task.victim >= 0) this.victims.remove(task.victim)
      task.victim = none
    }
    this.lengthen(key)
  }
  private lengthen(key: Key): void {
    const { longest } = this
    if (longest === undefined) return
    if (key.admitted === 0) {
      if (key.longest !== none) longest.remove(key.longest)
      key.longest = none
    } else if (key.longest === none) key.longest = longest.push(key, -key.admitted, 0)
    else longest.update(key.longest, -key.admitted, 0)
  }

  /** An entry that stands in its flow waits for room. */
  wait(task: T, key: Key, where: 1 | 2): void {
    this.admitting++
    this.places.setRoom(task.slot, where)
    if (where === Room.key) {
      key.room ??= new PriorityHeap()
      task.victim = key.room.push(task.slot, this.keyOf(task), task.sequence)
    } else task.victim = this.room.push(task, this.keyOf(task), task.sequence)
  }
  /** It waits no longer. */
  unwait(task: T, key: Key, where: number): void {
    this.admitting--
    if (where === Room.queue) this.room.remove(task.victim)
    else key.room?.remove(task.victim)
    if (key.room?.size === 0) key.room = undefined
    task.victim = none
  }

  /** Lets those in that there is room for now, of the key and of all. */
  refill(key: Key): void {
    while (key.room !== undefined && key.admitted < key.bound) {
      const task = this.places.task(key.room.peek()!)
      this.unwait(task, key, Room.key)
      if (this.full) this.wait(task, key, Room.queue)
      else this.enter(task, key)
    }
    while (this.room.size > 0 && !this.full) {
      const task = this.room.peek()!
      const its = this.places.flow(task.slot).key
      this.unwait(task, its, Room.queue)
      this.enter(task, its)
    }
  }
  private enter(task: T, key: Key): void {
    this.places.setRoom(task.slot, Room.admitted)
    this.admit(task, key)
    task.admitted()
  }

  /** Who is dropped to make room in the queue. */
  victim(): T | undefined {
    if (this.longest === undefined) return this.victims?.peek()
    const key = this.longest.peek()
    const flow = key === undefined ? undefined : lowest(key)
    return flow === undefined ? undefined : this.places.task(this.places.oldest(flow))
  }
  /** Who is dropped to make room in a key: its newest of the lowest level, or its oldest. */
  victimOf(key: Key): T | undefined {
    const flow = lowest(key)
    if (flow === undefined) return undefined
    if (this.lowestFirst) return this.places.task(this.places.newest(flow))
    let oldest: T | undefined
    for (const each of key.flows) {
      if (each.entries === 0) continue
      const task = this.places.task(this.places.oldest(each))
      if (oldest === undefined || task.sequence < oldest.sequence) oldest = task
    }
    return oldest
  }
}

const lowest = (key: Key): Flow | undefined => {
  let found: Flow | undefined
  for (const flow of key.flows)
    if (flow.entries > 0 && (found === undefined || flow.level < found.level)) found = flow
  return found
}
