// The line against a naive model, with limits, holds and everything that people do to tasks.
import { assert, describe, it } from "@effect/vitest"
import { mulberry } from "../internal/mulberry.ts"
import { type Item, rig } from "./line.ts"
import type { LimitsOptions } from "../../src/model/Limits.ts"

const names = ["a", "b", "c", "d", undefined]

const limitsOf = (random: () => number): LimitsOptions => {
  const maybe = <A>(value: A): A | undefined => (random() < 0.5 ? value : undefined)
  const rate = { limit: 1 + Math.floor(random() * 5), per: 20 + Math.floor(random() * 200) }
  return {
    weight: maybe(3 + Math.floor(random() * 5)),
    rate: maybe({ limit: 5 + Math.floor(random() * 20), per: 100, burst: 5 }),
    perKey: {
      concurrency: maybe(2 + Math.floor(random() * 3)),
      burst: random() < 0.3,
      ordered: random() < 0.2,
      share: (key) => 1 + (key.charCodeAt(0) % 3),
      rate: maybe(
        random() < 0.5
          ? { ...rate, burst: Math.max(2, rate.limit) }
          : { ...rate, limit: 2 + rate.limit, window: "sliding" as const }
      )
    }
  }
}

/** 400 steps for each seed. */
export const lineModel = (seeds: number) =>
  describe("a line with limits", () => {
    it("keeps every count and limit, and holds nobody whom nothing holds", () => {
      for (let seed = 1; seed <= seeds; seed++) {
        const random = mulberry(seed)
        const limits = limitsOf(random)
        const { burst = false, concurrency, ordered = false } = limits.perKey ?? {}
        const cap = typeof concurrency === "number" ? concurrency : Infinity
        const self = rig({
          limits,
          order: random() < 0.5 ? "fair" : "arrival",
          ageing: random() < 0.5 ? 30 : Infinity
        })
        const { flow } = self.line
        const waiting = new Set<Item>()
        const running = new Set<Item>()
        const between = new Set<Item>()
        const holds = new Map<string | undefined, number>()
        const log: Array<string> = []
        for (let step = 0; step < 400; step++) {
          self.now += Math.floor(random() * 12)
          const dice = random()
          const pick = (all: Set<Item>) => [...all][Math.floor(random() * all.size)]
          if (dice < 0.4) {
            const key = names[Math.floor(random() * names.length)]
            waiting.add(self.add({ key, level: Math.floor(random() * 3), weight: random() < 0.8 ? 1 : 2 }))
          } else if (dice < 0.5 && waiting.size > 0) {
            const item = pick(waiting)!
            assert.isTrue(self.line.remove(item))
            waiting.delete(item)
            flow.ended(item, self.now)
          } else if (dice < 0.55 && waiting.size > 0) {
            self.line.setLevel(pick(waiting)!, Math.floor(random() * 3))
          } else if (dice < 0.75 && running.size > 0) {
            const item = pick(running)!
            running.delete(item)
            if (random() < 0.3) {
              // It failed, and comes back.
              flow.returned(self.seats.get(item)!, self.now)
              self.seats.delete(item)
              between.add(item)
            } else self.end(item)
          } else if (dice < 0.8 && between.size > 0) {
            const item = pick(between)!
            between.delete(item)
            self.line.push(item)
            waiting.add(item)
          } else if (dice < 0.82) {
            const key = names[Math.floor(random() * names.length)]
            flow.hold(key, 50, self.now)
            holds.set(key, self.now + 50)
          } else if (dice < 0.83) {
            const key = names[Math.floor(random() * names.length)]
            flow.release(key, self.now)
            holds.delete(key)
          }
          const before = flow.ready(self.now)
          const [item] = random() < 0.7 ? self.start(1) : []
          if (item !== undefined) {
            log.push(item.key ?? "-")
            waiting.delete(item)
            running.add(item)
            assert.isAtLeast(before, 0)
            assert.isTrue((holds.get(item.key) ?? -1) <= self.now, `seed ${seed}: ${item.key} was on hold`)
          }
          // What is counted.
          assert.strictEqual(self.line.size(), waiting.size, `seed ${seed}, step ${step}`)
          assert.strictEqual(flow.ready(self.now) + flow.held(self.now), waiting.size)
          assert.isAtLeast(flow.held(self.now), 0)
          // What is limited.
          const weights = new Map<string | undefined, number>()
          const tasks = new Map<string | undefined, number>()
          for (const { key, weight = 1 } of running) {
            weights.set(key, (weights.get(key) ?? 0) + weight)
            tasks.set(key, (tasks.get(key) ?? 0) + 1)
          }
          const all = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
          assert.isAtMost(all, limits.weight ?? Infinity)
          for (const [key, weight] of weights) {
            if (key === undefined) continue
            if (!burst) assert.isAtMost(weight, cap, `seed ${seed}, step ${step}: ${key}`)
            if (ordered) assert.isAtMost(tasks.get(key) ?? 0, 1)
          }
          // What waits has a reason, and what has a time wakes.
          if (step % 8 === 0 && flow.look(self.now) === undefined) {
            for (const waiter of waiting) {
              const { blockedBy } = flow.explain(waiter, self.now)
              assert.isNotEmpty(blockedBy, `seed ${seed}, step ${step}: ${waiter.key} waits for nothing`)
            }
            if (running.size === 0 && between.size === 0 && waiting.size > 0)
              assert.isBelow(flow.wakesAt(self.now), Infinity, `seed ${seed}, step ${step}: nobody wakes it`)
          }
        }
        // Everything ends, and nothing is remembered.
        for (let rounds = 0; waiting.size + running.size + between.size > 0; rounds++) {
          if (rounds > 5_000) assert.fail(`seed ${seed}: ${waiting.size} wait for ever`)
          for (const item of running) self.end(item)
          running.clear()
          for (const item of between) {
            self.line.push(item)
            waiting.add(item)
          }
          between.clear()
          for (const item of self.start()) {
            waiting.delete(item)
            running.add(item)
          }
          if (running.size === 0)
            self.now = Math.max(self.now + 1, Math.min(self.now + 1_000, flow.wakesAt(self.now)))
        }
        self.now += 1e6
        for (const key of ["x", "y"]) {
          self.end((self.add({ key }), self.start(1)[0]!))
          self.now += 1e6
        }
        assert.isAtMost(flow.size(), 2, `seed ${seed}`)
      }
    })
  })
