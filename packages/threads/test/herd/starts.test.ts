// Threads that cannot start: their callers hear of it, and the log does once.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Layer, Logger, Schedule } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all, Echo } from "../support/tasks.ts"

const support = (name: string) => new URL(`../support/${name}`, import.meta.url)
const herdOf = (worker: URL) => {
  class Starting extends ThreadHerd.Service<Starting>()("test/Starting", { tasks: all, worker }) {}
  return Starting
}
const logged = (lines: Array<string>) =>
  Logger.layer([
    Logger.make(
      ({ cause, logLevel, message }) =>
        void lines.push(`${logLevel} ${[message].flat().map(String).join(" ")} ${Cause.pretty(cause)}`)
    )
  ])
const warnings = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("Warn"))

const faults = {
  "flags that Node refuses": { worker: "all.worker.ts", options: { execArgv: ["--max-old-space-size=100"] } },
  "a module that throws": { worker: "broken.worker.ts", options: {} },
  "a module that serves nothing, and ends": { worker: "tasks.ts", options: {} },
  "a module that serves nothing, and stays": {
    worker: "silent.worker.ts",
    options: { createTimeout: "300 millis" }
  },
  "a module that serves another task": { worker: "light.worker.ts", options: {} }
} as const

for (const isolation of ["thread", "process"] as const) {
  describe(`a ${isolation} that cannot start`, () => {
    for (const [what, { options, worker }] of Object.entries(faults)) {
      it.live(`tells every caller: ${what}`, () => {
        const Starting = herdOf(support(worker))
        const lines: Array<string> = []
        // Flags that a thread cannot have are for a process.
        const flags = isolation === "process" && "execArgv" in options ? { execArgv: ["--no-such-flag"] } : {}
        return Effect.gen(function* () {
          const began = yield* Clock.currentTimeMillis
          const errors = yield* Effect.all(
            [1, 2, 3].map((value) => Effect.flip(Starting.run(Act({ what: "sync", value })))),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            errors.map(({ _tag }) => _tag),
            ["ThreadsUnavailable", "ThreadsUnavailable", "ThreadsUnavailable"]
          )
          // Nothing here waits for the limit of ten seconds.
          assert.isBelow((yield* Clock.currentTimeMillis) - began, 8000)
          assert.lengthOf(warnings(lines), 1, lines.join("\n"))
          assert.include(warnings(lines)[0], "no threads for 60000 ms after")
        }).pipe(
          Effect.provide(
            Layer.provideMerge(
              Starting.layer({
                isolation,
                workers: { min: 1, max: 1 },
                crashes: { coolDown: "1 minute" },
                output: "ignore",
                ...options,
                ...flags
              }),
              logged(lines)
            )
          )
        )
      })
    }

    it.live("is there again when it can, although the wall clock went back an hour", () =>
      Effect.gen(function* () {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-starts-"))),
          (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
        )
        const file = join(folder, "later.worker.mjs")
        writeFileSync(file, `throw new Error("not yet")`)
        const Starting = herdOf(pathToFileURL(file))
        const lines: Array<string> = []
        const live = yield* Clock.Clock
        let offset = 0
        const clock: Clock.Clock = Object.assign(Object.create(live), {
          currentTimeMillisUnsafe: () => live.currentTimeMillisUnsafe() + offset,
          currentTimeMillis: Effect.sync(() => live.currentTimeMillisUnsafe() + offset)
        })
        yield* Effect.gen(function* () {
          const error = yield* Effect.flip(Starting.run(Echo(1)))
          assert.strictEqual(error._tag, "ThreadsUnavailable")
          assert.include(error.message, "not yet")
          offset = -3_600_000
          writeFileSync(file, `export * from ${JSON.stringify(support("all.worker.ts").href)}`)
          const echo = yield* Effect.retry(Starting.run(Echo(1)), Schedule.spaced("50 millis"))
          assert.strictEqual(echo, 1)
          // The herd warns of the clock, which is another matter.
          const ours = warnings(lines).filter((line) => line.includes("no threads for"))
          assert.lengthOf(ours, 1, lines.join("\n"))
          assert.lengthOf(
            lines.filter((line) => line.includes("well again")),
            1
          )
        }).pipe(
          Effect.provide(
            Layer.provideMerge(
              Starting.layer({
                isolation,
                workers: { min: 1, max: 1 },
                crashes: { coolDown: "200 millis" },
                output: "ignore"
              }).pipe(Layer.provide(Layer.succeed(Clock.Clock, clock))),
              logged(lines)
            )
          )
        )
      })
    )

    it.live("but was idle when it crashed is an event and a line of the log", () => {
      const Starting = herdOf(support("all.worker.ts"))
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const herd = yield* Starting
        const failed: Array<string> = []
        yield* herd.listen((event) => {
          if (event._tag === "PartFailed") failed.push(event.where)
        })
        yield* Starting.run(Act({ what: "crashLater" }))
        yield* Effect.retry(
          Effect.suspend(() => (failed.length === 1 ? Effect.void : Effect.fail("not yet"))),
          Schedule.spaced("5 millis")
        )
        assert.lengthOf(warnings(lines), 1)
        assert.include(warnings(lines)[0], "without a task: out of the blue")
        assert.strictEqual(yield* Starting.run(Echo(1)), 1)
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            Starting.layer({ isolation, workers: { min: 1, max: 1 }, output: "ignore" }),
            logged(lines)
          )
        )
      )
    })
  })
}

describe("settings that no thread can be started with", () => {
  const Starting = herdOf(support("all.worker.ts"))
  const refused = [
    ["resourceLimits.maxOldGenerationSizeMb", { resourceLimits: { maxOldGenerationSizeMb: 1 } }],
    ["resourceLimits.stackSizeMb", { resourceLimits: { stackSizeMb: 100_000 } }],
    ["resourceLimits.codeRangeSizeMb", { resourceLimits: { codeRangeSizeMb: Number.NaN } }],
    ["workerData", { workerData: () => 1 }],
    ["isolation", { isolation: "proces" as "process" }]
  ] as const
  for (const [field, options] of refused) {
    it.effect(`are refused, and end nothing: ${field}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.provide(Effect.void, Starting.layer(options)))
        assert.strictEqual(error.field, field)
      })
    )
  }

  it.live("and the least heap that is accepted starts a thread", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Starting.run(Echo(1)), 1)
    }).pipe(
      Effect.provide(
        Starting.layer({
          workers: { max: 1 },
          resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }
        })
      )
    )
  )
})
