import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Job from "../../src/Job.ts"
import { afterFailure, failureOf, idOf, retryDelay } from "../../src/job/JobDefinition.ts"
import * as Pull from "../../src/work/Pull.ts"

const idle: Pull.Situation = {
  workers: { idle: 4, starting: 0, size: 4, max: 4 },
  queued: 0,
  claiming: 0,
  held: 0,
  unbegun: 0,
  limit: Infinity,
  claimMillis: 2,
  runMillis: 0,
  mayGrow: true,
  mayWait: true
}

describe("how many jobs are claimed", () => {
  const busy = { ...idle, workers: { ...idle.workers, idle: 0 } }

  it("as many as workers are free, less what waits or is on its way", () => {
    assert.strictEqual(Pull.wanted(idle), 4)
    assert.strictEqual(Pull.wanted({ ...idle, queued: 1, claiming: 2 }), 1)
    assert.strictEqual(Pull.wanted({ ...idle, queued: 5, unbegun: 1 }), 0)
    assert.strictEqual(Pull.wanted(busy), 0)
    assert.strictEqual(Pull.wanted({ ...idle, held: 2, limit: 3 }), 1)
    assert.strictEqual(Pull.wanted({ ...idle, workers: { ...idle.workers, max: 0 } }), 0)
  })

  it("and as many as will be needed when the claim is back", () => {
    assert.strictEqual(Pull.ahead({ ...busy, runMillis: 1000 }), 0)
    assert.strictEqual(Pull.ahead({ ...busy, runMillis: 1 }), 8)
    assert.strictEqual(Pull.ahead({ ...busy, runMillis: 0.001 }), 128)
    assert.strictEqual(Pull.wanted({ ...busy, runMillis: 1 }), 8)
    // Not for less than half of them while nobody is idle.
    assert.strictEqual(Pull.wanted({ ...busy, runMillis: 1, queued: 4 }), 4)
    assert.strictEqual(Pull.wanted({ ...busy, runMillis: 1, queued: 5, unbegun: 5 }), 0)
  })

  it("and one to stand in the herd's line, where other tasks do and none of its own", () => {
    const line = { ...busy, queued: 7 }
    assert.strictEqual(Pull.wanted(line), 1)
    assert.strictEqual(Pull.wanted({ ...line, claiming: 40 }), 1)
    const not = [{ queued: 0 }, { unbegun: 1 }, { mayWait: false }, { held: 3, limit: 3 }]
    for (const other of not) assert.strictEqual(Pull.wanted({ ...line, ...other }), 0)
  })

  it("and as many as may be started in a step, while the herd may be asked", () => {
    const workers = { idle: 0, starting: 0, size: 6, max: 20 }
    assert.strictEqual(Pull.growth({ ...idle, workers }), 6)
    assert.strictEqual(Pull.growth({ ...idle, workers: { ...workers, size: 1 } }), 4)
    assert.strictEqual(Pull.growth({ ...idle, workers: { ...workers, max: 8 } }), 2)
    assert.strictEqual(Pull.growth({ ...idle, workers, mayGrow: false }), 0)
  })
})

describe("what comes after a failure", () => {
  class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Int }) {}
  const job = Job.make("Decided", { error: Refused, attempts: 3, retry: Schedule.exponential("1 second") })

  it.effect("is the same delay for the same attempt, whenever it is asked", () =>
    Effect.gen(function* () {
      const schedule = Schedule.upTo(Schedule.exponential("1 second"), { times: 3 })
      const delays = yield* Effect.forEach([1, 2, 3, 4, 2], (attempt) =>
        retryDelay(schedule, attempt, "error")
      )
      assert.deepStrictEqual(delays, [1000, 2000, 4000, undefined, 2000])
    })
  )

  it.effect("is nothing after the last attempt", () =>
    Effect.gen(function* () {
      const cause = Cause.fail(new Refused({ code: 1 }))
      const next = yield* Effect.forEach([1, 2, 3], (attempt) => afterFailure(job, attempt, cause))
      assert.deepStrictEqual(
        next.map(({ _tag }) => _tag),
        ["Retry", "Retry", "Discard"]
      )
    })
  )

  it.effect("is no other attempt where the schedule never says when, and never one that is never", () =>
    Effect.gen(function* () {
      const after = (retry: Schedule.Schedule<unknown>) =>
        afterFailure(Job.make("Judged", { retry }), 1, Cause.die("no"))
      const silent = yield* Effect.forkChild(
        after(Schedule.modifyDelay(Schedule.forever, () => Effect.never))
      )
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(silent))._tag, "Discard")
      const endless = yield* after(Schedule.modifyDelay(Schedule.forever, () => Effect.succeed("Infinity")))
      assert.deepInclude(endless, { _tag: "Retry", delayMillis: 315_360_000_000 })
    })
  )

  it("is kept with its reason", () => {
    const kept = (cause: Cause.Cause<unknown>) => failureOf(job, cause)
    assert.deepStrictEqual(kept(Cause.fail(new Refused({ code: 1 }))).error, { _tag: "Refused", code: 1 })
    assert.strictEqual(kept(Cause.fail(new Error("not declared"))).reason, "defect")
    assert.deepStrictEqual(kept(Cause.die(new Error("a\u0000b"))), { reason: "defect", message: "Error: ab" })
    assert.strictEqual(kept(Cause.interrupt(1)).reason, "interrupted")
  })

  it("ids are the same for the same key of the same queue", () => {
    assert.strictEqual(idOf("a", "k", 0), idOf("a", "k", 0))
    assert.notStrictEqual(idOf("a", "k", 0), idOf("b", "k", 0))
    assert.match(idOf("a", "k", 0), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("new ids differ, and those of a later time sort behind", () => {
    const ids = [0, 1, 4095, 1_800_000_000_000, 1_800_000_000_001].map((now) => idOf("a", undefined, now))
    assert.deepStrictEqual(ids.toSorted(), ids)
    assert.notStrictEqual(idOf("a", undefined, 7), idOf("a", undefined, 7))
    for (const id of ids)
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
