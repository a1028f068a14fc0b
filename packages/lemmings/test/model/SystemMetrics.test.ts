import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { SystemMetrics, SystemReading } from "lemmings"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import {
  fromProcess,
  fromRuntime,
  memoryFraction,
  type Process,
  type Runtime
} from "../../src/model/SystemMetrics.ts"

const gigabyte = 1e9

const processOf = (given: Partial<Process> = {}): Process => ({
  memory: () => ({ rss: 0.5 * gigabyte, heapUsed: 0.1 * gigabyte }),
  constrainedMemory: () => 0,
  totalMemory: () => 8 * gigabyte,
  heapLimit: () => 4 * gigabyte,
  eventLoop: () => ({ active: 0, idle: 0 }),
  longestDelay: () => 0,
  ...given
})

const reader = (given?: Partial<Process>) =>
  Effect.map(Clock.Clock, (clock) => fromProcess(processOf(given), clock))

/** Keeps the event loop for a while. */
const busy = (millis: number) =>
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      const end = clock.monotonicTimeNanosUnsafe() + BigInt(millis) * 1_000_000n
      while (clock.monotonicTimeNanosUnsafe() < end) {}
    })
  )

describe("a reading", () => {
  for (const [what, constrained, expected] of [
    ["of a process in a container has the container's limit", 2, 2],
    ["without a limit has the machine's memory", 0, 8],
    ["whose limit is beyond the machine's memory has the machine's memory", 1e9, 8]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { read } = yield* reader({ constrainedMemory: () => constrained * gigabyte })
        assert.strictEqual(read().memoryLimit, expected * gigabyte)
      })
    )
  }

  it.effect("has the part of the time that the loop was busy since the reading before", () =>
    Effect.gen(function* () {
      let loop = { active: 500, idle: 0 }
      const { read } = yield* reader({ eventLoop: () => loop })
      yield* TestClock.adjust("1 second")
      loop = { active: 800, idle: 700 }
      assert.strictEqual(read().eventLoopUtilization, 0.3)
      yield* TestClock.adjust("1 second")
      loop = { active: 1700, idle: 800 }
      assert.strictEqual(read().eventLoopUtilization, 0.9)
    })
  )

  it.effect("does not blame the loop for what it did before it was watched", () =>
    Effect.gen(function* () {
      let active = 500
      const { read } = yield* reader({ eventLoop: () => ({ active: ++active, idle: 0 }) })
      assert.strictEqual(read().eventLoopUtilization, 0)
    })
  )

  it.effect("is shared by those who ask within 100 ms", () =>
    Effect.gen(function* () {
      let asked = 0
      const { read } = yield* reader({
        memory: () => ({ rss: ++asked, heapUsed: 0 })
      })
      assert.strictEqual(read(), read())
      yield* TestClock.adjust("99 millis")
      assert.strictEqual(read().memoryUsed, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(read().memoryUsed, 2)
    })
  )

  it("is as full as the fuller of memory and heap", () => {
    const reading = { memoryLimit: 10, memoryUsed: 5, heapLimit: 10, heapUsed: 8, eventLoopUtilization: 0 }
    assert.strictEqual(memoryFraction({ ...reading, eventLoopDelayMillis: 0 }), 0.8)
    assert.strictEqual(memoryFraction({ ...reading, heapUsed: 1, eventLoopDelayMillis: 0 }), 0.5)
  })
})

/** A runtime whose event loop is watched by `monitors`. */
const watched = () => {
  const monitors: Array<{ max: number; enabled: boolean }> = []
  const runtime: Runtime = {
    process: {
      getBuiltinModule: (name) =>
        name === "node:perf_hooks"
          ? {
              monitorEventLoopDelay: () => {
                const monitor = { max: 0, enabled: false }
                monitors.push(monitor)
                return Object.assign(monitor, {
                  reset: () => void (monitor.max = 0),
                  enable: () => void (monitor.enabled = true),
                  disable: () => void (monitor.enabled = false)
                })
              }
            }
          : undefined
    }
  }
  return { monitors, runtime }
}

const notImplemented = () => {
  throw new Error("not implemented")
}

const neutral: SystemReading = {
  memoryLimit: Number.MAX_SAFE_INTEGER,
  memoryUsed: 0,
  heapLimit: Number.MAX_SAFE_INTEGER,
  heapUsed: 0,
  eventLoopUtilization: 0,
  eventLoopDelayMillis: 0
}

describe("a runtime", () => {
  const runtimes: ReadonlyArray<readonly [what: string, runtime: Runtime]> = [
    ["without a process", {}],
    ["with an empty process", { process: {} }],
    ["without the modules", { process: { getBuiltinModule: () => undefined } }],
    ["with empty modules", { process: { getBuiltinModule: () => ({}) } }],
    [
      "that throws when asked",
      {
        process: {
          memoryUsage: notImplemented,
          constrainedMemory: notImplemented,
          getBuiltinModule: notImplemented
        }
      }
    ],
    [
      "whose modules throw when asked",
      {
        process: {
          getBuiltinModule: () => ({
            totalmem: notImplemented,
            getHeapStatistics: notImplemented,
            performance: { eventLoopUtilization: notImplemented },
            monitorEventLoopDelay: notImplemented
          })
        }
      }
    ],
    [
      "that says 0 for its limits",
      {
        process: {
          getBuiltinModule: () => ({ totalmem: () => 0, getHeapStatistics: () => ({ heap_size_limit: 0 }) })
        }
      }
    ]
  ]
  for (const [what, runtime] of runtimes) {
    it.effect(`${what} uses nothing of what has no limit`, () =>
      Effect.gen(function* () {
        const { read } = fromProcess(yield* fromRuntime(runtime), yield* Clock.Clock)
        assert.deepStrictEqual(read(), neutral)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(read(), neutral)
        assert.isTrue(Schema.is(SystemReading)(read()))
        assert.strictEqual(memoryFraction(read()), 0)
      })
    )
  }

  it.effect("is watched until the scope closes", () =>
    Effect.gen(function* () {
      const { monitors, runtime } = watched()
      const enabled = () => monitors.map((monitor) => monitor.enabled)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* fromRuntime(runtime)
          assert.deepStrictEqual(enabled(), [true, true])
        })
      )
      assert.deepStrictEqual(enabled(), [false, false])
    })
  )

  it.effect("has the longest delay beyond the resolution of its monitors, each read in turn", () =>
    Effect.gen(function* () {
      const { monitors, runtime } = watched()
      const { longestDelay } = yield* fromRuntime(runtime)
      const late = (millis: number) =>
        monitors.forEach((monitor) => void (monitor.max = Math.max(monitor.max, millis * 1e6)))
      late(60)
      assert.strictEqual(longestDelay(), 50)
      late(25)
      assert.strictEqual(longestDelay(), 50)
      assert.strictEqual(longestDelay(), 15)
      late(5)
      assert.strictEqual(longestDelay(), 0)
    })
  )
})

describe("SystemMetrics.layer", () => {
  it.live("reads this process", () =>
    Effect.gen(function* () {
      const { read } = yield* SystemMetrics
      const reading = read()
      assert.isTrue(Schema.is(SystemReading)(reading))
      assert.isAbove(reading.memoryUsed, 1e6)
      assert.isBelow(reading.memoryUsed, reading.memoryLimit)
      assert.isAbove(reading.heapUsed, 1e6)
      assert.isBelow(reading.heapUsed, reading.heapLimit)
    }).pipe(Effect.provide(SystemMetrics.layer))
  )

  it.live("notices who keeps the event loop", () =>
    Effect.gen(function* () {
      const { read } = yield* SystemMetrics
      yield* Effect.sleep("120 millis")
      const calm = read()
      yield* busy(300)
      yield* Effect.sleep("30 millis")
      const loaded = read()
      assert.isAbove(loaded.eventLoopUtilization, calm.eventLoopUtilization)
      assert.isAbove(loaded.eventLoopUtilization, 0.5)
      yield* Effect.sleep("120 millis")
      // The delay is of the last two readings.
      assert.isAbove(Math.max(loaded.eventLoopDelayMillis, read().eventLoopDelayMillis), 100)
    }).pipe(Effect.provide(SystemMetrics.layer))
  )

  it.live("a process with open and closed ones exits by itself", () =>
    Effect.gen(function* () {
      const file = fileURLToPath(new URL("../support/system-metrics.ts", import.meta.url))
      const code = yield* Effect.callback<number | null>((resume) => {
        const child = spawn(process.execPath, [file], { stdio: "ignore" })
        child.on("exit", (status) => resume(Effect.succeed(status)))
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      assert.strictEqual(code, 0)
    })
  )
})

describe("SystemMetrics.layerFake", () => {
  it.effect("gives what the test says, in a calm process", () =>
    Effect.gen(function* () {
      let memoryUsed = 1
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        SystemMetrics.layerFake(() => ({ memoryUsed })),
        scope
      )
      const { read } = yield* Effect.provide(SystemMetrics, context)
      assert.strictEqual(read().memoryUsed, 1)
      memoryUsed = 2
      assert.strictEqual(read().memoryUsed, 2)
      assert.strictEqual(read().eventLoopUtilization, 0)
      yield* Scope.close(scope, Exit.void)
    })
  )
})
