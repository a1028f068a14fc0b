// A line on its own, with tasks that only say how they were treated.
import { type Seat } from "../../src/workers/Worker.ts"
import * as FlowLine from "../../src/flow/FlowLine.ts"
import * as Limits from "../../src/model/Limits.ts"
import type { Line } from "../../src/flow/Line.ts"
import type { Criticality, QueuedTask } from "../../src/model/Task.ts"
import { Effect } from "effect"

export interface ItemOptions {
  readonly level?: number
  readonly key?: string | undefined
  readonly weight?: number
  readonly enqueuedAt?: number
  readonly tasks?: number
  readonly label?: string
  readonly criticality?: Criticality
}

export class Item implements QueuedTask {
  level: number
  readonly enqueuedAt: number
  sequence: number
  slot = -1
  victim = -1
  tasks: number
  readonly key: string | undefined
  readonly weight: number | undefined
  readonly label: string | undefined
  readonly criticality: Criticality | undefined
  accepted = 0
  dropped: Array<string> = []

  constructor(sequence: number, options: ItemOptions = {}) {
    this.sequence = sequence
    this.level = options.level ?? 5
    this.key = options.key
    this.weight = options.weight
    this.label = options.label
    this.criticality = options.criticality
    this.enqueuedAt = options.enqueuedAt ?? 0
    this.tasks = options.tasks ?? 1
  }
  readonly admitted = () => {
    this.accepted++
  }
  readonly shed = (reason: string) => {
    this.dropped.push(reason)
  }
}

type FlowLineOf = Line<Item> & { readonly flow: NonNullable<Line<Item>["flow"]> }

export interface Rig {
  now: number
  readonly line: FlowLineOf
  readonly add: (options?: ItemOptions) => Item
  /** Takes what may start now, at most `most`, and keeps the seats. */
  readonly start: (most?: number) => Array<Item>
  readonly end: (item: Item) => void
  readonly seats: Map<Item, Seat>
  readonly reports: Array<string>
}

export const rig = (
  options: Partial<Omit<FlowLine.FlowOptions, "limits" | "now">> & {
    readonly limits?: Limits.LimitsOptions
  } = {}
): Rig => {
  const reports: Array<string> = []
  let sequence = 0
  const seats = new Map<Item, Seat>()
  const made = FlowLine.make<Item>({
    capacity: Infinity,
    overflow: "suspend",
    ageing: Infinity,
    order: "fair",
    cost: "weight",
    reject: false,
    overload: undefined,
    expected: () => undefined,
    system: () => 0,
    report: (where, defect) => reports.push(`${where}: ${String(defect)}`),
    ...options,
    limits: Effect.runSync(Limits.decode(options.limits ?? {})),
    now: () => self.now
  }) as FlowLineOf
  const self: Rig = {
    now: 0,
    line: made,
    seats,
    reports,
    add: (given = {}) => {
      const item = new Item(++sequence, { enqueuedAt: self.now, ...given })
      made.offer(item)
      return item
    },
    start: (most = Infinity) => {
      const started: Array<Item> = []
      while (started.length < most && made.flow.look(self.now) !== undefined) {
        const next = made.pop(self.now)
        if (next === undefined) break
        seats.set(next, made.flow.seat()!)
        started.push(next)
        if (next.tasks > 1) {
          next.tasks--
          next.sequence++
        }
      }
      return started
    },
    end: (item) => {
      const seat = seats.get(item)
      if (seat === undefined) throw new Error("it does not run")
      seats.delete(item)
      made.flow.ended(item, self.now)
      made.flow.returned(seat, self.now)
    }
  }
  return self
}

export const sequences = (items: Iterable<Item>) => [...items].map(({ sequence }) => sequence)
export const keys = (items: Iterable<Item>) => [...items].map(({ key }) => key ?? "-").join("")
