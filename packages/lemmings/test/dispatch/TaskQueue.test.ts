import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import type { QueuedTask } from "../../src/model/Task.ts"
import * as TaskQueue from "../../src/dispatch/TaskQueue.ts"

class Item implements QueuedTask {
  level: number
  readonly enqueuedAt: number
  readonly sequence: number
  slot = -1
  victim = -1
  readonly tasks = 1
  accepted = 0

  constructor(sequence: number, level = 5, enqueuedAt = 0) {
    this.sequence = sequence
    this.level = level
    this.enqueuedAt = enqueuedAt
  }
  readonly admitted = () => {
    this.accepted++
  }
}

/** What was taken, in order. */
const taking = (taken: TaskQueue.Taken<Item>) => {
  assert.strictEqual([...taken.values()].length, taken.size)
  const order: Array<Item> = []
  for (let item = taken.pop(); item !== undefined; item = taken.pop()) order.push(item)
  return order
}
const sequences = (items: Iterable<Item>) => [...items].map(({ sequence }) => sequence)
const drain = (line: TaskQueue.Line<Item>) => {
  const order: Array<number> = []
  for (let next = line.pop(); next !== undefined; next = line.pop()) order.push(next.sequence)
  return order
}
const strict = { capacity: Infinity, overflow: "suspend", ageing: Infinity } as const
const items = (...levels: ReadonlyArray<number>) => levels.map((level, i) => new Item(i + 1, level))
const offerAll = (line: TaskQueue.Line<Item>, all: ReadonlyArray<Item>) => all.map((item) => line.offer(item))

describe("TaskQueue.offer", () => {
  it("accepts while there is room, once", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 2 })
    const [a, b] = items(1, 2) as [Item, Item]
    assert.deepStrictEqual(offerAll(line, [a, b]), ["accepted", "accepted"])
    assert.deepStrictEqual([a.accepted, b.accepted, line.size()], [1, 1, 2])
  })

  it("with reject refuses what has no room and accepts again after a pop", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 1, overflow: "reject" })
    const [a, b] = items(1, 9) as [Item, Item]
    assert.deepStrictEqual(offerAll(line, [a, b]), ["accepted", "full"])
    assert.deepStrictEqual([b.accepted, b.slot], [0, -1])
    assert.strictEqual(line.pop(), a)
    assert.strictEqual(line.offer(b), "accepted")
  })

  it("with suspend lets the next in order move up when there is room", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 1 })
    const [a, low, high] = items(5, 1, 9) as [Item, Item, Item]
    assert.deepStrictEqual(offerAll(line, [a, low, high]), ["accepted", "suspended", "suspended"])
    assert.deepStrictEqual([line.size(), line.admitting(), high.accepted], [1, 2, 0])

    assert.strictEqual(line.pop(), a)

    assert.deepStrictEqual([line.size(), line.admitting()], [1, 1])
    assert.deepStrictEqual([high.accepted, low.accepted], [1, 0])
    assert.deepStrictEqual(drain(line), [3, 2])
    assert.strictEqual(low.accepted, 1)
  })

  it("with dropOldest drops the one accepted longest ago, whatever its priority", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 2, overflow: "dropOldest" })
    const [a, b, c] = items(9, 1, 1) as [Item, Item, Item]
    offerAll(line, [a, b])
    assert.deepStrictEqual(line.offer(c), { dropped: a })
    assert.deepStrictEqual([a.slot, a.victim], [-1, -1])
    assert.deepStrictEqual(drain(line), [2, 3])
  })

  it("with dropLowest drops the one that would run last, which may be the offered one", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 2, overflow: "dropLowest" })
    const [a, b, low, high] = items(5, 3, 1, 9) as [Item, Item, Item, Item]
    offerAll(line, [a, b])
    assert.deepStrictEqual(line.offer(low), { dropped: low })
    assert.strictEqual(low.accepted, 1, "it was accepted, and then shed")
    assert.deepStrictEqual(line.offer(high), { dropped: b })
    assert.deepStrictEqual(drain(line), [4, 1])
  })

  it("with dropLowest the younger of two equals is dropped", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 1, overflow: "dropLowest" })
    const [a, b] = items(5, 5) as [Item, Item]
    line.offer(a)
    assert.deepStrictEqual(line.offer(b), { dropped: b })
  })

  it("with capacity 0 nothing waits in the queue: suspend hands over, reject refuses, drops drop the offered", () => {
    const suspending = TaskQueue.make<Item>({ ...strict, capacity: 0 })
    const [a] = items(5) as [Item]
    assert.strictEqual(suspending.offer(a), "suspended")
    assert.deepStrictEqual([suspending.size(), suspending.admitting(), a.accepted], [0, 1, 0])
    assert.strictEqual(suspending.pop(), a)
    assert.deepStrictEqual([suspending.admitting(), a.accepted], [0, 1])

    assert.strictEqual(
      TaskQueue.make<Item>({ ...strict, capacity: 0, overflow: "reject" }).offer(new Item(1)),
      "full"
    )
    for (const overflow of ["dropOldest", "dropLowest"] as const) {
      const item = new Item(1)
      assert.deepStrictEqual(TaskQueue.make<Item>({ ...strict, capacity: 0, overflow }).offer(item), {
        dropped: item
      })
    }
  })

  it("push exceeds the capacity, for an accepted task that waits again", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 1, overflow: "reject" })
    const [a, b] = items(5, 5) as [Item, Item]
    line.offer(a)
    line.push(b)
    assert.deepStrictEqual([line.size(), b.accepted], [2, 0])
    assert.deepStrictEqual(drain(line), [1, 2])
  })
})

describe("TaskQueue.remove", () => {
  it("takes a task out of either line, once, and lets another move up", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 1 })
    const [a, b, c] = items(5, 5, 5) as [Item, Item, Item]
    offerAll(line, [a, b, c])
    assert.isTrue(line.remove(b))
    assert.strictEqual(line.admitting(), 1)
    assert.isTrue(line.remove(a))
    assert.deepStrictEqual([line.size(), line.admitting(), c.accepted], [1, 0, 1])
    assert.isFalse(line.remove(a))
    assert.isFalse(line.remove(b))
    assert.deepStrictEqual(drain(line), [3])
  })

  it("a removed task is no longer a victim", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 2, overflow: "dropOldest" })
    const [a, b, c, d] = items(5, 5, 5, 5) as [Item, Item, Item, Item]
    offerAll(line, [a, b])
    line.remove(a)
    offerAll(line, [c])
    assert.deepStrictEqual(line.offer(d), { dropped: b })
  })
})

describe("TaskQueue.setLevel", () => {
  it("moves a waiting task within the order and keeps its age", () => {
    const line = TaskQueue.make<Item>(strict)
    const all = items(1, 2, 3)
    offerAll(line, all)
    line.setLevel(all[0] as Item, 3)
    assert.deepStrictEqual(drain(line), [1, 3, 2])
  })

  it("moves a task that waits for room", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 0 })
    const all = items(2, 1)
    offerAll(line, all)
    line.setLevel(all[1] as Item, 3)
    assert.deepStrictEqual(drain(line), [2, 1])
  })

  it("changes who is dropped", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 2, overflow: "dropLowest" })
    const [a, b, c] = items(1, 2, 9) as [Item, Item, Item]
    offerAll(line, [a, b])
    line.setLevel(a, 3)
    assert.deepStrictEqual(line.offer(c), { dropped: b })
  })

  it("changes the level of a task that stands in no line", () => {
    const line = TaskQueue.make<Item>(strict)
    const [a] = items(1) as [Item]
    line.setLevel(a, 7)
    assert.deepStrictEqual([a.level, line.size(), line.urgent()], [7, 0, 0])
  })

  it("keeps count of the urgent", () => {
    const line = TaskQueue.make<Item>(strict)
    const all = items(5, 6, 20)
    offerAll(line, all)
    assert.strictEqual(line.urgent(), 2)
    line.setLevel(all[0] as Item, 10)
    line.setLevel(all[2] as Item, 0)
    assert.strictEqual(line.urgent(), 2)
    line.pop()
    assert.strictEqual(line.urgent(), 1)
    line.clear()
    assert.strictEqual(line.urgent(), 0)
  })
})

describe("TaskQueue.clear", () => {
  it("takes out what waits, next first, and lets those who wait for room move up", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 2 })
    const all = items(1, 2, 3, 4)
    offerAll(line, all)
    assert.deepStrictEqual(sequences(taking(line.clear())), [2, 1])
    assert.deepStrictEqual([line.size(), line.admitting()], [2, 0])
    assert.deepStrictEqual(drain(line), [4, 3])
  })

  it("dismiss takes out those who wait for room, and they were never accepted", () => {
    const line = TaskQueue.make<Item>({ ...strict, capacity: 1 })
    const all = items(1, 2, 3)
    offerAll(line, all)
    assert.deepStrictEqual(sequences(taking(line.dismiss())), [3, 2])
    assert.deepStrictEqual(
      all.map(({ accepted }) => accepted),
      [1, 0, 0]
    )
    assert.deepStrictEqual([line.size(), line.admitting()], [1, 0])
  })
})

const Level = Schema.Int.check(Schema.isBetween({ minimum: -9, maximum: 9 }))
const Step = Schema.Union([
  Schema.TaggedStruct("offer", {
    level: Level,
    gap: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))
  }),
  Schema.TaggedStruct("pop", {}),
  Schema.TaggedStruct("remove", { pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })) }),
  Schema.TaggedStruct("setLevel", {
    pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })),
    level: Level
  })
])
const script = Schema.Array(Step).check(Schema.isMaxLength(80))

/** The same queue, slowly: two sorted arrays. */
const model = (options: TaskQueue.TaskQueueOptions) => {
  let ready: Array<Item> = []
  let room: Array<Item> = []
  const key = (item: Item) =>
    options.ageing === Infinity ? -item.level : item.enqueuedAt - item.level * options.ageing
  const sort = (list: Array<Item>) => list.toSorted((a, b) => key(a) - key(b) || a.sequence - b.sequence)
  const fill = () => {
    while (ready.length < options.capacity && room.length > 0) {
      room = sort(room)
      ready = sort([...ready, ...room.slice(0, 1)])
      room = room.slice(1)
    }
  }
  return {
    lines: () => [sequences(sort(ready)), sequences(sort(room))],
    all: () => [...ready, ...room],
    offer: (item: Item): number | string => {
      if (ready.length < options.capacity) {
        ready.push(item)
        return "accepted"
      }
      if (options.overflow === "reject") return "full"
      if (options.overflow === "suspend") {
        room.push(item)
        return "suspended"
      }
      ready = sort([...ready, item])
      const bySequence = [...ready].toSorted((a, b) => a.sequence - b.sequence)
      const dropped = (options.overflow === "dropOldest" ? bySequence[0] : ready.at(-1)) ?? item
      ready = ready.filter((other) => other !== dropped)
      return dropped.sequence
    },
    pop: () => {
      const next = sort(ready)[0] ?? sort(room)[0]
      ready = ready.filter((item) => item !== next)
      room = room.filter((item) => item !== next)
      fill()
      return next?.sequence
    },
    remove: (item: Item) => {
      ready = ready.filter((other) => other !== item)
      room = room.filter((other) => other !== item)
      fill()
    }
  }
}

describe("TaskQueue", () => {
  for (const overflow of ["suspend", "reject", "dropOldest", "dropLowest"] as const) {
    for (const ageing of [Infinity, 10, 0]) {
      for (const capacity of [Infinity, 3, 0]) {
        it.prop(
          `agrees with sorted arrays for every script (${overflow}, ageing ${ageing}, capacity ${capacity})`,
          { script },
          ({ script }) => {
            const options = { overflow, ageing, capacity }
            const line = TaskQueue.make<Item>(options)
            const slow = model(options)
            let sequence = 0
            let now = 0
            for (const step of script) {
              const all = slow.all()
              const picked = "pick" in step && all.length > 0 ? all[step.pick % all.length] : undefined
              if (step._tag === "offer") {
                now += step.gap
                const item = new Item(++sequence, step.level, now)
                const offer = line.offer(item)
                assert.strictEqual(
                  typeof offer === "string" ? offer : "dropped" in offer ? offer.dropped.sequence : -1,
                  slow.offer(item)
                )
              } else if (step._tag === "pop") assert.strictEqual(line.pop()?.sequence, slow.pop())
              else if (picked !== undefined && step._tag === "remove") {
                assert.isTrue(line.remove(picked))
                slow.remove(picked)
              } else if (picked !== undefined && step._tag === "setLevel") line.setLevel(picked, step.level)
              const [ready = [], room = []] = slow.lines()
              assert.deepStrictEqual([line.size(), line.admitting()], [ready.length, room.length])
              assert.strictEqual(line.peek()?.sequence, ready[0])
              assert.deepStrictEqual(new Set(sequences(line.waiting())), new Set(ready))
              const urgent = [...line.waiting()].filter(({ level }) => level > 5).length
              assert.strictEqual(line.urgent(), urgent)
            }
            assert.deepStrictEqual(sequences(taking(line.clear())).concat(drain(line)), slow.lines().flat())
          },
          { arbitrary: { runs: 40 } }
        )
      }
    }
  }

  it.prop(
    "ageing bounds overtaking: a task is overtaken only by tasks that come within the difference of levels times ageing",
    {
      arrivals: Schema.Array(
        Schema.Struct({ level: Level, gap: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })) })
      )
    },
    ({ arrivals }) => {
      const line = TaskQueue.make<Item>({ ...strict, ageing: 25 })
      let now = 0
      for (const [i, { gap, level }] of arrivals.entries()) line.offer(new Item(i, level, (now += gap)))
      const order: Array<Item> = []
      for (let next = line.pop(); next !== undefined; next = line.pop()) order.push(next)
      for (const [i, later] of order.entries()) {
        for (const first of order.slice(0, i)) {
          if (first.enqueuedAt > later.enqueuedAt)
            assert.isAtMost(first.enqueuedAt - later.enqueuedAt, (first.level - later.level) * 25)
        }
      }
    }
  )

  it.effect("the layer makes a line with its options", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(
        TaskQueue.TaskQueue.layer({ ...strict, capacity: 7, overflow: "reject" })
      )
      const line = Context.get(context, TaskQueue.TaskQueue).make<Item>({
        now: () => 0,
        expected: () => undefined,
        system: () => 0,
        report: () => {}
      })
      assert.deepStrictEqual([line.capacity, line.overflow], [7, "reject"])
    })
  )
})
