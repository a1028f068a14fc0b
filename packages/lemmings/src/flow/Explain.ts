/** What a line says of its keys, and why a task waits. */
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import type { KeyUse, Obstacle } from "../model/HerdFlow.ts"
import type { QueuedTask } from "../model/Task.ts"
import { type Key, type Places, Room } from "./Flows.ts"
import type { Gate, Held } from "./Gate.ts"

const until = (at: number, now: number): number | undefined =>
  at > now && at < Infinity ? Math.ceil(at - now) : undefined

/** The keys with the most tasks, running ones included. O(keys). */
export const useOf = <T extends QueuedTask>(
  gate: Gate<T>,
  top: number,
  now: number
): ReadonlyArray<KeyUse> => {
  // The smallest of those that are kept is first, and goes when a larger one comes.
  const largest = new PriorityHeap<Key>()
  let index = 0
  const see = (key: Key) => {
    const tasks = key.waiting + key.seats
    if (tasks === 0 && key.holdUntil <= now) return
    largest.push(key, tasks, -index++)
    if (largest.size > top) largest.pop()
  }
  see(gate.keys.keyless)
  for (const key of gate.keys.values()) see(key)
  return largest
    .drain()
    .toReversed()
    .map((key) => {
      const opens = until(key.holdUntil > now ? key.holdUntil : key.wakesAt, now)
      return {
        ...(key.name === undefined ? {} : { key: key.name }),
        ready: key.ready,
        held: key.waiting - key.ready,
        running: key.running,
        ...(key.cap === Infinity ? {} : { concurrency: key.cap }),
        share: key.share,
        used: gate.running === 0 ? 0 : key.running / gate.running,
        ...(opens === undefined ? {} : { opensInMillis: opens }),
        onHold: key.holdUntil > now
      }
    })
}

/** What blocks a waiting task in its line: the first thing first. */
export interface Blocked {
  readonly ahead: number
  readonly blockedBy: ReadonlyArray<Obstacle>
  readonly opensInMillis: number | undefined
}

/** Why a waiting task does not run, as far as its line knows. */
export const explain = <T extends QueuedTask>(
  gate: Gate<T>,
  places: Places<T>,
  task: T,
  now: number
): Blocked => {
  const place = task.slot
  const { key } = places.flow(place)
  const weight = task.weight ?? 1
  const ahead = places.ahead(place)
  const obstacles: Array<Held> = []
  const own = gate.holds(key, task, weight, now)
  if (own !== undefined) obstacles.push(own)
  const all = gate.holdsAll(weight, now)
  if (all !== undefined) obstacles.push(all)
  const blockedBy = obstacles.map(({ by }) => by)
  if (places.room(place) !== Room.admitted) blockedBy.push("room")
  const flow = gate.pick()
  const next = flow === undefined ? undefined : places.task(gate.next(flow))
  if (next !== task && (ahead > 0 || obstacles.length === 0)) blockedBy.push("order")
  return {
    ahead,
    blockedBy,
    opensInMillis: until(Math.max(-Infinity, ...obstacles.map(({ opensAt }) => opensAt)), now)
  }
}
