// Goodput and waits of a herd by how much is asked of it, and after a spike, in virtual time. Not with one policy alone: with
// deadlines, and with `overload` for tasks that have none.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import type { TaskOptions } from "../../src/index.ts"
import { mulberry } from "../internal/mulberry.ts"
import { fork } from "../promises/support.ts"
import { flow } from "./support.ts"

const workers = 8
const service = 100
// What they can do in a second.
const capacity = (workers * 1_000) / service

interface Ended {
  readonly at: number
  readonly took: number
}

/** Sends tasks at a rate by the second, and returns what succeeded: when, and how long after its coming. */
const drive = (
  herd: Effect.Success<ReturnType<typeof flow>>,
  rates: ReadonlyArray<number>,
  millis: () => number,
  options: () => TaskOptions
) =>
  Effect.gen(function* () {
    const ended: Array<Ended> = []
    const began = yield* Clock.currentTimeMillis
    let due = 0
    for (const rate of rates) {
      for (let slice = 0; slice < 20; slice++) {
        for (due += rate / 20; due >= 1; due--) {
          const came = yield* Clock.currentTimeMillis
          const takes = millis()
          const work = Effect.andThen(
            // Nobody cancels what has begun.
            Effect.uninterruptible(Effect.sleep(takes)),
            Effect.map(Clock.currentTimeMillis, (now) => ended.push({ at: now - began, took: now - came }))
          )
          yield* fork(Effect.exit(herd.run(work, options())))
        }
        yield* TestClock.adjust(50)
      }
    }
    return ended
  })

const p99 = (ended: ReadonlyArray<Ended>) => {
  const sorted = ended.map(({ took }) => took).toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Infinity
}
const fixed = () => service
const exponential = () => {
  const random = mulberry(7)
  return () => Math.max(1, Math.round(-Math.log(1 - random()) * service))
}
const seconds = 20
const steady = (factor: number) => Array.from({ length: seconds }, () => factor * capacity)

describe("goodput", () => {
  for (const factor of [0.9, 1.05, 1.2, 3]) {
    it.effect(`with deadlines at ${factor} times the capacity, tasks of one length (scylladb)`, () =>
      Effect.gen(function* () {
        const herd = yield* flow({ workers: { max: workers } })
        const ended = yield* drive(herd, steady(factor), fixed, () => ({ deadline: "1 second" }))
        const inTime = ended.filter(({ took }) => took <= 1_000)
        assert.isAtLeast(inTime.length / (seconds * capacity * Math.min(1, factor)), 0.95)
        // What is begun ends in time.
        assert.strictEqual(inTime.length, ended.length)
        assert.isAtMost(p99(ended), 1_000)
      })
    )

    it.effect(`with deadlines at ${factor} times the capacity, tasks of any length`, () =>
      Effect.gen(function* () {
        const goodput = (options: Parameters<typeof flow>[0]) =>
          Effect.gen(function* () {
            const herd = yield* flow({ workers: { max: workers }, ...options })
            const ended = yield* drive(herd, steady(factor), exponential(), () => ({ deadline: "1 second" }))
            const inTime = ended.filter(({ took }) => took <= 1_000)
            return inTime.length / (seconds * capacity * Math.min(1, factor))
          })
        // Nobody knows how long the next one takes, and nobody cancels it: some are begun in vain.
        assert.isAtLeast(yield* goodput({}), 0.6)
        // Whoever has waited for long is not begun either.
        assert.isAtLeast(yield* goodput({ overload: { after: "1 second", maxWait: "400 millis" } }), 0.95)
      })
    )
  }

  it.effect("and p99 at three times the capacity: at most two maxWait and the service, with deadlines", () =>
    Effect.gen(function* () {
      const overload = { after: "1 second", maxWait: "400 millis" } as const
      const herd = yield* flow({ workers: { max: workers }, overload })
      const ended = yield* drive(herd, steady(3), fixed, () => ({ deadline: "1 second" }))
      assert.isAtLeast(ended.length / (seconds * capacity), 0.95)
      assert.isAtMost(p99(ended), 2 * 400 + service)
    })
  )

  it.effect("without deadlines, and p99, once an overload has begun", () =>
    Effect.gen(function* () {
      for (const order of ["oldestFirst", "newestFirst"] as const) {
        const overload = { after: "1 second", maxWait: "400 millis", order } as const
        const herd = yield* flow({ workers: { max: workers }, overload })
        const ended = yield* drive(herd, steady(3), fixed, () => ({}))
        assert.isAtLeast(ended.length / (seconds * capacity), 0.95)
        const later = ended.filter(({ at }) => at > 2_500)
        assert.isAtMost(p99(later), 400 + 50 + service, order)
      }
    })
  )
})

describe("a spike", () => {
  it.effect("is over ten seconds after it: p99 is what it was, and nothing is shed (envoy)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: workers },
        overload: { after: "2 seconds", maxWait: "500 millis" }
      })
      const half = capacity / 2
      const rates = [
        ...Array<number>(5).fill(half),
        ...Array<number>(10).fill(3 * capacity),
        ...Array<number>(20).fill(half)
      ]
      const ended = yield* drive(herd, rates, fixed, () => ({}))
      assert.isAtMost(p99(ended.filter(({ at }) => at > 25_000)), service + 50)
      const { rejected, shed } = (yield* herd.stats).tasks
      assert.isAbove(shed + rejected, 100)
      const before = p99(ended.filter(({ at }) => at < 5_000))
      assert.isAtMost(p99(ended.filter(({ at }) => at > 25_000)), before)
      yield* drive(herd, Array<number>(5).fill(half), fixed, () => ({}))
      const after = (yield* herd.stats).tasks
      assert.deepStrictEqual([after.shed, after.rejected], [shed, rejected])
    })
  )

  it.effect("costs sheddable tasks first: critical ones are all served", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: workers },
        overload: { after: "500 millis", maxWait: "500 millis" }
      })
      const lost = { sheddable: 0, normal: 0, critical: 0 }
      const came = { sheddable: 0, normal: 0, critical: 0 }
      // A quarter is critical, a quarter normal, and the rest is twice what there is room for.
      const kinds = ["critical", "normal", ...Array<"sheddable">(6).fill("sheddable")] as const
      let next = 0
      for (let slice = 0; slice < 400; slice++) {
        for (let left = 12; left > 0; left--) {
          const criticality = kinds[next++ % kinds.length]!
          came[criticality]++
          yield* fork(
            herd
              .run(Effect.sleep(service), { criticality })
              .pipe(Effect.catchTag("TaskShed", () => Effect.sync(() => lost[criticality]++)))
          )
        }
        yield* TestClock.adjust(50)
      }
      const part = (kind: keyof typeof lost) => lost[kind] / came[kind]
      assert.isAbove(part("sheddable"), part("normal"))
      assert.isAbove(part("sheddable"), 0.5)
      assert.isAtLeast(part("normal"), part("critical"))
    })
  )
})
