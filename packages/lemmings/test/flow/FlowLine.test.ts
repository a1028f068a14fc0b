import { assert, describe, it } from "@effect/vitest"
import * as TaskQueue from "../../src/dispatch/TaskQueue.ts"
import { mulberry } from "../internal/mulberry.ts"
import { Item, keys, rig, sequences } from "./line.ts"

describe("fair order", () => {
  it("starts one of another key after 100,000 of the first", () => {
    const { add, start } = rig()
    for (let left = 100_000; left > 0; left--) add({ key: "a" })
    add({ key: "b" })
    assert.strictEqual(keys(start(2)), "ab")
  })

  it("takes keys in turn, first those that came first", () => {
    const { add, start } = rig()
    for (const key of "aaabbb") add({ key })
    assert.strictEqual(keys(start()), "ababab")
  })

  it("gives shares while both wait, everything to one alone, and no credit to one that was away", () => {
    const { add, start } = rig({ limits: { perKey: { share: (key) => (key === "a" ? 3 : 1) } } })
    for (let left = 400; left > 0; left--) {
      add({ key: "a" })
      add({ key: "b" })
    }
    const both = keys(start(400))
    assert.closeTo(both.split("a").length - 1, 300, 2)
    // The rest of a, then b alone.
    const rest = keys(start())
    assert.strictEqual(rest.length, 400)
    // Away for long: back, it starts where the others are.
    for (let left = 100; left > 0; left--) add({ key: "b" })
    start(50)
    for (let left = 100; left > 0; left--) add({ key: "a" })
    const back = keys(start(40))
    assert.closeTo(back.split("a").length - 1, 30, 2)
  })

  it("keeps two keys that both wait within one task of each other, for any shares and weights", () => {
    const random = mulberry(7)
    for (let run = 0; run < 200; run++) {
      const shares = [1 + Math.floor(random() * 5), 1 + Math.floor(random() * 5)] as const
      const most = [1 + Math.floor(random() * 4), 1 + Math.floor(random() * 4)] as const
      const { add, start } = rig({ limits: { perKey: { share: (key) => shares[key === "a" ? 0 : 1] } } })
      for (let left = 200; left > 0; left--) {
        add({ key: "a", weight: 1 + Math.floor(random() * most[0]) })
        add({ key: "b", weight: 1 + Math.floor(random() * most[1]) })
      }
      const served = { a: 0, b: 0 }
      for (let left = 150; left > 0; left--) {
        const [item] = start(1)
        const key = item!.key as "a" | "b"
        served[key] += item!.weight! / shares[key === "a" ? 0 : 1]
        assert.isAtMost(
          Math.abs(served.a - served.b),
          most[0] / shares[0] + most[1] / shares[1] + 1e-9,
          `run ${run}`
        )
      }
    }
  })

  it("charges time, and corrects it by what a task really took", () => {
    const self = rig({ cost: "time", expected: () => 1 })
    for (let left = 3_000; left > 0; left--) {
      self.add({ key: "a" })
      self.add({ key: "b" })
    }
    const worked = { a: 0, b: 0 }
    while (worked.a + worked.b < 5_000) {
      const [item] = self.start(1)
      const took = item!.key === "a" ? 10 : 1
      worked[item!.key as "a" | "b"] += took
      self.now += took
      self.end(item!)
    }
    assert.closeTo(worked.a / (worked.a + worked.b), 0.5, 0.01)
  })

  it("never lets a key pass a level, and keeps the bound of ageing", () => {
    const { add, start } = rig({ ageing: 1_000 })
    add({ key: "a", level: 0, enqueuedAt: 0 })
    for (let left = 5; left > 0; left--) add({ key: "b", level: 5, enqueuedAt: 4_000 })
    add({ key: "c", level: 5, enqueuedAt: 5_001 })
    // 4,000 - 5,000 < 0: b is before a. c came more than 5 s after a.
    assert.strictEqual(keys(start()).replace(/b/g, ""), "ca")
    const strict = rig()
    strict.add({ key: "a", level: 1 })
    for (let left = 3; left > 0; left--) strict.add({ key: "b", level: 2 })
    assert.strictEqual(keys(strict.start()), "bbba")
  })

  it("with one key is today's line, to the order of every script", () => {
    for (const ageing of [Infinity, 50]) {
      for (let seed = 1; seed <= 60; seed++) {
        const random = mulberry(seed)
        const all: Array<Item> = []
        const line = rig({ ageing, order: seed % 2 === 0 ? "fair" : "arrival" })
        const old = TaskQueue.make<Item>({ ageing, capacity: Infinity, overflow: "suspend" })
        const twin = new Map<Item, Item>()
        for (let step = 0; step < 200; step++) {
          line.now += Math.floor(random() * 20)
          const dice = random()
          const some = all[Math.floor(random() * all.length)]
          if (dice < 0.45) {
            const item = line.add({ level: Math.floor(random() * 4) })
            const other = new Item(item.sequence, { level: item.level, enqueuedAt: item.enqueuedAt })
            old.offer(other)
            twin.set(item, other)
            all.push(item)
          } else if (dice < 0.8) {
            const next = old.pop()
            const [item] = line.start(1)
            assert.strictEqual(item?.sequence, next?.sequence, `seed ${seed}, step ${step}`)
            if (item !== undefined) {
              line.end(item)
              // Back with its old place.
              if (random() < 0.2) {
                line.line.push(item)
                old.push(next!)
              }
            }
          } else if (some !== undefined && some.slot >= 0) {
            if (dice < 0.9) {
              line.line.remove(some)
              old.remove(twin.get(some)!)
            } else {
              const level = Math.floor(random() * 4)
              line.line.setLevel(some, level)
              old.setLevel(twin.get(some)!, level)
            }
          }
          assert.strictEqual(line.line.size(), old.size())
          assert.strictEqual(line.line.urgent(), old.urgent())
          assert.deepStrictEqual(sequences(line.line.first(5)), sequences(old.first(5)), `seed ${seed}`)
        }
      }
    }
  })

  it("keeps a batch of one key one entry, in the order of its tasks", () => {
    const { add, line, start } = rig()
    add({ key: "a", tasks: 3 })
    add({ key: "b" })
    assert.strictEqual(line.flow.ready(0), 4)
    assert.strictEqual(keys(start()), "abaa")
    assert.strictEqual(line.size(), 0)
  })
})

describe("limits of keys", () => {
  it("hold what is over the cap, and nobody else", () => {
    const self = rig({ limits: { perKey: { concurrency: 2 } } })
    for (const key of "aaaab") self.add({ key })
    const started = self.start()
    assert.strictEqual(keys(started).split("").toSorted().join(""), "aab")
    assert.deepStrictEqual([self.line.flow.ready(0), self.line.flow.held(0)], [0, 2])
    self.end(started[0]!)
    assert.deepStrictEqual([self.line.flow.ready(0), self.line.flow.held(0)], [1, 1])
    assert.strictEqual(keys(self.start()), "a")
  })

  it("with burst bind only while another key could run, and keep no worker idle", () => {
    const self = rig({ limits: { perKey: { concurrency: 1, burst: true } } })
    for (const key of "aaab") self.add({ key })
    assert.strictEqual(keys(self.start(2)), "ab")
    assert.strictEqual(keys(self.start(2)), "aa")
  })

  it("run one after the other where asked, a retry before the next", () => {
    const self = rig({ limits: { perKey: { ordered: true } } })
    const [a1] = [self.add({ key: "a" }), self.add({ key: "a" }), self.add({ key: "b" })]
    assert.strictEqual(keys(self.start()), "ab")
    // It fails, and waits for its retry: its lease is back, and it has not ended.
    self.line.flow.returned(self.seats.get(a1)!, 0)
    assert.strictEqual(keys(self.start()), "")
    self.line.push(a1)
    assert.deepStrictEqual(self.start(), [a1])
    self.end(a1)
    assert.strictEqual(keys(self.start()), "a")
  })

  it("of a rate stop their key alone, and open at the earliest time", () => {
    const self = rig({ limits: { perKey: { rate: { limit: 2, per: 1_000 } } } })
    for (const key of "aaabb") self.add({ key })
    assert.strictEqual(keys(self.start()), "abab")
    assert.strictEqual(self.line.flow.held(0), 1)
    assert.closeTo(self.line.flow.wakesAt(0), 500, 0.01)
    self.now = 499
    assert.strictEqual(keys(self.start()), "")
    self.now = 500
    assert.strictEqual(keys(self.start()), "a")
  })

  it("count weight, and never let light tasks starve a heavy one", () => {
    const self = rig({ limits: { weight: 4 } })
    const light = [self.add({ weight: 1 }), self.add({ weight: 1 })]
    assert.strictEqual(self.start().length, 2)
    const heavy = self.add({ weight: 4 })
    for (let left = 10; left > 0; left--) self.add({ weight: 1 })
    assert.strictEqual(self.start().length, 0)
    self.end(light[0]!)
    assert.strictEqual(self.start().length, 0)
    self.end(light[1]!)
    assert.deepStrictEqual(self.start(), [heavy])
    assert.include(self.line.flow.impossible(undefined, 5)?.message ?? "", "weight must be at most 4")
  })

  it("let no light task of a lower level starve a heavy one of the same key", () => {
    for (const perKey of [{ concurrency: 4 }, { rate: { limit: 4, per: 1_000 } }]) {
      const self = rig({ limits: { perKey } })
      for (const level of [1, 1, 1]) self.add({ key: "a", level })
      const light = self.start()
      const heavy = self.add({ key: "a", level: 9, weight: 4 })
      for (let left = 100; left > 0; left--) self.add({ key: "a", level: 1 })
      self.add({ key: "b", level: 0 })
      assert.strictEqual(keys(self.start()), "b")
      assert.include(self.line.flow.explain(heavy, 0).blockedBy, "rate" in perKey ? "keyRate" : "concurrency")
      assert.deepStrictEqual(
        self.line.flow.explain(
          [...self.line.waiting()].find(({ level }) => level === 1)!,
          0
        ).blockedBy,
        ["order"]
      )
      for (const item of light) {
        self.now += 1_000 / 4 / 3
        self.end(item)
        if (item !== light.at(-1)) assert.strictEqual(self.start().length, 0)
      }
      self.now = 1_000
      assert.strictEqual(self.start(1)[0], heavy)
    }
  })

  it("that are lowered below the weight of what waits let it start alone", () => {
    for (const limits of [
      { weight: 8 },
      { perKey: { concurrency: 8 } },
      { rate: { limit: 8, per: 1_000 } },
      { perKey: { rate: { limit: 8, per: 1_000, window: "sliding" as const } } }
    ]) {
      const lower = JSON.parse(JSON.stringify(limits).replaceAll("8", "3")) as typeof limits
      const self = rig({ limits })
      const first = self.add({ key: "a", weight: 8 })
      assert.deepStrictEqual(self.start(), [first])
      const heavy = self.add({ key: "a", weight: 8 })
      const light = self.add({ key: "a", weight: 1 })
      self.line.flow.setLimits(rig({ limits: lower }).line.flow.limits(), self.now)
      self.end(first)
      self.now += 10_000
      assert.strictEqual(self.start(1)[0], heavy)
      assert.strictEqual(self.start().length, 0)
      self.end(heavy)
      self.now += 10_000
      assert.deepStrictEqual(self.start(), [light])
    }
  })

  it("that are functions which throw or answer nonsense are reported, and the key is careful", () => {
    const self = rig({
      limits: {
        perKey: {
          concurrency: (key) => {
            if (key === "a") throw new Error("no")
            return key === "b" ? Number.NaN : undefined
          }
        }
      }
    })
    for (const key of "aabbcc") self.add({ key })
    assert.strictEqual(keys(self.start()).split("").toSorted().join(""), "abcc")
    assert.strictEqual(self.reports.length, 2)
  })

  it("per key and of the whole hold together, and the whole is not multiplied", () => {
    const self = rig({ limits: { weight: 3, perKey: { concurrency: 1 } } })
    for (const key of "aabbccddee") self.add({ key })
    assert.strictEqual(keys(self.start()), "abc")
  })

  it("change at run time, both ways, and clip what is owed", () => {
    const self = rig({ limits: { perKey: { concurrency: 3, rate: { limit: 1, per: "1 hour", burst: 5 } } } })
    for (let left = 20; left > 0; left--) self.add({ key: "a" })
    const started = self.start()
    assert.strictEqual(started.length, 3)
    const set = (limits: Parameters<typeof rig>[0]) => rig(limits).line.flow.limits()
    self.line.flow.setLimits(set({ limits: { perKey: { concurrency: 1 } } }), self.now)
    self.end(started[0]!)
    self.end(started[1]!)
    assert.strictEqual(self.start().length, 0)
    self.end(started[2]!)
    assert.strictEqual(self.start().length, 1)
    self.line.flow.setLimits(set({ limits: { perKey: { rate: { limit: 0, per: "1 second" } } } }), self.now)
    assert.strictEqual(self.start().length, 0)
    self.line.flow.setLimits(set({ limits: { perKey: { rate: { limit: 2, per: "1 second" } } } }), self.now)
    assert.strictEqual(self.start().length, 2)
  })
})

describe("a hold", () => {
  it("keeps the latest end, opens with one probe, and ignores failures of before", () => {
    const self = rig({ limits: {} })
    for (let left = 4; left > 0; left--) self.add({ key: "a" })
    const [one, two] = self.start(2)
    const before = self.seats.get(two!)
    self.line.flow.hold("a", 10_000, self.now, self.seats.get(one!))
    const opens = self.line.flow.wakesAt(0)
    assert.isTrue(opens >= 10_000 && opens <= 11_000)
    // Other attempts that the hold has met at work: one says less, and one says more.
    self.line.flow.hold("a", 1_000, self.now, before)
    self.line.flow.hold("a", 60_000, self.now, before)
    const later = self.line.flow.wakesAt(0)
    assert.isTrue(later >= 60_000 && later <= 66_000)
    self.end(one!)
    assert.strictEqual(self.start().length, 0)
    self.now = later
    const probe = self.start()
    assert.strictEqual(probe.length, 1)
    // Late: the hold is over, and this failure says nothing of now.
    self.line.flow.hold("a", 60_000, self.now, before)
    self.end(two!)
    assert.strictEqual(self.start().length, 0)
    self.end(probe[0]!)
    assert.strictEqual(self.start().length, 1)
  })

  it("is tried again by the next task when the probe was interrupted", () => {
    const self = rig({ limits: {} })
    for (let left = 3; left > 0; left--) self.add({ key: "a" })
    self.line.flow.hold("a", 1_000, 0)
    self.now = self.line.flow.wakesAt(0)
    const [left] = self.start()
    self.line.flow.inconclusive(self.seats.get(left!))
    self.end(left!)
    assert.strictEqual(self.start().length, 1)
  })

  it("that ends while nobody of its key waits is over, and leaves no record", () => {
    const self = rig({ limits: {} })
    for (let key = 0; key < 1_000; key++) self.line.flow.hold(`key-${key}`, 1_000, 0)
    assert.strictEqual(self.line.flow.size(), 1_000)
    self.now = 2_000
    for (let other = 0; other < 600; other++) self.end((self.add({ key: "b" }), self.start(1)[0]!))
    assert.strictEqual(self.line.flow.size(), 0)
    self.line.flow.hold("a", 1_000, self.now)
    self.now += 2_000
    for (const key of "aaa") self.add({ key })
    assert.strictEqual(self.start().length, 3)
  })

  it("is at most an hour, and can be ended", () => {
    const self = rig({ limits: {} })
    self.add({ key: "a" })
    self.line.flow.hold("a", Infinity, 0)
    assert.isAtMost(self.line.flow.wakesAt(0), 3_600_000 * 1.1)
    assert.isTrue(self.line.flow.release("a", 0))
    assert.isFalse(self.line.flow.release("a", 0))
    assert.strictEqual(self.start().length, 1)
  })
})

describe("room", () => {
  it("of a key is bounded: refused, suspended until there is room, or another of the key is dropped", () => {
    const refuse = rig({ overflow: "reject", limits: { perKey: { queue: 1 } } })
    refuse.add({ key: "a" })
    assert.deepInclude(refuse.line.offer(new Item(9, { key: "a" })) as object, {
      refused: "keyFull",
      key: "a"
    })
    assert.strictEqual(refuse.line.offer(new Item(10, { key: "b" })), "accepted")

    const wait = rig({ limits: { perKey: { queue: 1 } } })
    const [first, second] = [wait.add({ key: "a" }), wait.add({ key: "a" })]
    assert.deepStrictEqual([wait.line.size(), wait.line.admitting(), second?.accepted], [1, 1, 0])
    assert.deepStrictEqual(wait.start(1), [first])
    assert.deepStrictEqual([wait.line.size(), wait.line.admitting(), second?.accepted], [1, 0, 1])

    const drop = rig({ overflow: "dropOldest", limits: { perKey: { queue: 1 } } })
    const [old] = [drop.add({ key: "b" }), drop.add({ key: "a" })]
    const answer = drop.line.offer(new Item(9, { key: "a" }))
    assert.deepInclude(answer as object, { reason: "keyFull" })
    assert.notStrictEqual((answer as { dropped: Item }).dropped, old)
  })

  it("of the longest key is given to others", () => {
    const self = rig({ overflow: "dropLongest", capacity: 4 })
    const flood = [1, 2, 3].map(() => self.add({ key: "a" }))
    self.add({ key: "b" })
    const answer = self.line.offer(new Item(9, { key: "b" }))
    assert.deepStrictEqual(answer, { dropped: flood[0]!, reason: "dropLongest" })
  })
})

describe("room that nobody needs", () => {
  it("is no reason to refuse or to drop what a worker could take at once", () => {
    for (const overflow of ["reject", "dropOldest", "dropLowest", "dropLongest"] as const) {
      const self = rig({ overflow, capacity: 1, limits: { perKey: { concurrency: 1 } } })
      self.add({ key: "a" })
      self.start()
      const held = self.add({ key: "a" })
      // The queue is full of what a limit holds.
      assert.strictEqual(
        self.line.offer(new Item(90, { key: "b" }), () => 1),
        "accepted",
        overflow
      )
      assert.strictEqual(held.dropped.length, 0)
      assert.notStrictEqual(
        self.line.offer(new Item(91, { key: "c" }), () => 1),
        "accepted",
        overflow
      )
    }
  })
})

describe("overload", () => {
  it("goes on while the line runs empty because tasks are refused", () => {
    for (const order of ["arrival", "fair"] as const) {
      const self = rig({ order, overload: { after: 1_000, maxWait: 200, order: "oldestFirst" } })
      let longest = 0
      // Three come where one can be done, for a minute.
      for (; self.now < 60_000; self.now += 100) {
        for (let left = 3; left > 0; left--) self.add({ key: "a" })
        for (const item of self.start(1)) {
          if (self.now > 5_000) longest = Math.max(longest, self.now - item.enqueuedAt)
          self.end(item)
        }
      }
      assert.isAtMost(longest, 200)
    }
  })

  it("sheds what has waited too long, and only after the line has been busy for long enough", () => {
    const self = rig({ order: "arrival", overload: { after: 5_000, maxWait: 500, order: "newestFirst" } })
    const items: Array<Item> = []
    for (; self.now <= 4_900; self.now += 100) items.push(self.add())
    assert.deepStrictEqual(self.start(1), [items[0]])
    for (; self.now <= 6_000; self.now += 100) items.push(self.add())
    const [next] = self.start(1)
    assert.strictEqual(next, items.at(-1))
    assert.isAbove(items.filter(({ dropped }) => dropped.includes("overloaded")).length, 40)
    assert.isTrue(self.line.size() <= 6)
  })

  it("refuses sheddable tasks first, then normal ones, and takes them again below", () => {
    const self = rig({ capacity: 100, overload: { after: 60_000, maxWait: 500, order: "oldestFirst" } })
    const offer = (criticality: "critical" | "normal" | "sheddable") => {
      const answer = self.line.offer(new Item(1_000 + Math.random(), { criticality }))
      return typeof answer === "string" ? answer : "refused" in answer ? answer.refused : "dropped"
    }
    for (let left = 76; left > 0; left--) self.add()
    assert.deepStrictEqual([offer("sheddable"), offer("normal")], ["overloaded", "accepted"])
    while (self.line.size() < 91) self.add({ criticality: "critical" })
    assert.deepStrictEqual(
      [offer("sheddable"), offer("normal"), offer("critical")],
      ["overloaded", "overloaded", "accepted"]
    )
    self.start(12)
    // 80 of 100: a level of 0.6, below 0.7.
    assert.deepStrictEqual([offer("sheddable"), offer("normal")], ["overloaded", "accepted"])
    self.start(15)
    assert.strictEqual(offer("sheddable"), "accepted")
  })
})
