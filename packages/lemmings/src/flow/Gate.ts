/**
 * Which flows may have their next task started, and what the herd's own limits say.
 *
 * Each change of a key touches the flows of this key alone. What a clock opens sleeps in one heap.
 */
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import type { Obstacle } from "../model/HerdFlow.ts"
import type { QueuedTask } from "../model/Task.ts"
import { type Flow, idle, type Key, none, type Places, Standing } from "./Flows.ts"
import { KeyRecords } from "./KeyRecords.ts"
import { type Limits, ofKey } from "../model/Limits.ts"
import { Order, VirtualTimes } from "./Order.ts"
import * as Rate from "./Rate.ts"

/** What holds a task, and when it opens. `Infinity`: with the end of another task, or never. */
export class Held {
  readonly by: Obstacle
  readonly opensAt: number
  constructor(by: Obstacle, opensAt = Infinity) {
    this.by = by
    this.opensAt = opensAt
  }
}

const held = {
  probe: new Held("probe"),
  turn: new Held("turn"),
  concurrency: new Held("concurrency"),
  weight: new Held("weight")
}

/**
 * Whether weight has no room beside what runs. What is heavier than the limit, because that was lowered while it waited, needs
 * all of it.
 */
const beyond = (running: number, weight: number, limit: number): boolean =>
  running + Math.min(weight, limit) > limit

// The longest hold, and the most that its end is put off so that keys that were held together do not open together.
const longestHold = 3_600_000
const jitter = 0.1

export class Gate<T extends QueuedTask = QueuedTask> {
  limits: Limits
  readonly times = new VirtualTimes()
  readonly keys: KeyRecords
  private readonly places: Places<T>
  private readonly active: Order
  private readonly spare: Order
  private readonly sleepers = new PriorityHeap<Key>()
  private meters: ReadonlyArray<Rate.Meter>
  private draws = 0
  /** Since when there has been a ready task. `undefined`: there is none. */
  busySince: number | undefined
  /** Tasks that wait and their weight, tasks that run and theirs, and those that no limit of a key holds. */
  waiting = 0
  waitingWeight = 0
  seats = 0
  running = 0
  readySum = 0

  constructor(
    places: Places<T>,
    options: {
      readonly limits: Limits
      readonly order: "arrival" | "fair"
      readonly ageing: number
      readonly report: (where: string, defect: unknown) => void
    }
  ) {
    this.places = places
    this.limits = options.limits
    this.keys = new KeyRecords(options.limits, this.times, options.report)
    this.report = options.report
    this.meters = options.limits.rates.map(Rate.make)
    const fair = options.order === "fair"
    this.active = new Order(fair, options.ageing, this.times)
    this.spare = new Order(fair, options.ageing, this.times)
  }
  private readonly report: (where: string, defect: unknown) => void

  /** The flow whose next task would start, the herd's own limits aside. */
  pick(): Flow | undefined {
    return this.active.pick() ?? this.spare.pick()
  }
  /** The place of the task of a flow that is next: the oldest, or the task whose turn has not ended. */
  next(flow: Flow): number {
    const { turn } = flow.key
    return turn !== undefined && turn.slot >= 0 && this.places.flow(turn.slot) === flow
      ? turn.slot
      : this.places.oldest(flow)
  }
  orders(): ReadonlyArray<Order> {
    return [this.active, this.spare]
  }
  /** The static key of a task: the least is the oldest, levels and ageing counted. */
  ageOf(task: QueuedTask): number {
    return this.active.keyOf(task.level, task)
  }

  /** What of its key holds a task of this weight. */
  holds(key: Key, task: QueuedTask | undefined, weight: number, now: number): Held | undefined {
    if (key.holdUntil > now) return new Held("hold", key.holdUntil)
    if (key.probe === 2) return held.probe
    if (key.free || key.name === undefined) return undefined
    if (this.limits.perKey.ordered && (key.seats > 0 || (key.turn !== undefined && key.turn !== task)))
      return held.turn
    if (key.meters.length > 0) {
      const at = Rate.opensAt(key.meters, now, weight)
      if (at > now) return new Held("keyRate", at)
    }
    return beyond(key.running, weight, key.cap) ? held.concurrency : undefined
  }
  /** What of the herd holds a task of this weight. */
  holdsAll(weight: number, now: number): Held | undefined {
    if (beyond(this.running, weight, this.limits.weight)) return held.weight
    if (this.meters.length === 0) return undefined
    const at = Rate.opensAt(this.meters, now, weight)
    return at > now ? new Held("rate", at) : undefined
  }
  /** When a task that comes now could start but for workers, if a limit would hold it. */
  wouldHold(key: Key, weight: number, now: number): number | undefined {
    if (key.holdUntil > now) return key.holdUntil
    if (key.probe !== 0) return key.probe === 2 || key.waiting > 0 ? Infinity : undefined
    let opens = -Infinity
    if (!key.free && key.name !== undefined) {
      const all = key.waitingWeight + weight
      if (this.limits.perKey.ordered && (key.waiting > 0 || key.seats > 0 || key.turn !== undefined))
        return Infinity
      if (!this.limits.perKey.burst && key.running + all > key.cap) return Infinity
      // More than the rate lets start at once waits for a worker: it opens with those before it, at the earliest.
      const atOnce = key.meters.every(({ most }) => all <= most)
      opens = Rate.opensAt(key.meters, now, atOnce ? all : weight)
    }
    if (beyond(this.running, weight, this.limits.weight)) return Infinity
    opens = Math.max(opens, Rate.opensAt(this.meters, now, weight))
    return opens > now ? opens : undefined
  }

  /** A key has changed: its flows stand where they belong. `changed`: the flow whose next task is another one. */
  touch(key: Key, now: number, changed?: Flow, sequence?: number): void {
    const free = (key.free || key.name === undefined) && key.probe === 0 && key.holdUntil <= now
    if (free) {
      if (changed !== undefined && !key.restrained) this.place(changed, Standing.active, now, sequence)
      else
        for (const flow of key.flows)
          this.place(flow, Standing.active, now, flow === changed ? sequence : undefined)
      key.restrained = false
      this.count(key, key.waiting, now)
      this.sleep(key, Infinity)
    } else {
      key.restrained = true
      this.weigh(key, now, changed, sequence)
    }
    if (changed !== undefined && changed.entries === 0 && this.times.settled(changed)) key.forget(changed)
  }
  private weigh(key: Key, now: number, changed?: Flow, sequence?: number): void {
    let wakes = Infinity
    let may = false
    const burst = this.limits.perKey.burst
    const first = key.flows.length > 1 ? this.scarce(key, now) : undefined
    for (const flow of key.flows) {
      if (flow.entries === 0) {
        this.place(flow, Standing.asleep, now)
        continue
      }
      const head = this.places.task(this.next(flow))
      const own = this.holds(key, head, head.weight ?? 1, now)
      // What a lighter task of a lower level would take of its key is what a heavier one of a higher level waits for.
      const obstacle = own ?? (first !== undefined && this.isBefore(first.task, head) ? first.held : own)
      const spare = obstacle?.by === "concurrency" && burst
      if (obstacle === undefined || spare) may = true
      else wakes = Math.min(wakes, obstacle.opensAt)
      const standing = obstacle === undefined ? Standing.active : spare ? Standing.spare : Standing.asleep
      this.place(flow, standing, now, flow === changed ? sequence : undefined)
    }
    this.count(key, may ? this.startable(key, now) : 0, now)
    this.sleep(key, wakes)
  }
  /** The first task of a key, levels and ageing counted, that waits for others of its key to leave it enough. */
  private scarce(key: Key, now: number): { readonly task: T; readonly held: Held } | undefined {
    let found: { readonly task: T; readonly held: Held } | undefined
    for (const flow of key.flows) {
      if (flow.entries === 0) continue
      const task = this.places.task(this.next(flow))
      if (found !== undefined && !this.isBefore(task, found.task)) continue
      const obstacle = this.holds(key, task, task.weight ?? 1, now)
      if (obstacle?.by === "concurrency" || obstacle?.by === "keyRate") found = { task, held: obstacle }
    }
    return found
  }
  private isBefore(one: T, other: T): boolean {
    return (
      this.ageOf(one) - this.ageOf(other) < 0 ||
      (this.ageOf(one) === this.ageOf(other) && one.sequence < other.sequence)
    )
  }
  /** Tasks of a key, of which one may start, that may start now. */
  private startable(key: Key, now: number): number {
    const { burst, ordered } = this.limits.perKey
    if (key.probe !== 0) return 1
    if (key.name === undefined) return key.waiting
    if (ordered) return 1
    const each = key.waitingWeight / key.waiting
    let weight = key.waitingWeight
    if (!burst) weight = Math.min(weight, key.cap - key.running)
    if (key.meters.length > 0) weight = Math.min(weight, Rate.available(key.meters, now))
    return Math.max(1, Math.min(key.waiting, Math.floor(weight / each + 1e-9)))
  }
  private count(key: Key, ready: number, now: number): void {
    this.readySum += ready - key.ready
    key.ready = ready
    if (this.readySum === 0) this.busySince = undefined
    else this.busySince ??= now
  }
  private sleep(key: Key, wakesAt: number): void {
    if (key.wakesAt === wakesAt) return
    key.wakesAt = wakesAt
    if (wakesAt === Infinity) {
      if (key.sleeper !== none) this.sleepers.remove(key.sleeper)
      key.sleeper = none
    } else if (key.sleeper === none) key.sleeper = this.sleepers.push(key, wakesAt, 0)
    else this.sleepers.update(key.sleeper, wakesAt, 0)
  }
  private place(flow: Flow, wanted: 0 | 1 | 2, now: number, sequence?: number): void {
    const standing = flow.entries === 0 ? Standing.asleep : wanted
    const before = flow.standing
    if (before !== standing) {
      if (before !== Standing.asleep) this.orderOf(before).remove(flow)
      flow.standing = standing
      if (standing === Standing.asleep) return
      if (before === Standing.asleep) flow.emptyAt = now
      this.orderOf(standing).add(flow, this.places.task(this.next(flow)))
    } else if (standing !== Standing.asleep) {
      const head = this.places.task(this.next(flow))
      this.orderOf(standing).update(flow, head, sequence ?? head.sequence)
    }
  }
  private orderOf(standing: 1 | 2): Order {
    return standing === Standing.active ? this.active : this.spare
  }

  /** Looks again at the keys whose time has come. */
  wake(now: number): void {
    while (this.sleepers.peekKey() <= now) {
      const key = this.sleepers.pop()!
      key.sleeper = none
      key.wakesAt = Infinity
      this.touch(key, now)
    }
  }
  /** When a clock lets something start that may not now: after `now`. */
  wakesAt(now: number): number {
    // Nobody may have looked since, as while dispatch is paused: what is due already needs no timer.
    this.wake(now)
    const sleeper = this.sleepers.peekKey()
    if (this.meters.length === 0) return sleeper
    const flow = this.pick()
    if (flow === undefined) return sleeper
    const { weight = 1 } = this.places.task(this.next(flow))
    const at = Rate.opensAt(this.meters, now, weight)
    return at > now ? Math.min(sleeper, at) : sleeper
  }

  /** Whether the next start of the key tries whether its hold is over. */
  probes(key: Key): boolean {
    return key.probe === 1
  }
  /** A task of the line starts. */
  take(key: Key, flow: Flow, weight: number, cost: number, now: number): void {
    if (cost > 0) this.times.charge(flow, cost)
    for (const meter of key.meters) meter.take(now, weight)
    for (const meter of this.meters) meter.take(now, weight)
    if (key.probe === 1) key.probe = 2
    this.seat(key, weight)
    this.keys.sweep(now, 2)
  }
  seat(key: Key, weight: number): void {
    key.seats++
    key.running += weight
    this.seats++
    this.running += weight
  }
  unseat(key: Key, weight: number): void {
    key.seats--
    key.running = key.seats === 0 ? 0 : key.running - weight
    this.seats--
    this.running = this.seats === 0 ? 0 : this.running - weight
  }

  /** Nothing waits and nothing runs: fair order starts anew, and records that nothing else needs go. */
  rest(now: number): void {
    this.times.forget()
    this.keys.sweep(now)
  }

  /**
   * Whether a failure is news: of an attempt that was begun since the last hold, or of one that the hold that is on has met
   * at work. A later one of those says nothing of now.
   */
  heeds(key: Key, epoch: number, now: number): boolean {
    return epoch === key.epoch || (epoch === key.epoch - 1 && key.holdUntil > now)
  }
  /** Longer, where the key is on hold already; never shorter. */
  hold(key: Key, millis: number, now: number): void {
    if (key.holdUntil <= now) key.epoch++
    const span = Math.min(longestHold, Math.max(0, millis))
    // Spread without chance, so that a run with the same tasks is the same run: the golden ratio fills a span evenly.
    const spread = (this.draws = (this.draws + 0.618_033_988_749_895) % 1)
    key.holdUntil = Math.max(key.holdUntil, now + span * (1 + jitter * spread))
    key.probe = 1
    this.touch(key, now)
    // Where nobody of the key is there, its record goes when the hold is over.
    if (idle(key)) this.keys.rests(key, now)
    this.keys.sweep(now, 2)
  }
  /** A hold that has ended while nobody of its key was there is over: there was nobody to try it. */
  lapse(key: Key, now: number): void {
    if (key.probe === 1 && key.holdUntil <= now && idle(key)) key.probe = 0
  }
  release(key: Key, now: number): void {
    key.holdUntil = -Infinity
    key.epoch++
    key.probe = 0
    this.touch(key, now)
  }

  follow(limits: Limits, now: number): void {
    const before = this.limits.rates
    this.limits = limits
    this.meters = limits.rates.map((law, index) => {
      const meter = this.meters[index]
      if (meter === undefined) return Rate.make(law)
      return before[index] === law ? meter : meter.follow(law, now)
    })
    this.keys.follow(limits, now)
    for (const key of this.keys.values()) this.touch(key, now)
    this.touch(this.keys.keyless, now)
  }

  /** Tasks that wait for a worker alone. */
  ready(now: number): number {
    const { readySum, running, waiting, waitingWeight } = this
    if (readySum === 0) return 0
    const flow = this.pick()
    if (flow === undefined) return 0
    if (this.limits.weight === Infinity && this.meters.length === 0) return readySum
    // Whoever is next waits for the herd's limits, and everybody behind.
    if (this.holdsAll(this.places.task(this.next(flow)).weight ?? 1, now) !== undefined) return 0
    const most = Math.min(this.limits.weight - running, Rate.available(this.meters, now))
    return Math.min(readySum, Math.max(1, Math.floor(most / (waitingWeight / waiting) + 1e-9)))
  }

  mostWeight(): number {
    return Math.min(
      this.limits.weight,
      ...this.limits.rates.filter(({ limit }) => limit > 0).map(({ burst }) => burst)
    )
  }
  mostOfKey(name: string): number {
    const { concurrency, ordered, rates } = this.limits.perKey
    const cap = ordered
      ? Infinity
      : ofKey(
          concurrency,
          name,
          { none: Infinity, broken: 1, least: 1 },
          this.report,
          "limits.perKey.concurrency"
        )
    return Math.min(cap, ...rates.filter(({ limit }) => limit > 0).map(({ burst }) => burst))
  }
}
