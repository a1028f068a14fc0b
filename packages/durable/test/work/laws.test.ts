import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { idOf, retryDelay } from "../../src/job/JobDefinition.ts"
import * as Pull from "../../src/work/Pull.ts"

const some = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const parts = {
  idle: some(0, 20),
  starting: some(0, 20),
  busy: some(0, 20),
  above: some(0, 20),
  queued: some(0, 30),
  claiming: some(0, 30),
  held: some(0, 50),
  limit: some(1, 50),
  claimMillis: some(0, 50),
  runMillis: some(0, 50),
  mayGrow: Schema.Boolean,
  mayWait: Schema.Boolean,
  unbegun: some(0, 2)
}

const situation = ({
  above,
  busy,
  idle,
  starting,
  ...rest
}: { readonly [K in keyof typeof parts]: (typeof parts)[K]["Type"] }): Pull.Situation => {
  const size = idle + starting + busy
  return { ...rest, workers: { idle, starting, size, max: size + above } }
}

describe("how many jobs are claimed", () => {
  it.prop("is never more than may be held, or than will find a worker", parts, (given) => {
    const now = situation(given)
    const wanted = Pull.wanted(now)
    assert.isAtLeast(wanted, 0)
    assert.isTrue(wanted === 0 || wanted <= now.limit - now.held)
    const workers = now.workers.idle + now.workers.starting + Pull.growth(now)
    const inLine = wanted === 1 && now.queued > 0 && now.unbegun === 0
    assert.isTrue(
      wanted === 0 || inLine || wanted + now.queued + now.claiming <= workers + Pull.ahead(now),
      JSON.stringify(now)
    )
  })

  it.prop(
    "is at least one while a worker is idle, nothing waits for it, and there is room",
    parts,
    (given) => {
      const now = { ...situation({ ...given, idle: given.idle + 1 }), queued: 0, claiming: 0, held: 0 }
      assert.isAtLeast(Pull.wanted(now), 1)
    }
  )

  it.prop("is no smaller with one worker more that is idle", parts, (given) => {
    const more = { ...given, idle: given.idle + 1, busy: given.busy - 1 }
    if (given.busy > 0) assert.isAtLeast(Pull.wanted(situation(more)), Pull.wanted(situation(given)))
  })

  it.prop("is for no time of a claim ahead where jobs run long", parts, (given) => {
    const now = situation(given)
    const ahead = Pull.ahead(now)
    assert.isTrue(ahead >= 0 && ahead <= now.workers.size * 32)
    if (now.runMillis > now.claimMillis * now.workers.size) assert.strictEqual(ahead, 0)
  })
})

describe("the delay after an attempt", () => {
  it.effect.prop(
    "is that of the schedule, whoever asks and in whatever order, and ends where it ends",
    { base: some(1, 5000), times: some(0, 8), attempt: some(1, 12) },
    ({ attempt, base, times }) =>
      Effect.gen(function* () {
        const schedule = Schedule.upTo(Schedule.exponential(base), { times })
        const delay = yield* retryDelay(schedule, attempt, "error")
        assert.strictEqual(delay, attempt > times ? undefined : base * 2 ** (attempt - 1))
      })
  )
})

describe("the id of a key", () => {
  it.prop(
    "is the same for the same key and queue, and no other's",
    { queue: Schema.String, other: Schema.String, key: Schema.String, another: Schema.String },
    ({ another, key, other, queue }) => {
      // Names of queues have no line break.
      const [a, b] = [queue.replaceAll("\n", ""), other.replaceAll("\n", "")]
      assert.strictEqual(idOf(a, key, 1), idOf(a, key, 2))
      assert.strictEqual(idOf(a, key, 1) === idOf(b, another, 1), a === b && key === another)
      assert.match(idOf(a, key, 1), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
    }
  )

  it("is a new one where there is none", () => {
    assert.notStrictEqual(idOf("a", undefined, 1), idOf("a", undefined, 1))
  })
})
