import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schedule, Schema } from "effect"
import { Retry } from "../../src/index.ts"

const failure: Retry.Failure = {
  typed: true,
  healthy: true,
  once: false,
  open: true,
  requeues: 0,
  maxRequeues: 3,
  retryable: true
}

describe("Retry.decide", () => {
  const table: ReadonlyArray<readonly [fact: string, change: Partial<Retry.Failure>, verdict: string]> = [
    ["a healthy failure with a schedule is tried again", {}, "retry"],
    ["a healthy failure without a schedule is settled", { retryable: false }, "settle"],
    ["an unhealthy failure is queued again", { healthy: false }, "requeue"],
    [
      "an unhealthy failure is queued again without a schedule",
      { healthy: false, retryable: false },
      "requeue"
    ],
    ["the last re-queue is allowed", { healthy: false, requeues: 2 }, "requeue"],
    ["used up re-queues leave it to the schedule", { healthy: false, requeues: 3 }, "retry"],
    [
      "used up re-queues without a schedule are settled",
      { healthy: false, requeues: 3, retryable: false },
      "settle"
    ],
    ["0 re-queues means none", { healthy: false, maxRequeues: 0, retryable: false }, "settle"],
    ["a defect is settled", { typed: false }, "settle"],
    ["a defect of an unhealthy worker is settled", { typed: false, healthy: false }, "settle"],
    ["once is settled", { once: true }, "settle"],
    ["once on an unhealthy worker is settled", { once: true, healthy: false }, "settle"],
    ["a closing herd settles", { open: false }, "settle"],
    ["a closing herd settles the unhealthy too", { open: false, healthy: false }, "settle"]
  ]
  for (const [fact, change, verdict] of table) {
    it(fact, () => assert.strictEqual(Retry.decide({ ...failure, ...change }), verdict))
  }

  it.prop(
    "never runs again what is once, no typed failure, or of a closing herd",
    {
      healthy: Schema.Boolean,
      retryable: Schema.Boolean,
      requeues: Schema.Int,
      maxRequeues: Schema.Int,
      why: Schema.Literals(["once", "typed", "open"])
    },
    ({ why, ...rest }) => {
      const decision = Retry.decide({ ...failure, ...rest, [why]: why === "once" })
      assert.strictEqual(decision, "settle")
    }
  )
})

describe("Retry.isTyped", () => {
  it("holds for typed failures and nothing worse", () => {
    const cases: ReadonlyArray<readonly [Cause.Cause<string>, boolean]> = [
      [Cause.fail("e"), true],
      [Cause.die("d"), false],
      [Cause.interrupt(), false],
      [Cause.combine(Cause.fail("e"), Cause.fail("f")), true],
      [Cause.combine(Cause.fail("e"), Cause.die("d")), false],
      [Cause.combine(Cause.fail("e"), Cause.interrupt()), false],
      [Cause.empty, false]
    ]
    for (const [cause, typed] of cases) assert.strictEqual(Retry.isTyped(cause), typed, Cause.pretty(cause))
  })
})

describe("Retry.judge", () => {
  it("asks the predicate, holds without one, and reports one that throws", () => {
    const reports: Array<unknown> = []
    const report = (cause: Cause.Cause<never>) => void reports.push(Cause.squash(cause))
    const throwing = () => {
      throw "broken"
    }
    assert.isTrue(Retry.judge(undefined, 1, false, report))
    assert.isTrue(Retry.judge((n: number) => n === 1, 1, false, report))
    assert.isFalse(Retry.judge((n: number) => n === 1, 2, true, report))
    assert.deepStrictEqual(reports, [])
    assert.isTrue(Retry.judge(throwing, 1, true, report))
    assert.isFalse(Retry.judge(throwing, 1, false, report))
    assert.deepStrictEqual(reports, ["broken", "broken"])
  })
})

describe("Retry.begin", () => {
  it.effect("yields the schedule's delays in milliseconds, then undefined", () =>
    Effect.gen(function* () {
      const step = yield* Retry.begin(Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 })))
      const delays = []
      for (let i = 0; i < 5; i++) delays.push(yield* step(0, "error"))
      assert.deepStrictEqual(delays, [100, 200, 400, undefined, undefined])
    })
  )

  it.effect("each beginning stands at the start of the schedule", () =>
    Effect.gen(function* () {
      const schedule = Schedule.recurs(1)
      const first = yield* Retry.begin(schedule)
      const second = yield* Retry.begin(schedule)
      yield* first(0, "error")
      assert.deepStrictEqual([yield* first(0, "error"), yield* second(0, "error")], [undefined, 0])
    })
  )

  it.effect("gives the schedule the error and the time", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const schedule = Schedule.forever.pipe(
        Schedule.while(({ elapsed, input }) => {
          seen.push([input, elapsed])
          return true
        })
      )
      const step = yield* Retry.begin(schedule)
      yield* step(1000, "first")
      yield* step(1500, "second")
      assert.deepStrictEqual(seen, [
        ["first", 0],
        ["second", 500]
      ])
    })
  )

  it.effect("a schedule that dies dies in the step", () =>
    Effect.gen(function* () {
      const step = yield* Retry.begin(Schedule.forever.pipe(Schedule.tap(() => Effect.die("broken"))))
      assert.deepStrictEqual(yield* Effect.exit(step(0, "error")), Exit.die("broken"))
    })
  )
})
