import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"
import { fork, start } from "./support.ts"

const Level = Schema.Int.check(Schema.isBetween({ minimum: -20, maximum: 20 }))
const ascending = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  for (const [i, x] of a.entries()) if (x !== (b[i] ?? 0)) return x - (b[i] ?? 0)
  return 0
}

class Token extends Context.Service<Token, object>()("test/Token") {}
class Tokens extends Herd.Service<Tokens>()("test/Tokens", { resource: Token }) {}

describe("promise 4: priority is real", () => {
  it.effect.prop(
    "tasks start by level and then by age when ageing is never",
    { levels: Schema.Array(Level).check(Schema.isMaxLength(50)) },
    ({ levels }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const herd = yield* start({ workers: { max: 1 }, queue: { ageing: "never" } })
          const order: Array<number> = []
          yield* herd.pause
          for (const [i, priority] of levels.entries()) {
            yield* herd.submit(
              Effect.sync(() => order.push(i)),
              { priority }
            )
            yield* TestClock.adjust("1 hour")
          }

          yield* herd.resume
          yield* herd.awaitIdle

          const expected = levels.map((level, i) => [-level, i] as const).toSorted(ascending)
          assert.deepStrictEqual(
            order,
            expected.map(([, i]) => i)
          )
        })
      ),
    { arbitrary: { runs: 50 } }
  )

  it.effect.prop(
    "with ageing a task is overtaken only by those that come within the difference of levels times ageing",
    {
      arrivals: Schema.Array(
        Schema.Struct({
          level: Level,
          gap: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 }))
        })
      ).check(Schema.isMaxLength(50))
    },
    ({ arrivals }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const ageing = 1000
          const herd = yield* start({ workers: { max: 1 }, queue: { ageing } })
          const order: Array<{ readonly level: number; readonly at: number }> = []
          let at = 0
          yield* herd.pause
          for (const { gap, level } of arrivals) {
            yield* TestClock.adjust(gap)
            at += gap
            const arrival = { level, at }
            yield* herd.submit(
              Effect.sync(() => order.push(arrival)),
              { priority: level }
            )
          }

          yield* herd.resume
          yield* herd.awaitIdle

          assert.strictEqual(order.length, arrivals.length)
          for (const [i, later] of order.entries()) {
            for (const first of order.slice(0, i)) {
              if (first.at <= later.at) continue
              assert.isAbove(first.level, later.level, "only a more urgent task overtakes")
              assert.isAtMost(first.at - later.at, (first.level - later.level) * ageing)
            }
          }
          const keys = order.map(({ at, level }) => at - level * ageing)
          assert.deepStrictEqual(
            keys,
            [...keys].toSorted((a, b) => a - b),
            "no less urgent task holds up a more urgent one"
          )
        })
      ),
    { arbitrary: { runs: 50 } }
  )

  it.effect("the four names are levels 0, 5, 10 and 20", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 }, queue: { ageing: "never" } })
      const order: Array<string> = []
      const say = (name: string) => Effect.sync(() => order.push(name))
      yield* herd.pause
      yield* herd.submit(say("4"), { priority: 4 })
      yield* herd.submit(say("low"), { priority: "low" })
      yield* herd.submit(say("nothing said"))
      yield* herd.submit(say("normal"), { priority: "normal" })
      yield* herd.submit(say("critical"), { priority: "critical" })
      yield* herd.submit(say("19"), { priority: 19 })
      yield* herd.submit(say("high"), { priority: "high" })

      yield* herd.resume
      yield* herd.awaitIdle

      assert.deepStrictEqual(order, ["critical", "19", "high", "nothing said", "normal", "4", "low"])
    })
  )

  it.effect("a retry after its delay goes before a task of its level that came later", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 }, queue: { ageing: "never" } })
      const order: Array<string> = []
      let attempts = 0
      const flaky = Effect.suspend(() => {
        order.push(`flaky ${++attempts}`)
        return attempts < 2 ? Effect.fail("again") : Effect.void
      })
      yield* herd.submit(flaky, { priority: 7, retry: Schedule.spaced(10) })
      yield* herd.submit(Effect.sleep(50), { priority: 7 })
      yield* herd.submit(
        Effect.sync(() => order.push("later")),
        { priority: 7 }
      )
      yield* herd.submit(
        Effect.sync(() => order.push("urgent")),
        { priority: 8 }
      )
      yield* herd.submit(
        Effect.sync(() => order.push("lower")),
        { priority: 6 }
      )

      yield* TestClock.adjust(50)

      assert.deepStrictEqual(order, ["flaky 1", "urgent", "flaky 2", "later", "lower"])
    })
  )

  it.effect("a task queued again for an unhealthy worker keeps its place", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const gate = yield* Deferred.make<void>()
      let attempts = 0
      const herd = Context.get(
        yield* Layer.build(
          Tokens.layer({
            onCreate: Effect.sync(() => ({})),
            checkHealth: () => false,
            workers: { max: 1 },
            queue: { ageing: "never" }
          })
        ),
        Tokens
      )
      const first = yield* herd.submit(
        Effect.suspend(() => {
          order.push(`first ${++attempts}`)
          return attempts < 2 ? Effect.andThen(Deferred.await(gate), Effect.fail("lost")) : Effect.void
        })
      )
      const second = yield* herd.submit(Effect.sync(() => order.push("second")))

      yield* Deferred.succeed(gate, undefined)
      yield* first.join
      yield* second.join

      assert.deepStrictEqual(order, ["first 1", "first 2", "second"])
    })
  )

  it.effect("setPriority moves a waiting task and keeps its age within the new level", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 }, queue: { ageing: "never" } })
      const order: Array<string> = []
      const say = (name: string) => Effect.sync(() => order.push(name))
      yield* herd.pause
      const a = yield* herd.submit(say("a"), { priority: 1 })
      yield* herd.submit(say("b"), { priority: 2 })
      yield* herd.submit(say("c"), { priority: 3 })

      assert.isTrue(yield* a.setPriority(2))
      yield* herd.resume
      yield* herd.awaitIdle

      assert.deepStrictEqual(order, ["c", "a", "b"])
      assert.isFalse(yield* a.setPriority(9), "it waits no longer")
    })
  )

  it.effect("who waits for room in the queue is admitted by priority", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 }, queue: { capacity: 1, ageing: "never" } })
      const order: Array<string> = []
      const say = (name: string) => Effect.sync(() => order.push(name))
      yield* fork(herd.run(Effect.sleep(10)))
      yield* fork(herd.run(say("queued")))
      yield* fork(herd.run(say("low"), { priority: "low" }))
      yield* fork(herd.run(say("high"), { priority: "high" }))

      yield* TestClock.adjust(10)

      assert.deepStrictEqual(order, ["queued", "high", "low"])
    })
  )
})
