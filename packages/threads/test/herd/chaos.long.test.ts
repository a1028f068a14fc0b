import { assert, describe, it } from "@effect/vitest"
import { rounds } from "@lemmings/suite/rounds"
import { Cause, Effect, Exit } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import type { CallError, Runs } from "../../src/task/ThreadTask.ts"
import { Act, all, Echo } from "../support/tasks.ts"

class Chaos extends ThreadHerd.Service<Chaos>()("test/Chaos", {
  tasks: all,
  worker: new URL("../support/all.worker.ts", import.meta.url)
}) {}

/** Numbers from 0 to 1 that are the same for the same seed. */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return state / 4_294_967_296
  }
}

const seed = 20_261_124
const count = rounds(3_000, 10_000)

describe(`${count.toLocaleString("en")} tasks of which some crash, exit, fill the heap or never end`, () => {
  it.live(`every caller is settled, the counts add up, and the herd is well (seed ${seed})`, () =>
    Effect.gen(function* () {
      const herd = yield* Chaos
      const next = random(seed)
      const chosen = Array.from({ length: count }, (_, i) => {
        const dice = next()
        if (dice < 0.001) return { what: "oom" as const, task: Act({ what: "oom" }) }
        if (dice < 0.003) return { what: "spin" as const, task: Act({ what: "spin" }) }
        if (dice < 0.006) return { what: "exit" as const, task: Act({ what: "exit" }) }
        if (dice < 0.009) return { what: "crash" as const, task: Act({ what: "crash" }) }
        if (dice < 0.02) return { what: "throw" as const, task: Act({ what: "throw" }) }
        return { what: "fine" as const, task: Echo(i) }
      })
      const exits = yield* Effect.forEach(
        chosen,
        ({ task }) =>
          Effect.exit(
            Chaos.run<unknown, CallError, Runs<"Act" | "Echo">, { timeout: "2 seconds" }>(task, {
              timeout: "2 seconds"
            })
          ),
        { concurrency: 64 }
      )
      const outcomes = new Map<string, number>()
      for (const [i, exit] of exits.entries()) {
        const what = chosen[i]?.what ?? "none"
        const error = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)
        const how = error instanceof Error ? error.constructor.name : String(error)
        // A thread that dies at once may take answers of its last millisecond with it, and says so.
        const outcome = what === "fine" && how === "WorkerLost" ? "fine, lost" : `${what}: ${how}`
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, i)
      }
      const { resources, tasks, workers } = yield* herd.stats
      assert.strictEqual(exits.length, count)
      const { failed, interrupted, queued, running, shed, submitted, succeeded } = tasks
      assert.strictEqual(submitted, count)
      assert.strictEqual(queued + running + succeeded + failed + interrupted + shed, count)
      assert.deepStrictEqual([queued, running], [0, 0])
      assert.isAtMost(resources.created - resources.destroyed, workers.max + 1)
      const told = Object.fromEntries(outcomes)
      for (const name of Object.keys(told)) {
        assert.oneOf(name, [
          "fine: undefined",
          "fine, lost",
          "oom: WorkerLost",
          "oom: TaskTimeout",
          "spin: TaskTimeout",
          "exit: WorkerLost",
          "crash: WorkerLost",
          "throw: RangeError"
        ])
      }
      assert.isAtMost(told["fine, lost"] ?? 0, count / 100)
      assert.deepStrictEqual(
        yield* Chaos.runAll(Array.from({ length: 100 }, (_, i) => Echo(i))),
        Array.from({ length: 100 }, (_, i) => i)
      )
    }).pipe(
      Effect.provide(
        Chaos.layer({
          workers: { min: 2, max: 2 },
          crashes: { max: "unlimited" },
          resourceLimits: { maxOldGenerationSizeMb: 32 },
          output: "ignore"
        })
      )
    )
  )
})
