import { assert, describe, it } from "@effect/vitest"
import * as ScalingPolicy from "../../src/scaling/ScalingPolicy.ts"
import { asking, readingOf, simulate, wants, workerSeconds } from "../support/scaling.ts"

describe("make", () => {
  it("keeps an answer within the bounds and above the busy workers, and tells what was asked", () => {
    const ask = asking(
      wants("many", ({ queued }) => queued),
      4
    )

    assert.deepInclude(ask({ queued: 100, max: 8 }), { target: 8, demand: 100 })
    assert.deepInclude(ask({ queued: 1, busy: 3 }), { target: 3, demand: 1 })
    assert.deepInclude(ask({ queued: 0, min: 2 }), { target: 2, demand: 0 })
  })
})

describe("throughput", () => {
  it("adds a worker while tasks arrive and none completes", () => {
    const ask = asking(ScalingPolicy.throughput(), 2)

    assert.strictEqual(ask({ now: 0 }).target, 2)
    assert.strictEqual(ask({ now: 250, arrivals: 1, queued: 1 }).target, 3)
    assert.strictEqual(ask({ now: 500, arrivals: 1, queued: 1 }).target, 4)
  })

  it("adds the workers that the difference of the rates asks for, rounded up", () => {
    const ask = asking(ScalingPolicy.throughput(), 4)

    ask({ now: 0 })
    // 4 workers complete 8 a second: 2 each. 5 a second more arrive.
    assert.deepInclude(ask({ now: 1000, arrivals: 13, ended: 8, busy: 4 }), {
      target: 7,
      reason: "13.0 arrivals/s, 8.0 ended/s"
    })
  })

  it("removes the workers that the difference of the rates spares, rounded down, and no base worker", () => {
    const fields = { now: 1000, arrivals: 3, ended: 8, idle: 4 }
    const ask = asking(ScalingPolicy.throughput(), 4)
    ask({ now: 0 })
    assert.strictEqual(ask(fields).target, 2)

    const based = asking(ScalingPolicy.throughput(), 4)
    based({ now: 0 })
    assert.strictEqual(based({ ...fields, min: 3 }).target, 3)
  })

  it("one failed task does not change the number", () => {
    const ask = asking(ScalingPolicy.throughput(), 2)

    ask({ now: 0 })
    for (let now = 250; now <= 20_000; now += 250) {
      assert.strictEqual(ask({ now, min: 2, arrivals: 2, ended: 2 }).target, 2)
    }
  })

  it("compares what happened within the window only", () => {
    const ask = asking(ScalingPolicy.throughput({ window: "1 second" }), 4)

    ask({ now: 0 })
    ask({ now: 100, arrivals: 1000, ended: 10, busy: 4, max: 4 })
    for (let now = 200; now <= 2000; now += 100)
      ask({ now, arrivals: 1000 + now, ended: 10 + now, busy: 4, max: 4 })

    assert.deepInclude(ask({ now: 2100, arrivals: 3100, ended: 2110, busy: 4 }), {
      target: 4,
      reason: "1000.0 arrivals/s, 1000.0 ended/s"
    })
  })

  it("an idle herd goes back to its base workers after a window, not before", () => {
    const ask = asking(ScalingPolicy.throughput(), 9)

    for (let now = 0; now < 10_000; now += 250) assert.strictEqual(ask({ now, min: 2 }).target, 9)
    assert.strictEqual(ask({ now: 10_000, min: 2 }).target, 2)
  })

  it("keeps the workers while tasks wait, though none arrives or completes", () => {
    const ask = asking(ScalingPolicy.throughput(), 9)

    ask({ now: 0, queued: 1 })
    assert.strictEqual(ask({ now: 10_000, queued: 1 }).target, 9)
  })

  it("a herd without workers gets one when a task waits", () => {
    assert.strictEqual(asking(ScalingPolicy.throughput(), 0)({ queued: 5 }).target, 1)
  })

  it("climbs where littlesLaw settles, and falls back when the burst is over", () => {
    const square = (now: number) => (now % 60_000 < 30_000 ? 80 : 10)
    const load = (now: number) => (now < 180_000 ? square(now) : 0)
    const options = { load, seconds: 240, creationMillis: 200 }
    const burst = simulate({ ...options, policy: ScalingPolicy.throughput() })
    const little = simulate({ ...options, policy: ScalingPolicy.littlesLaw() })

    assert.isAbove(workerSeconds(burst), 2 * workerSeconds(little))
    assert.strictEqual(burst.at(-1)?.to, 1)
  })
})

describe("latency", () => {
  it("adds workers while the oldest task waits longer than the target, one step per interval", () => {
    const ask = asking(ScalingPolicy.latency({ target: 100, increase: 2 }), 4)
    const late = { busy: 4, queued: 9, oldestWaitMillis: 101 }

    assert.strictEqual(ask({ ...late, now: 0 }).target, 6)
    assert.strictEqual(ask({ ...late, now: 999 }).target, 6)
    assert.strictEqual(ask({ ...late, now: 1000 }).target, 8)
  })

  it("waits for the workers of the last step before the next", () => {
    const ask = asking(ScalingPolicy.latency({ target: 100 }), 4)
    const late = { busy: 4, queued: 9, oldestWaitMillis: 101, creationMillis: 3000 }

    assert.strictEqual(ask({ ...late, now: 0 }).target, 8)
    assert.strictEqual(ask({ ...late, now: 2999 }).target, 8)
    assert.strictEqual(ask({ ...late, now: 3000, queued: 2 }).target, 10)
  })

  it("gives up a tenth of the workers, at least one, while the wait is under half the target", () => {
    const ask = asking(ScalingPolicy.latency({ target: 100 }), 30)

    assert.strictEqual(ask({ now: 0, busy: 10, oldestWaitMillis: 50 }).target, 30)
    assert.strictEqual(ask({ now: 0, busy: 10, oldestWaitMillis: 49 }).target, 27)
    assert.strictEqual(ask({ now: 999, busy: 10 }).target, 27)
    assert.strictEqual(ask({ now: 1000, target: 3, busy: 1 }).target, 2)
  })

  it("gives up no worker while all have something to do", () => {
    const ask = asking(ScalingPolicy.latency({ target: 100 }), 4)

    assert.strictEqual(ask({ now: 0, busy: 4 }).target, 4)
    assert.strictEqual(ask({ now: 0, busy: 3, queued: 1, oldestWaitMillis: 1 }).target, 4)
  })

  it("a herd without workers gets one for the first task that waits", () => {
    const ask = asking(ScalingPolicy.latency({ target: 100 }), 0)

    assert.strictEqual(ask({ now: 0, queued: 1, oldestWaitMillis: 0 }).target, 1)
  })
})

describe("memory", () => {
  const low = readingOf({ memory: 0.1 })
  const high = readingOf({ memory: 0.9 })
  const critical = readingOf({ memory: 0.96 })
  const between = readingOf({ memory: 0.8 })

  it("halves the workers when memory is high", () => {
    const answer = asking(ScalingPolicy.memory(), 10)({ system: high, queued: 5 })

    assert.deepInclude(answer, { target: 5, reason: "90 % of memory used" })
    assert.isUndefined(answer.pause)
  })

  it("halves once in a second at most", () => {
    const ask = asking(ScalingPolicy.memory(), 16)

    const targets = [0, 250, 999, 1000, 1250, 2000].map((now) => ask({ now, system: high, min: 3 }).target)
    assert.deepStrictEqual(targets, [8, 8, 8, 4, 4, 3])
  })

  it("the heap counts as memory", () => {
    assert.strictEqual(asking(ScalingPolicy.memory(), 10)({ system: readingOf({ heap: 0.9 }) }).target, 5)
  })

  it("an unknown limit and missing readings change nothing", () => {
    const unlimited = { ...high, memoryLimit: 0 }

    assert.strictEqual(asking(ScalingPolicy.memory(), 10)({ system: unlimited }).target, 10)
    assert.deepInclude(asking(ScalingPolicy.memory(), 10)({ queued: 4 }), {
      target: 10,
      reason: "memory not read"
    })
  })

  it("pauses dispatch when memory is critical, until it is no longer high", () => {
    const ask = asking(ScalingPolicy.memory(), 16)
    const paused = [high, critical, high, between, high, low].map(
      (system, i) => ask({ now: i * 1000, system }).pause
    )

    assert.deepStrictEqual(paused, [undefined, true, true, undefined, undefined, undefined])
  })

  it("grows by a factor while memory is low and tasks wait, and keeps what there is in between", () => {
    assert.strictEqual(asking(ScalingPolicy.memory(), 8)({ system: low, queued: 1 }).target, 12)
    assert.strictEqual(asking(ScalingPolicy.memory(), 1)({ system: low, queued: 1 }).target, 2)
    assert.strictEqual(asking(ScalingPolicy.memory(), 0)({ system: low, queued: 1 }).target, 1)
    assert.strictEqual(asking(ScalingPolicy.memory(), 8)({ system: low, queued: 0, busy: 8 }).target, 8)
    assert.strictEqual(asking(ScalingPolicy.memory(), 8)({ system: between, queued: 1 }).target, 8)
  })

  it("grows twice in a row and no more where consecutive is 2, and again after two cooldowns", () => {
    const ask = asking(ScalingPolicy.memory({ up: 2, consecutive: 2, cooldown: "10 seconds" }), 2)
    const targets = [0, 9_999, 10_000, 20_000, 29_999, 30_000].map((now) => {
      return ask({ now, system: low, queued: 50 }).target
    })

    assert.deepStrictEqual(targets, [4, 4, 8, 8, 8, 16])
  })

  it("growths that do not happen are not counted", () => {
    const ask = asking(ScalingPolicy.memory({ up: 2, consecutive: 1, cooldown: "10 seconds" }), 4)

    assert.strictEqual(ask({ now: 0, system: low, queued: 1, max: 4 }).target, 4)
    assert.strictEqual(ask({ now: 1, system: low, queued: 1, max: 64 }).target, 8)
  })

  it("grows again a cooldown after memory was high, with a new count", () => {
    const ask = asking(ScalingPolicy.memory({ up: 2, consecutive: 1, cooldown: "10 seconds" }), 4)

    assert.strictEqual(ask({ now: 0, system: low, queued: 1 }).target, 8)
    assert.strictEqual(ask({ now: 5_000, system: high, queued: 1 }).target, 4)
    assert.strictEqual(ask({ now: 14_999, system: low, queued: 1 }).target, 4)
    assert.strictEqual(ask({ now: 15_000, system: low, queued: 1 }).target, 8)
  })

  it("half of the workers leave when they have had nothing to do for a cooldown", () => {
    const ask = asking(ScalingPolicy.memory({ cooldown: "10 seconds" }), 8)

    assert.strictEqual(ask({ now: 0, system: low, busy: 4 }).target, 8)
    assert.strictEqual(ask({ now: 5_000, system: low, busy: 5 }).target, 8)
    assert.strictEqual(ask({ now: 6_000, system: low, busy: 3 }).target, 8)
    assert.strictEqual(ask({ now: 15_999, system: low, busy: 4 }).target, 8)
    assert.strictEqual(ask({ now: 16_000, system: low, busy: 4 }).target, 4)
    assert.strictEqual(ask({ now: 16_250, system: low, busy: 0 }).target, 4)
  })

  it("the count of growths starts again when idle workers have left", () => {
    const ask = asking(ScalingPolicy.memory({ up: 2, consecutive: 1, cooldown: "10 seconds" }), 4)

    assert.strictEqual(ask({ now: 0, system: low, queued: 1 }).target, 8)
    assert.strictEqual(ask({ now: 1000, system: low }).target, 8)
    assert.strictEqual(ask({ now: 11_000, system: low }).target, 4)
    assert.strictEqual(ask({ now: 11_250, system: low, queued: 1 }).target, 8)
  })
})

describe("eventLoop", () => {
  const busy = readingOf({ eventLoop: 1 })
  const calm = readingOf({ eventLoop: 0.2 })

  it("allows no more workers than there are while the event loop is busy, and all when it is not", () => {
    const ask = asking(ScalingPolicy.eventLoop(), 8)

    assert.deepInclude(ask({ now: 0, system: busy, target: 8 }), {
      target: 8,
      reason: "event loop 100 % busy"
    })
    assert.strictEqual(ask({ now: 250, system: busy, target: 8, idle: 3 }).target, 8)
    assert.strictEqual(ask({ now: 5_000, system: calm, target: 8 }).target, 64)
  })

  it("one busy reading is not a busy event loop", () => {
    const ask = asking(ScalingPolicy.eventLoop(), 8)

    ask({ now: 0, system: calm, target: 8 })
    assert.strictEqual(ask({ now: 250, system: busy, target: 8 }).target, 64)
    assert.strictEqual(ask({ now: 10_250, system: busy, target: 8 }).target, 8)
  })

  it("bounds nothing without readings", () => {
    assert.strictEqual(asking(ScalingPolicy.eventLoop(), 8)({}).target, 64)
  })

  it("stops the growth of another policy, and none of its shrinking", () => {
    const inner = wants("queue", ({ queued }) => queued)
    const ask = asking(ScalingPolicy.min(inner, ScalingPolicy.eventLoop()), 8)

    assert.strictEqual(ask({ now: 0, system: busy, queued: 20 }).target, 8)
    assert.strictEqual(ask({ now: 250, system: busy, queued: 3 }).target, 3)
  })
})

describe("utilization", () => {
  const busy = (...parts: ReadonlyArray<number>) =>
    parts.map((utilization, workerId) => ({ workerId, utilization }))

  it("keeps as many workers as their resources are worth at the wanted utilization", () => {
    const ask = asking(ScalingPolicy.utilization({ target: 0.5 }), 2)

    assert.deepInclude(ask({ now: 0, utilization: busy(1, 0.9) }), {
      target: 4,
      reason: "2 resources 95 % busy"
    })
    // 4 resources that do what 2 did before.
    assert.strictEqual(ask({ now: 1000, utilization: busy(0.5, 0.5, 0.4, 0.5) }).target, 4)
    assert.strictEqual(ask({ now: 60_000, utilization: busy(0.1, 0.1, 0.1, 0.1) }).target, 1)
  })

  it("does not answer one reading, nor a small difference", () => {
    const ask = asking(ScalingPolicy.utilization({ target: 0.5, tolerance: 0.2 }), 2)

    assert.strictEqual(ask({ now: 0, utilization: busy(0.5, 0.5) }).target, 2)
    assert.strictEqual(ask({ now: 250, utilization: busy(1, 1) }).target, 2)
    assert.strictEqual(ask({ now: 60_000, utilization: busy(0.6, 0.58) }).target, 2)
    assert.strictEqual(ask({ now: 120_000, utilization: busy(0.7, 0.7) }).target, 3)
  })

  it("changes nothing where resources say nothing", () => {
    assert.deepInclude(asking(ScalingPolicy.utilization(), 8)({ busy: 1 }), {
      target: 8,
      reason: "resources say nothing"
    })
  })
})

describe("gradient", () => {
  const inner = wants("queue", ({ queued }) => queued)
  const busy = { queued: 32 }

  /** A herd of 4 that completed 40 a second, grown to 8. */
  const grown = (options?: ScalingPolicy.GradientOptions) => {
    let wanted = 4
    const ask = asking(
      ScalingPolicy.gradient(
        wants("some", () => wanted),
        options
      ),
      4
    )
    ask({ ...busy, now: 0, busy: 4 })
    ask({ ...busy, now: 1000, busy: 4, ended: 40 })
    wanted = 8
    assert.strictEqual(ask({ ...busy, now: 1250, busy: 4, ended: 50 }).target, 8)
    ask({ ...busy, now: 1500, busy: 8, ended: 60 })
    wanted = 32
    return ask
  }

  it("holds growth while it measures, and grows on where more workers brought more", () => {
    const ask = grown()

    assert.deepInclude(ask({ ...busy, now: 1750, busy: 8, ended: 80 }), {
      target: 8,
      reason: "some says 32, but what 8 bring is being measured"
    })
    assert.strictEqual(ask({ ...busy, now: 2499, busy: 8, ended: 139 }).target, 8)
    assert.strictEqual(ask({ ...busy, now: 2500, busy: 8, ended: 140 }).target, 32)
  })

  it("caps at the number before where more workers brought no more", () => {
    const ask = grown()
    const capped = ask({ ...busy, now: 2500, busy: 8, ended: 100 })

    // Eight are busy, and stay until they are not.
    assert.deepInclude(capped, {
      target: 8,
      demand: 32,
      reason: "some says 32, but 8 brought 40.0/s, 4 40.0/s"
    })
    assert.strictEqual(ask({ ...busy, now: 2750, busy: 3, idle: 5, ended: 110 }).target, 4)
  })

  it("tries again when the time of the cap is over", () => {
    const ask = grown({ hold: "5 seconds" })
    ask({ ...busy, now: 2500, busy: 8, ended: 100 })

    assert.strictEqual(ask({ now: 3000, target: 8, idle: 8, busy: 0, queued: 0, ended: 120 }).target, 4)
    assert.strictEqual(ask({ ...busy, now: 7499, busy: 4, ended: 280 }).target, 4)
    assert.strictEqual(ask({ ...busy, now: 7500, busy: 4, ended: 300 }).target, 32)
  })

  it("a part of the gain that was due is enough, and less is not", () => {
    // Twice the workers: 10 % more is due, of 40 a second.
    assert.strictEqual(grown()({ ...busy, now: 2500, busy: 8, ended: 104 }).target, 32)
    assert.strictEqual(grown()({ ...busy, now: 2500, busy: 8, ended: 103 }).target, 8)
    assert.strictEqual(grown({ gain: 0.5 })({ ...busy, now: 2500, busy: 8, ended: 119 }).target, 8)
  })

  it("measures ten ended attempts and two for each worker at least, for as long as hold at most", () => {
    const ask = grown({ hold: "5 seconds" })

    assert.strictEqual(ask({ ...busy, now: 6249, busy: 8, ended: 75 }).target, 8)
    assert.strictEqual(ask({ ...busy, now: 6250, busy: 8, ended: 75 }).target, 32)
  })

  it("holds no growth of a herd that has idle workers or an empty queue", () => {
    const ask = asking(ScalingPolicy.gradient(wants("more", ({ workers }) => workers.target + 1)), 4)

    const targets = [
      { now: 0, busy: 3, idle: 1, queued: 1 },
      { now: 250, busy: 5, queued: 9 },
      { now: 500, busy: 6 }
    ].map((fields) => ask(fields).target)
    assert.deepStrictEqual(targets, [5, 6, 7])
  })

  it("keeps the cap while workers that brought nothing are all busy, and drops it when they bring more", () => {
    const ask = grown({ hold: "5 seconds" })
    ask({ ...busy, now: 2500, busy: 8, ended: 100 })

    // 40 a second, as 4 workers had.
    assert.strictEqual(ask({ ...busy, now: 5000, busy: 8, ended: 200 }).target, 8)
    assert.deepInclude(ask({ ...busy, now: 7500, busy: 8, ended: 300 }), { target: 8, demand: 32 })
    // 60 a second.
    assert.strictEqual(ask({ ...busy, now: 10_000, busy: 8, ended: 450 }).target, 8)
    assert.strictEqual(ask({ ...busy, now: 12_500, busy: 8, ended: 600 }).target, 32)
  })

  it("a cap is not dropped for a good second", () => {
    const ask = grown({ hold: "5 seconds" })
    ask({ ...busy, now: 2500, busy: 8, ended: 100 })

    // 50 a second, and 42 a second over all.
    ask({ ...busy, now: 3500, busy: 8, ended: 150 })
    assert.strictEqual(ask({ ...busy, now: 7500, busy: 8, ended: 310 }).target, 8)
  })

  it("measures when the new workers are there", () => {
    const ask = grown()

    ask({ ...busy, now: 1500, busy: 4, starting: 4, ended: 60 })
    assert.notInclude(ask({ ...busy, now: 2500, busy: 4, starting: 4, ended: 100 }).reason, "/s")
    ask({ ...busy, now: 2750, busy: 8, ended: 110 })
    assert.strictEqual(ask({ ...busy, now: 3750, busy: 8, ended: 190 }).target, 32)
  })

  it("compares nothing across a time in which the herd was not saturated", () => {
    const ask = grown()

    const here = { ...busy, target: 8, busy: 8 }
    ask({ ...here, now: 1750, busy: 7, idle: 1, ended: 70 })
    assert.strictEqual(ask({ ...here, now: 2000, ended: 80 }).target, 32)
    assert.notInclude(ask({ ...here, now: 3250, ended: 130 }).reason, "/s")
  })

  it("a lower throughput of the same workers caps nothing", () => {
    const ask = asking(ScalingPolicy.gradient(wants("more", ({ workers }) => workers.target + 1)), 4)
    const here = { ...busy, target: 4, busy: 4 }

    ask({ ...here, now: 0 })
    ask({ ...here, now: 1000, ended: 40 })
    assert.strictEqual(ask({ ...here, now: 2000, ended: 60 }).target, 5)
  })

  it("does not climb where a shared limit has room for a few tasks", () => {
    const options = { load: () => 200, seconds: 240, room: 4, max: 64 }
    const highest = (policy: ScalingPolicy.ScalingPolicy) =>
      Math.max(...simulate({ ...options, policy }).map(({ to }) => to))

    assert.strictEqual(highest(ScalingPolicy.littlesLaw()), 64)
    assert.isAtMost(highest(ScalingPolicy.gradient()), 16)
  })

  it("lets a herd grow where workers bring throughput", () => {
    const ticks = simulate({ policy: ScalingPolicy.gradient(), load: () => 200, seconds: 30 })

    assert.isAtLeast(ticks.at(-1)?.to ?? 0, 20)
    assert.isBelow(ticks.at(-1)?.sample.oldestWaitMillis ?? Infinity, 500)
  })

  it("bounds littlesLaw when no policy is given", () => {
    assert.strictEqual(ScalingPolicy.gradient().name, "gradient(littlesLaw)")
    assert.strictEqual(ScalingPolicy.gradient(inner).name, "gradient(queue)")
  })
})

describe("parameters", () => {
  it("have the documented defaults", () => {
    const stable = { window: 30_000, patience: 4, tolerance: 0.1, stepwise: true, shrink: 0.2, panic: 2 }

    assert.deepStrictEqual(ScalingPolicy.littlesLaw().parameters, {
      utilization: 0.75,
      headroom: 1,
      ...stable
    })
    // By default it depends on how long a resource takes to create.
    assert.strictEqual(ScalingPolicy.littlesLaw({ drainWithin: "1 second" }).parameters["drainWithin"], 1000)
    assert.deepStrictEqual(ScalingPolicy.throughput().parameters, { window: 10_000 })
    assert.deepStrictEqual(ScalingPolicy.latency().parameters, {
      target: 500,
      increase: 4,
      decrease: 0.9,
      interval: 1000
    })
    assert.deepStrictEqual(ScalingPolicy.memory().parameters, {
      low: 0.75,
      high: 0.85,
      critical: 0.95,
      up: 1.5,
      down: 0.5,
      consecutive: 3,
      cooldown: 30_000
    })
    assert.deepStrictEqual(ScalingPolicy.eventLoop().parameters, { limit: 0.9, window: 2000 })
    assert.deepStrictEqual(ScalingPolicy.utilization().parameters, {
      target: 0.75,
      tolerance: 0.1,
      window: 5000
    })
    assert.deepInclude(ScalingPolicy.gradient().parameters, { gain: 0.1, hold: 30_000 })
    assert.deepInclude(ScalingPolicy.cooldown(ScalingPolicy.fixed).parameters, {
      cooldownUp: 0,
      cooldownDown: 30_000
    })
  })

  const two = wants("two", () => 2)
  const none: ReadonlyArray<ScalingPolicy.ScalingPolicy> = []
  const time = `must be a finite duration such as "5 seconds",`
  const bad: ReadonlyArray<readonly [message: string, make: () => unknown]> = [
    [`stabilize: window ${time} longer than 0, got 0`, () => ScalingPolicy.instant({ window: 0 })],
    [
      "stabilize: tolerance must be from 0 to below 1, got 1",
      () => ScalingPolicy.stabilize(two, { tolerance: 1 })
    ],
    [
      "stabilize: shrink must be above 0 and at most 1, got 0",
      () => ScalingPolicy.stabilize(two, { shrink: 0 })
    ],
    ["stabilize: panic must be above 1, got 1", () => ScalingPolicy.stabilize(two, { panic: 1 })],
    [
      "littlesLaw: utilization must be above 0 and at most 1, got 1.1",
      () => ScalingPolicy.littlesLaw({ utilization: 1.1 })
    ],
    [
      `littlesLaw: drainWithin ${time} longer than 0, got Infinity`,
      () => ScalingPolicy.littlesLaw({ drainWithin: "Infinity" })
    ],
    [`throughput: window ${time} longer than 0, got 0`, () => ScalingPolicy.throughput({ window: 0 })],
    [`latency: target ${time} longer than 0, got 0`, () => ScalingPolicy.latency({ target: 0 })],
    [`latency: interval ${time} longer than 0, got 0`, () => ScalingPolicy.latency({ interval: 0 })],
    [
      "latency: increase must be a whole number from 1, got 1.5",
      () => ScalingPolicy.latency({ increase: 1.5 })
    ],
    ["latency: decrease must be above 0 and below 1, got 1", () => ScalingPolicy.latency({ decrease: 1 })],
    ["memory: critical must be above 0 and at most 1, got 95", () => ScalingPolicy.memory({ critical: 95 })],
    ["memory: high must be above 0 and below critical, got 0.96", () => ScalingPolicy.memory({ high: 0.96 })],
    ["memory: low must be above 0 and below high, got 0.9", () => ScalingPolicy.memory({ low: 0.9 })],
    ["memory: up must be above 1, got 0.5", () => ScalingPolicy.memory({ up: 0.5 })],
    ["memory: down must be above 0 and below 1, got 1.5", () => ScalingPolicy.memory({ down: 1.5 })],
    [
      "memory: consecutive must be a whole number from 1, got 0",
      () => ScalingPolicy.memory({ consecutive: 0 })
    ],
    [`memory: cooldown ${time} longer than 0, got 0`, () => ScalingPolicy.memory({ cooldown: 0 })],
    ["eventLoop: limit must be above 0 and below 1, got 90", () => ScalingPolicy.eventLoop({ limit: 90 })],
    [`eventLoop: window ${time} longer than 0, got 0`, () => ScalingPolicy.eventLoop({ window: 0 })],
    [
      "utilization: target must be above 0 and at most 1, got 75",
      () => ScalingPolicy.utilization({ target: 75 })
    ],
    [
      "utilization: tolerance must be at least 0 and below 1, got 1",
      () => ScalingPolicy.utilization({ tolerance: 1 })
    ],
    [`utilization: window ${time} longer than 0, got 0`, () => ScalingPolicy.utilization({ window: 0 })],
    ["gradient: gain must be above 0 and at most 1, got 0", () => ScalingPolicy.gradient(two, { gain: 0 })],
    [`gradient: hold ${time} longer than 0, got 0`, () => ScalingPolicy.gradient(two, { hold: 0 })],
    ["clamp: min must be a whole number from 0, got -1", () => ScalingPolicy.clamp(two, { min: -1 })],
    ["clamp: max must be a whole number from min, got 1", () => ScalingPolicy.clamp(two, { min: 2, max: 1 })],
    [
      "clamp: max must be a whole number from min, got NaN",
      () => ScalingPolicy.clamp(two, { max: Number.NaN })
    ],
    [
      `cooldown: down ${time} at least 0, got Infinity`,
      () => ScalingPolicy.cooldown(two, { down: "Infinity" })
    ],
    [
      "min: the number of policies must be 1 or more, got 0",
      () => Reflect.apply(ScalingPolicy.min, undefined, none)
    ]
  ]
  for (const [message, make] of bad) {
    it(message, () => {
      try {
        make()
      } catch (error) {
        assert.instanceOf(error, RangeError)
        return assert.strictEqual(error.message, `ScalingPolicy.${message}`)
      }
      assert.fail("nothing was thrown")
    })
  }
})
