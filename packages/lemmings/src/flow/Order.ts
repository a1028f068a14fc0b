/**
 * Which flow is next, among those whose next task could run.
 *
 * **Details**
 *
 * The level is the level of the task with the least `enqueuedAt - level * ageing`, so that overtaking between levels stays bounded.
 * Inside the level it is start-time fair queueing (Goyal, Vin and Cheng, 1996): each flow carries the virtual start
 * `S = max(V, F)` of its next task; the least is next; when it starts, `V = S` and `F = S + cost / share`. Two flows that
 * both wait differ in normalised service by at most `cost / share` of one task of each. A flow that was away starts at `V`:
 * no credit for idleness, and no debt older than one task. By arrival, the first key alone decides.
 *
 * Every operation is O(log F), where F counts flows.
 */
import { PriorityHeap } from "../internal/PriorityHeap.ts"
import type { QueuedTask } from "../model/Task.ts"
import { type Flow, none } from "./Flows.ts"

/** The virtual time of one level. */
interface Virtual {
  time: number
  era: number
}

/** The virtual times of all levels. Shared by the sets of flows. */
export class VirtualTimes {
  private readonly levels = new Map<number, Virtual>()
  /** Counts how often everything was forgotten. */
  era = 0

  at(level: number): number {
    const virtual = this.levels.get(level)
    return virtual === undefined || virtual.era !== this.era ? 0 : virtual.time
  }
  finishOf(flow: Flow): number {
    return flow.era === this.era ? flow.finish : 0
  }
  /** A task of the flow starts, and costs so much in shares of its key. */
  charge(flow: Flow, cost: number): void {
    const start = Math.max(this.at(flow.level), this.finishOf(flow))
    const virtual = this.levels.get(flow.level)
    if (virtual === undefined) this.levels.set(flow.level, { time: start, era: this.era })
    else {
      virtual.time = start
      virtual.era = this.era
    }
    flow.era = this.era
    flow.finish = start + cost / flow.key.share
  }
  /** A task of the flow cost so much more than was charged, or less. */
  correct(flow: Flow, more: number): void {
    if (flow.era === this.era) flow.finish = Math.max(0, flow.finish + more / flow.key.share)
  }
  /** Whether the flow owes nothing, so that it may be forgotten. */
  settled(flow: Flow): boolean {
    return this.finishOf(flow) <= this.at(flow.level)
  }
  forget(): void {
    this.era++
    if (this.levels.size > 64) this.levels.clear()
  }
}

/** One set of flows that are not empty. */
export class Order {
  /** By the static key of each flow's oldest task. */
  private readonly ages = new PriorityHeap<Flow>()
  /** By virtual start. Only of fair order. */
  private readonly starts = new Map<number, PriorityHeap<Flow>>()
  private readonly fair: boolean
  private readonly ageing: number
  private readonly times: VirtualTimes

  constructor(fair: boolean, ageing: number, times: VirtualTimes) {
    this.fair = fair
    this.ageing = ageing
    this.times = times
  }

  get size(): number {
    return this.ages.size
  }

  keyOf(level: number, { enqueuedAt }: QueuedTask): number {
    return this.ageing === Infinity ? -level : enqueuedAt - level * this.ageing
  }

  /** The flow that is next, or `undefined` when there is none. */
  pick(): Flow | undefined {
    const oldest = this.ages.peek()
    if (oldest === undefined || !this.fair) return oldest
    return this.starts.get(oldest.level)?.peek()
  }

  /** Adds a flow, whose next task is `head`. */
  add(flow: Flow, head: QueuedTask): void {
    flow.byAge = this.ages.push(flow, this.keyOf(flow.level, head), head.sequence)
    if (!this.fair) return
    flow.base = this.times.at(flow.level)
    flow.start = Math.max(flow.base, this.times.finishOf(flow))
    let starts = this.starts.get(flow.level)
    if (starts === undefined) this.starts.set(flow.level, (starts = new PriorityHeap()))
    flow.byStart = starts.push(flow, flow.start, head.sequence)
  }

  /** Puts a flow in its place again: its next task is another, or it has been charged. */
  update(flow: Flow, head: QueuedTask, sequence: number): void {
    this.ages.update(flow.byAge, this.keyOf(flow.level, head), sequence)
    if (!this.fair) return
    flow.start = Math.max(flow.base, this.times.finishOf(flow))
    this.starts.get(flow.level)!.update(flow.byStart, flow.start, sequence)
  }

  remove(flow: Flow): void {
    this.ages.remove(flow.byAge)
    flow.byAge = none
    if (!this.fair) return
    const starts = this.starts.get(flow.level)!
    starts.remove(flow.byStart)
    flow.byStart = none
    // Levels are few as a rule: their heaps are kept, since a flow comes and goes with each task.
    if (starts.size === 0 && this.starts.size > 64) this.starts.delete(flow.level)
  }

  /** The next `count` tasks, if nothing else came, given the tasks of a flow oldest first. */
  upcoming<T extends QueuedTask>(count: number, queueOf: (flow: Flow) => ReadonlyArray<T>): Array<T> {
    interface Cursor {
      readonly flow: Flow
      readonly tasks: ReadonlyArray<T>
      next: number
      start: number
      byAge: number
    }
    const found: Array<T> = []
    const ages = new PriorityHeap<Cursor>()
    const levels = new Map<number, PriorityHeap<Cursor>>()
    const stand = (cursor: Cursor) => {
      const task = cursor.tasks[cursor.next]
      if (task === undefined) return
      cursor.byAge = ages.push(cursor, this.keyOf(cursor.flow.level, task), task.sequence)
      if (!this.fair) return
      let starts = levels.get(cursor.flow.level)
      if (starts === undefined) levels.set(cursor.flow.level, (starts = new PriorityHeap()))
      starts.push(cursor, cursor.start, task.sequence)
    }
    for (const flow of this.ages.values())
      stand({ flow, tasks: queueOf(flow), next: 0, start: flow.start, byAge: none })
    while (found.length < count) {
      const oldest = ages.peek()
      const cursor = oldest === undefined || !this.fair ? oldest : levels.get(oldest.flow.level)?.pop()
      const task = cursor?.tasks[cursor.next]
      if (cursor === undefined || task === undefined) return found
      ages.remove(cursor.byAge)
      found.push(task)
      cursor.next++
      cursor.start += ((task.weight ?? 1) * task.tasks) / cursor.flow.key.share
      stand(cursor)
    }
    return found
  }
}
