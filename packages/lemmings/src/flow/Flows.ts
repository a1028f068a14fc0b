/** Where waiting tasks stand: flows, which are lists by (level, key), and the records of their keys. */
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import type { Criticality, QueuedTask } from "../model/Task.ts"
import type { Meter } from "./Rate.ts"

/** No place, no slot. */
export const none = -1

/** Where a flow stands among the flows. */
export const Standing = {
  /** Empty, or held by a limit. */
  asleep: 0,
  /** Its next task waits for a worker alone. */
  active: 1,
  /** At its cap, which binds only while another key has a task that could run. */
  spare: 2
} as const

/** The tasks of one key at one level, oldest first. */
export class Flow {
  readonly key: Key
  readonly level: number
  standing: 0 | 1 | 2 = Standing.asleep
  /** Ends of the list of those that came in order. */
  first: number = none
  last: number = none
  /** Those that came back with an old place, by sequence. */
  back: PriorityHeap<number> | undefined
  /** Entries of the line. */
  entries = 0
  /** Virtual times of fair order, of the era: of its coming, of its next task, and of the end of what it was charged. */
  base = 0
  start = 0
  finish = 0
  era = 0
  /** Slots in the heaps of the set of flows it stands in. */
  byAge: number = none
  byStart: number = none
  /** When it last had no ready task. */
  emptyAt = 0

  constructor(key: Key, level: number) {
    this.key = key
    this.level = level
  }
}

/** Which tasks are refused now, by criticality. */
export type Refusing = { [_ in Criticality]: boolean }

/** What the limits say of one key. Keys of which they say the same share it. */
export interface KeyLaw {
  readonly cap: number
  readonly share: number
  /** Most entries that wait. */
  readonly bound: number
  /** Whether no limit of keys is about it. A hold may hold it all the same. */
  readonly free: boolean
}

const unruled: KeyLaw = { cap: Infinity, share: 1, bound: Infinity, free: true }

/** What most keys never need, made for those that do, so that a waiting key stays small. */
class Rare {
  holdUntil = -Infinity
  /** Counts holds, so that a late failure of before a hold is known. */
  epoch = 0
  /** 0: none wanted, 1: the next task is one, 2: one runs. */
  probe: 0 | 1 | 2 = 0
  /** Whose turn it is, where tasks of a key run one after the other. */
  turn: QueuedTask | undefined
  /** A flow that gets ready tasks before this time is overloaded at once. */
  hotUntil = -Infinity
  /** Whom of it an overload refuses, once that was asked. */
  refusing: Refusing | undefined
  /** Slot among the sleepers, and when it wakes. */
  sleeper: number = none
  wakesAt = Infinity
  /** Entries that wait for room in the key. */
  room: PriorityHeap<number> | undefined
  /** Slot in the order of the longest. */
  longest: number = none
}

// Of all that have nothing of it. Nobody writes to it.
const usual = new Rare()
const noMeters: ReadonlyArray<Meter> = []
const noFlows: ReadonlyArray<Flow> = []

/** What is known of one key, for as long as it matters. */
export class Key {
  readonly name: string | undefined
  /** Of each level at which it has tasks, or owes something. Most have one: a list that could grow would be longer than that. */
  flows: ReadonlyArray<Flow> = noFlows
  /** Weight that runs, and tasks. */
  running = 0
  seats = 0
  /** Tasks that wait, those of batches one by one, and their weight. */
  waiting = 0
  waitingWeight = 0
  /** Entries that the queue has room for, of this key. */
  admitted = 0
  law: KeyLaw = unruled
  meters: ReadonlyArray<Meter> = noMeters
  /** Whether something could hold its tasks when it was looked at last. */
  restrained = false
  /** Tasks of it that count as ready. */
  ready = 0
  /** What few keys have. Shared by those that have nothing of it. */
  private rare: Rare = usual
  /** Whether it stands among those that may be forgotten. */
  listed = false

  constructor(name: string | undefined) {
    this.name = name
  }

  get cap(): number {
    return this.law.cap
  }
  get share(): number {
    return this.law.share
  }
  get bound(): number {
    return this.law.bound
  }
  get free(): boolean {
    return this.law.free
  }

  get holdUntil(): Rare["holdUntil"] {
    return this.rare.holdUntil
  }
  set holdUntil(value: Rare["holdUntil"]) {
    if (value !== this.rare.holdUntil) this.own.holdUntil = value
  }
  get epoch(): Rare["epoch"] {
    return this.rare.epoch
  }
  set epoch(value: Rare["epoch"]) {
    if (value !== this.rare.epoch) this.own.epoch = value
  }
  get probe(): Rare["probe"] {
    return this.rare.probe
  }
  set probe(value: Rare["probe"]) {
    if (value !== this.rare.probe) this.own.probe = value
  }
  get turn(): Rare["turn"] {
    return this.rare.turn
  }
  set turn(value: Rare["turn"]) {
    if (value !== this.rare.turn) this.own.turn = value
  }
  get hotUntil(): Rare["hotUntil"] {
    return this.rare.hotUntil
  }
  set hotUntil(value: Rare["hotUntil"]) {
    if (value !== this.rare.hotUntil) this.own.hotUntil = value
  }
  get refusing(): Rare["refusing"] {
    return this.rare.refusing
  }
  set refusing(value: Rare["refusing"]) {
    if (value !== this.rare.refusing) this.own.refusing = value
  }
  get sleeper(): Rare["sleeper"] {
    return this.rare.sleeper
  }
  set sleeper(value: Rare["sleeper"]) {
    if (value !== this.rare.sleeper) this.own.sleeper = value
  }
  get wakesAt(): Rare["wakesAt"] {
    return this.rare.wakesAt
  }
  set wakesAt(value: Rare["wakesAt"]) {
    if (value !== this.rare.wakesAt) this.own.wakesAt = value
  }
  get room(): Rare["room"] {
    return this.rare.room
  }
  set room(value: Rare["room"]) {
    if (value !== this.rare.room) this.own.room = value
  }
  get longest(): Rare["longest"] {
    return this.rare.longest
  }
  set longest(value: Rare["longest"]) {
    if (value !== this.rare.longest) this.own.longest = value
  }
  private get own(): Rare {
    if (this.rare === usual) this.rare = new Rare()
    return this.rare
  }

  flowAt(level: number): Flow {
    for (const flow of this.flows) if (flow.level === level) return flow
    const flow = new Flow(this, level)
    this.flows = this.flows.length === 0 ? [flow] : [...this.flows, flow]
    return flow
  }
  /** The flow is of no account any more. */
  forget(flow: Flow): void {
    if (this.flows.length === 1 && this.flows[0] === flow) this.flows = noFlows
    else this.flows = this.flows.filter((other) => other !== flow)
  }
}

/** Whether nothing of a key waits or runs. */
export const idle = ({ seats, waiting }: Key): boolean => waiting === 0 && seats === 0

/** Whether an entry has room in the queue, waits for room in the queue, or for room in its key. */
export const Room = { admitted: 0, queue: 1, key: 2 } as const

/** The places of all waiting tasks. A task's `slot` is its place. */
export class Places<T extends QueuedTask> {
  private held: Array<T | undefined> = []
  private flows: Array<Flow | undefined> = []
  private nexts = new Int32Array(64)
  private previous = new Int32Array(64)
  /** Slot in `back` where a task came back, or in the heap of those that wait for room. */
  private rooms = new Uint8Array(64)
  private returned = new Uint8Array(64)
  private vacant: number = none

  task(place: number): T {
    return this.held[place]!
  }
  flow(place: number): Flow {
    return this.flows[place]!
  }
  room(place: number): number {
    return this.rooms[place]!
  }
  setRoom(place: number, room: number): void {
    this.rooms[place] = room
  }

  /** Puts a task into a flow, by its sequence. */
  insert(task: T, flow: Flow): number {
    const place = this.take(task, flow)
    task.slot = place
    flow.entries++
    const { last } = flow
    if (last !== none && this.held[last]!.sequence > task.sequence) {
      this.returned[place] = 1
      this.previous[place] = (flow.back ??= new PriorityHeap()).push(place, task.sequence, 0)
      return place
    }
    this.returned[place] = 0
    this.previous[place] = last
    this.nexts[place] = none
    if (last === none) flow.first = place
    else this.nexts[last] = place
    flow.last = place
    return place
  }

  /** Takes a task out of its flow. */
  remove(place: number): void {
    const flow = this.flows[place]!
    flow.entries--
    if (this.returned[place] === 1) {
      flow.back!.remove(this.previous[place]!)
      if (flow.back!.size === 0) flow.back = undefined
    } else {
      const before = this.previous[place]!
      const after = this.nexts[place]!
      if (before === none) flow.first = after
      else this.nexts[before] = after
      if (after === none) flow.last = before
      else this.previous[after] = before
    }
    this.held[place]!.slot = none
    this.held[place] = undefined
    this.flows[place] = undefined
    this.nexts[place] = this.vacant
    this.vacant = place
  }

  /** The oldest of a flow that is not empty. */
  oldest(flow: Flow): number {
    const { back, first } = flow
    if (back === undefined) return first
    const place = back.peek()!
    return first === none || this.held[place]!.sequence < this.held[first]!.sequence ? place : first
  }
  /** The newest of a flow that is not empty. */
  newest(flow: Flow): number {
    return flow.last === none ? flow.back!.peek()! : flow.last
  }

  /** How many entries of its flow are older. O(entries of the flow). */
  ahead(place: number): number {
    const { sequence } = this.held[place]!
    let tasks = 0
    for (const other of this.each(this.flow(place))) {
      const task = this.held[other]!
      if (other !== place && task.sequence < sequence) tasks += task.tasks
    }
    return tasks
  }

  /** The places of one flow, in no order. It must not change while they are read. */
  *each(flow: Flow): Generator<number> {
    for (let place = flow.first; place !== none; place = this.nexts[place]!) yield place
    if (flow.back !== undefined) yield* flow.back.values()
  }

  /** Every task with this kind of room, in no order. */
  *all(room: (room: number) => boolean): Generator<T> {
    for (let place = 0; place < this.held.length; place++) {
      const task = this.held[place]
      if (task !== undefined && room(this.rooms[place]!)) yield task
    }
  }
  /** Places ever used, vacant ones included. */
  get length(): number {
    return this.held.length
  }
  at(place: number): T | undefined {
    return this.held[place]
  }

  private take(task: T, flow: Flow): number {
    let place = this.vacant
    if (place === none) {
      place = this.held.length
      if (place === this.nexts.length) this.grow()
      this.held.push(task)
      this.flows.push(flow)
    } else {
      this.vacant = this.nexts[place]!
      this.held[place] = task
      this.flows[place] = flow
    }
    return place
  }
  private grow(): void {
    const length = this.nexts.length * 2
    const wider = (old: Int32Array) => {
      const next = new Int32Array(length)
      next.set(old)
      return next
    }
    const wide = (old: Uint8Array) => {
      const next = new Uint8Array(length)
      next.set(old)
      return next
    }
    this.nexts = wider(this.nexts)
    this.previous = wider(this.previous)
    this.rooms = wide(this.rooms)
    this.returned = wide(this.returned)
  }
  /** Gives the memory of the places back. There must be no task. */
  reset(): void {
    if (this.held.length <= 1_024) return
    this.held = []
    this.flows = []
    this.nexts = new Int32Array(64)
    this.previous = new Int32Array(64)
    this.rooms = new Uint8Array(64)
    this.returned = new Uint8Array(64)
    this.vacant = none
  }
}
