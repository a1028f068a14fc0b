import { assert } from "@effect/vitest"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Jobs from "../../src/Jobs.ts"
import { isPoison, Left, Right } from "../chaos/poisoned.ts"
import { ended } from "./processes.ts"
import { eventually } from "./store.ts"

const lease = 1_000

/** A process that works, again whenever it was killed. */
const restarted = (url: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      spawn(
        process.execPath,
        [fileURLToPath(new URL("../chaos/poisoned.ts", import.meta.url)), url, `${lease}`],
        { stdio: "ignore" }
      )
    ),
    ended,
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.forever)

/** Jobs of which some kill whatever process runs them. */
export const poisoned = (left: ReadonlyArray<number>, right: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const { url } = yield* database
    yield* Effect.gen(function* () {
      const ids = yield* Effect.all([
        Jobs.enqueue(left.map((n) => Left(n))),
        Jobs.enqueue(right.map((n) => Right(n)))
      ])
      yield* Effect.forkScoped(restarted(url))
      const rows = yield* eventually(
        Effect.all([
          ...left.map((n, at) => Effect.map(Jobs.inspect(Left, ids[0][at]!), (job) => ({ n, most: 2, job }))),
          ...right.map((n, at) =>
            Effect.map(Jobs.inspect(Right, ids[1][at]!), (job) => ({ n, most: 3, job }))
          )
        ]),
        (all) => all.every(({ job }) => job.endedAt !== undefined),
        60_000
      )
      for (const { job, most, n } of rows) {
        assert.strictEqual(job.state, isPoison(n) ? "failed" : "completed", `${n}: ${job.failure?.message}`)
        if (isPoison(n)) assert.deepStrictEqual([job.failure?.reason, job.attempts], ["lost", most], `${n}`)
      }
    }).pipe(Effect.provide(Jobs.layerPostgres({ url, lease })))
  })
