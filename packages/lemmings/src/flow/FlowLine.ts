/**
 * The line with limits and fairness: who may run, who is next, who is dropped.
 *
 * **Details**
 *
 * A task waits in one flow, of its key and level. A flow whose next task no limit of its key holds is active, and only active
 * flows are looked at: the cost of a start does not depend on what is held. A look takes nothing; `pop` takes the seat, the
 * weight and the tokens in one step.
 */
import { InvalidConfig, type ShedReason } from "../model/HerdError.ts"
import type { QueuedTask } from "../model/Task.ts"
import type { Seat } from "../workers/Worker.ts"
import { Capacity, type CapacityOptions } from "./Capacity.ts"
import { Crowd } from "./Crowd.ts"
import { explain, useOf } from "./Explain.ts"
import { type Flow, type Key, none, Places, Room } from "./Flows.ts"
import { Gate } from "./Gate.ts"
import type { Limits, OverloadLaw } from "../model/Limits.ts"
import type { Line, Offer, Refusal, Taken } from "./Line.ts"
import { upcoming } from "./Upcoming.ts"

export interface FlowOptions extends CapacityOptions {
  readonly order: "arrival" | "fair"
  /** What a start costs in fair order: its weight, or its weight times the run time of tasks with its label. */
  readonly cost: "weight" | "time"
  readonly limits: Limits
  /** Refuse what a limit would hold, instead of letting it wait. */
  readonly reject: boolean
  readonly overload: OverloadLaw | undefined
  /** Expected run time of tasks with a label, in milliseconds. Needed for the cost "time". */
  readonly expected: (label: string | undefined) => number | undefined
  /** Pressure of the process, 0 to 1. */
  readonly system: () => number
  /** Milliseconds on the herd's monotonic clock. */
  readonly now: () => number
  readonly report: (where: string, defect: unknown) => void
}

/** A seat that this line has given. */
class TakenSeat implements Seat {
  readonly key: Key
  readonly flow: Flow | undefined
  readonly weight: number
  readonly charged: number
  readonly startedAt: number
  readonly epoch: number
  readonly probe: boolean
  returned = false
  inconclusive = false
  constructor(
    key: Key,
    flow: Flow | undefined,
    weight: number,
    charged: number,
    startedAt: number,
    probe: boolean
  ) {
    this.key = key
    this.flow = flow
    this.weight = weight
    this.charged = charged
    this.startedAt = startedAt
    this.epoch = key.epoch
    this.probe = probe
  }
}

/** Creates an empty line. */
export const make = <T extends QueuedTask>(options: FlowOptions): Line<T> => {
  const { capacity, cost, order, overflow, reject } = options
  const fair = order === "fair"
  const places = new Places<T>()
  const gate = new Gate(places, options)
  const { keys } = gate
  const crowd = options.overload === undefined ? undefined : new Crowd(options.overload, fair, gate)
  const rooms = new Capacity(places, options)
  let lastSeat: TakenSeat | undefined
  // The look that `pop` may rely on: nothing has changed since.
  let seen: { readonly place: number; readonly flow: Flow; readonly version: number } | undefined
  let version = 0

  const weightOf = (task: QueuedTask) => task.weight ?? 1

  /** Puts an entry into its flow. */
  const stand = (task: T, where: number, now: number): void => {
    version++
    const key = keys.get(task.key)
    gate.lapse(key, now)
    const flow = key.flowAt(task.level)
    if (flow.entries === 0) flow.emptyAt = now
    const place = places.insert(task, flow)
    places.setRoom(place, where)
    key.waiting += task.tasks
    key.waitingWeight += task.tasks * weightOf(task)
    gate.waiting += task.tasks
    gate.waitingWeight += task.tasks * weightOf(task)
    gate.touch(key, now, flow)
  }
  const wait = (task: T, key: Key, where: 1 | 2, now: number) => {
    stand(task, where, now)
    rooms.wait(task, key, where)
  }

  /** Takes an entry out, wherever it waits. The count of its tasks is that of before. */
  const leave = (task: T, now: number): void => {
    version++
    const place = task.slot
    const where = places.room(place)
    const flow = places.flow(place)
    const { key } = flow
    if (where === Room.admitted) rooms.dismiss(task, key)
    else rooms.unwait(task, key, where)
    key.waiting -= task.tasks
    key.waitingWeight -= task.tasks * weightOf(task)
    gate.waiting -= task.tasks
    gate.waitingWeight -= task.tasks * weightOf(task)
    places.remove(place)
    gate.touch(key, now, flow)
  }
  const settleKey = (key: Key, now: number) => {
    if (key.waiting === 0 && key.seats === 0) keys.rests(key, now)
    if (gate.waiting === 0) {
      places.reset()
      if (gate.seats === 0) gate.rest(now)
    }
  }

  /** Lets those in that there is room for now. */
  const refill = (key: Key, now: number) => {
    rooms.refill(key)
    settleKey(key, now)
  }

  const push = (task: T) => {
    const now = options.now()
    const key = keys.get(task.key)
    task.victim = none
    stand(task, Room.admitted, now)
    rooms.admit(task, key)
  }

  const refusal = (refused: Refusal["refused"], key: Key, retryAfterMillis = 0): Refusal => ({
    refused,
    key: key.name,
    retryAfterMillis,
    capacity: key.bound
  })

  /** Drops the entry for whose sake another has room. */
  const drop = (task: T, reason: ShedReason, now: number): Offer<T> => {
    const { key } = places.flow(task.slot)
    leave(task, now)
    refill(key, now)
    return { dropped: task, reason }
  }
  const offer = (task: T, spare?: () => number): Offer<T> => {
    const now = options.now()
    const key = keys.get(task.key)
    const answer = admission(task, key, now, spare)
    // Refused, so that it left nothing behind.
    if (typeof answer === "object" && "refused" in answer) settleKey(key, now)
    else if (answer === "full") settleKey(key, now)
    return answer
  }
  /** Whether a worker could take it at once: it would be refused or dropped for want of room that it does not need. */
  const needsNoRoom = (task: T, key: Key, now: number, spare: () => number) =>
    overflow !== "suspend" &&
    gate.wouldHold(key, weightOf(task), now) === undefined &&
    gate.ready(now) < spare()
  const admission = (task: T, key: Key, now: number, spare: () => number = () => 0): Offer<T> => {
    if (
      crowd?.refuses(task.criticality, key, task.level, rooms.size / capacity, options.system(), now) === true
    )
      return refusal("overloaded", key)
    if (reject) {
      const opens = gate.wouldHold(key, weightOf(task), now)
      if (opens !== undefined)
        return refusal("limited", key, opens === Infinity ? 0 : Math.max(0, opens - now))
    }
    if (key.admitted >= key.bound) {
      if (overflow === "reject") return refusal("keyFull", key)
      if (overflow === "suspend") {
        wait(task, key, Room.key, now)
        return "suspended"
      }
      task.admitted()
      push(task)
      return drop(rooms.victimOf(key) ?? task, "keyFull", now)
    }
    if (!rooms.full || needsNoRoom(task, key, now, spare)) {
      task.admitted()
      push(task)
      return "accepted"
    }
    if (overflow === "reject") return "full"
    if (overflow === "suspend") {
      wait(task, key, Room.queue, now)
      return "suspended"
    }
    task.admitted()
    push(task)
    return drop(rooms.victim() ?? task, overflow, now)
  }

  const look = (now: number): T | undefined => {
    gate.wake(now)
    for (;;) {
      const flow = gate.pick()
      if (flow === undefined) return undefined
      if (crowd !== undefined) {
        const oldest = places.task(places.oldest(flow))
        if (crowd.rotten(flow, oldest, now)) {
          shed(oldest, "overloaded", now)
          continue
        }
      }
      // Where tasks of a key run one after the other, newest first would be another order.
      const newest = crowd?.newestFirst(flow, now) === true && !gate.limits.perKey.ordered
      const place = newest ? places.newest(flow) : gate.next(flow)
      const task = places.task(place)
      if (gate.holdsAll(weightOf(task), now) !== undefined) return undefined
      // What cannot end in time is not begun. It has left by itself, and was told.
      if (task.hopeless?.(now) === true) {
        if (places.at(place) === task) leave(task, now)
        continue
      }
      seen = { place, flow, version }
      return task
    }
  }
  const shed = (task: T, reason: ShedReason, now: number) => {
    const { key } = places.flow(task.slot)
    leave(task, now)
    refill(key, now)
    task.shed?.(reason)
  }

  const pop = (given?: number): T | undefined => {
    const now = given ?? options.now()
    if (seen?.version !== version && look(now) === undefined) return undefined
    if (seen === undefined) return undefined
    const { flow, place } = seen
    seen = undefined
    version++
    const task = places.task(place)
    const { key } = flow
    const weight = weightOf(task)
    const charged = cost === "time" ? weight * (options.expected(task.label) ?? 1) : weight
    lastSeat = new TakenSeat(key, flow, weight, charged, now, gate.probes(key))
    gate.take(key, flow, weight, fair ? charged : 0, now)
    if (gate.limits.perKey.ordered && key.name !== undefined) key.turn = task
    key.waitingWeight -= weight
    key.waiting--
    gate.waiting--
    gate.waitingWeight -= weight
    if (task.tasks > 1) {
      // It stays for the others it stands for, in the place of the one that is next.
      gate.touch(key, now, flow, task.sequence + 1)
      return task
    }
    const where = places.room(place)
    if (where === Room.admitted) rooms.dismiss(task, key)
    else {
      rooms.unwait(task, key, where)
      task.admitted()
    }
    places.remove(place)
    gate.touch(key, now, flow)
    refill(key, now)
    return task
  }

  const all = (isRoom: (room: number) => boolean): Array<T> => {
    const found = [...places.all(isRoom)]
    return found.toSorted((a, b) => rooms.keyOf(a) - rooms.keyOf(b) || a.sequence - b.sequence)
  }
  const takeOut = (tasks: Array<T>): Taken<T> => {
    const now = options.now()
    const touched = new Set<Key>()
    for (const task of tasks) {
      touched.add(places.flow(task.slot).key)
      leave(task, now)
    }
    for (const key of touched) refill(key, now)
    let popped = 0
    return {
      get size() {
        return tasks.length - popped
      },
      values: () => tasks.slice(popped),
      pop: () => tasks[popped++]
    }
  }

  return {
    capacity,
    overflow,
    size: () => rooms.size,
    urgent: () => rooms.urgent,
    admitting: () => rooms.admitting,
    offer,
    push,
    pop,
    remove(task) {
      if (task.slot < 0) return false
      const now = options.now()
      const { key } = places.flow(task.slot)
      leave(task, now)
      refill(key, now)
      return true
    },
    setLevel(task, level) {
      if (task.slot < 0) {
        task.level = level
        return
      }
      const now = options.now()
      const where = places.room(task.slot)
      const { key } = places.flow(task.slot)
      leave(task, now)
      task.level = level
      if (where === Room.admitted) push(task)
      else wait(task, key, where === Room.key ? Room.key : Room.queue, now)
    },
    peek: () => {
      const flow = gate.pick()
      return flow === undefined
        ? places.all((where) => where === Room.admitted).next().value
        : places.task(gate.next(flow))
    },
    first: (count) => upcoming(places, gate, count),
    sample(most) {
      const stride = Math.max(1, Math.ceil(rooms.size / most))
      const found: Array<T> = []
      let index = 0
      for (const task of places.all((where) => where === Room.admitted))
        if (index++ % stride === 0) found.push(task)
      return found
    },
    waiting: () => places.all((where) => where === Room.admitted),
    suspended: () => places.all((where) => where !== Room.admitted),
    clear: () => takeOut(all((where) => where === Room.admitted)),
    dismiss: () => {
      // Nobody moves up: all of them go.
      const tasks = all((where) => where !== Room.admitted)
      return takeOut(tasks)
    },
    ahead: (task) => places.ahead(task.slot),
    flow: {
      oneByOne: () =>
        reject || crowd !== undefined || gate.limits.perKey.ordered || gate.limits.perKey.queue !== Infinity,
      look,
      wakesAt: (now) => gate.wakesAt(now),
      ready: (now) => gate.ready(now),
      held: (now) => gate.waiting - gate.ready(now),
      seat: () => lastSeat,
      seatFor(task, now) {
        const key = keys.get(task.key)
        const weight = weightOf(task)
        gate.seat(key, weight)
        gate.touch(key, now)
        return new TakenSeat(key, undefined, weight, 0, now, false)
      },
      returned(seat, now) {
        if (!(seat instanceof TakenSeat) || seat.returned) return
        seat.returned = true
        version++
        const { charged, epoch, flow, key, probe, startedAt, weight } = seat
        gate.unseat(key, weight)
        if (probe && epoch === key.epoch) key.probe = seat.inconclusive ? 1 : 0
        if (fair && cost === "time" && flow !== undefined)
          gate.times.correct(flow, weight * Math.max(0, now - startedAt) - charged)
        gate.touch(key, now, flow)
        settleKey(key, now)
      },
      inconclusive(seat) {
        if (seat instanceof TakenSeat) seat.inconclusive = true
      },
      ended(task, now) {
        const key = keys.peek(task.key)
        if (key === undefined || key.turn !== task) return
        version++
        key.turn = undefined
        gate.touch(key, now)
        settleKey(key, now)
      },
      impossible: (name, weight) => {
        const most = Math.min(gate.mostWeight(), name === undefined ? Infinity : gate.mostOfKey(name))
        return weight > most
          ? new InvalidConfig({
              field: "weight",
              value: weight,
              rule: `at most ${most}, the limit of its herd`
            })
          : undefined
      },
      hold(name, millis, now, seat) {
        const key = keys.get(name)
        if (seat instanceof TakenSeat && !gate.heeds(key, seat.epoch, now)) return
        version++
        gate.hold(key, millis, now)
      },
      release(name, now) {
        const key = keys.peek(name)
        if (key === undefined) return false
        gate.lapse(key, now)
        if (key.holdUntil <= now && key.probe === 0) return false
        version++
        gate.release(key, now)
        settleKey(key, now)
        return true
      },
      setLimits(limits, now) {
        version++
        gate.follow(limits, now)
        for (const key of keys.values()) refill(key, now)
      },
      limits: () => gate.limits,
      keys: (top, now) => useOf(gate, top, now),
      explain: (task, now) => explain(gate, places, task, now),
      size: () => keys.size
    }
  }
}
