/** The tasks that would be started next, if nothing else came: for people who look at a line. */
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import type { QueuedTask } from "../model/Task.ts"
import type { Flow, Places } from "./Flows.ts"
import { Standing } from "./Flows.ts"
import type { Gate } from "./Gate.ts"

/** The tasks of one flow, oldest first. */
const queueOf = <T extends QueuedTask>(places: Places<T>, flow: Flow): Array<T> =>
  [...places.each(flow)].map((place) => places.task(place)).toSorted((a, b) => a.sequence - b.sequence)

/**
 * The next `count` entries: those that nothing holds in the order of the line, then the others by age. O(n log n) in the
 * tasks of the flows that it comes to.
 */
export const upcoming = <T extends QueuedTask>(places: Places<T>, gate: Gate<T>, count: number): Array<T> => {
  const found: Array<T> = []
  for (const order of gate.orders()) {
    const left = count - found.length
    if (left <= 0) break
    found.push(...order.upcoming(left, (flow) => queueOf(places, flow)))
  }
  if (found.length >= count) return found
  const asleep = new PriorityHeap<T>()
  for (const task of places.all(() => true)) {
    if (places.flow(task.slot).standing === Standing.asleep)
      asleep.push(task, gate.ageOf(task), task.sequence)
  }
  while (found.length < count) {
    const next = asleep.pop()
    if (next === undefined) return found
    found.push(next)
  }
  return found
}
