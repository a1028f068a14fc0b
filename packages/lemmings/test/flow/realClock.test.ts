// What has a clock, once on the real one. Bounds below are exact: nothing may come too early. How late a loaded machine is, says nothing.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule } from "effect"
import { flow } from "./support.ts"

const each = <A>(count: number, f: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => f(i))
const clock = Effect.sync(() => performance.now())

/** The most that began in any window of this length. */
const busiest = (at: ReadonlyArray<number>, span: number) =>
  Math.max(...at.map((from) => at.filter((time) => time >= from && time < from + span).length))

describe.concurrent("on the real clock", () => {
  it.live("no window of the span sees more than limit + burst - 1 starts of a key", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        limits: { perKey: { rate: { limit: 20, per: "500 millis", burst: 5 } } }
      })
      const at = yield* herd.runAll(
        each(40, () => clock),
        { key: "a" }
      )
      const first = at[0]!
      // A start is counted before its task looks at the clock: the n-th after the burst is never before its time.
      for (const [n, time] of at.entries()) {
        if (n >= 5) assert.isAtLeast(time - first, (n - 4) * 25 - 1, `start ${n}`)
      }
      // It may be late, and the next in time: one more than the law where the machine is slow, and never a second burst.
      assert.isAtMost(busiest(at, 500), 20 + 5 - 1 + 1)
    })
  )

  it.live("a hold keeps its key for as long as was said, and others not at all", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 4 },
        limits: { hold: (error: unknown) => (error === "429" ? 150 : undefined) }
      })
      let calls = 0
      const began = performance.now()
      const held = yield* Effect.forkChild(
        herd.run(
          Effect.suspend(() => (++calls === 1 ? Effect.fail("429") : clock)),
          { key: "a" }
        )
      )
      yield* Effect.sleep(5)
      const other = yield* herd.run(clock, { key: "b" })
      const again = yield* Fiber.join(held)
      assert.isAtLeast(again - began, 149)
      assert.isBelow(other, again)
    })
  )

  it.live("one task behind thousands of another tenant starts when a worker is free", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 2 }, queue: { order: "fair" }, shutdown: { drain: 0 } })
      let done = 0
      const large = Effect.andThen(
        Effect.sleep(20),
        Effect.sync(() => done++)
      )
      yield* Effect.forkScoped(
        Effect.exit(
          herd.runAll(
            each(5_000, () => large),
            { key: "large" }
          )
        )
      )
      yield* Effect.sleep(50)
      const before = done
      yield* herd.run(Effect.void, { key: "small" })
      // Two were running when it came.
      assert.isAtMost(done - before, 2)
    })
  )

  it.live("a retry of an ordered key keeps the next one waiting", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, limits: { perKey: { ordered: true } } })
      const log: Array<string> = []
      let fails = 1
      const first = Effect.suspend(() => {
        log.push("first")
        return fails-- > 0 ? Effect.fail("no") : Effect.void
      })
      const one = yield* herd.submit(first, { key: "a", retry: Schedule.spaced(50) })
      yield* herd.run(
        Effect.sync(() => log.push("second")),
        { key: "a" }
      )
      yield* one.join
      assert.deepStrictEqual(log, ["first", "first", "second"])
    })
  )

  it.live("what cannot end in time is not begun", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 1 } })
      const work = Effect.sleep(20)
      // Known from ten runs of its label on.
      for (let n = 0; n < 12; n++) yield* herd.run(work, { label: "work", deadline: "1 minute" })
      const ends = yield* Effect.forEach(
        each(20, (n) => n),
        () => Effect.exit(herd.run(work, { label: "work", deadline: 100 })),
        { concurrency: "unbounded" }
      )
      const done = ends.filter(Exit.isSuccess).length
      assert.isAtMost(done, 5)
      const { failed, succeeded } = (yield* herd.stats).tasks
      assert.deepStrictEqual([succeeded, failed], [12 + done, 20 - done])
    })
  )

  it.live("what has waited too long in an overload is shed", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 1 }, overload: { after: 50, maxWait: 30 } })
      const waits: Array<number> = []
      let shed = 0
      yield* Effect.forEach(
        each(60, (n) => n),
        (n) =>
          Effect.gen(function* () {
            yield* Effect.sleep(n * 5)
            const came = performance.now()
            yield* herd.run(
              Effect.andThen(
                Effect.sync(() => waits.push(performance.now() - came)),
                Effect.sleep(15)
              )
            )
          }).pipe(Effect.catchTag("TaskShed", () => Effect.sync(() => shed++))),
        { concurrency: "unbounded" }
      )
      assert.isAbove(shed, 10)
      assert.isAbove(waits.length, 5)
    })
  )
})
