import { assert, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { join } from "node:path"
import * as Jobs from "../../src/Jobs.ts"
import { ended, folder, now, numbers, read, until, worker } from "../support/processes.ts"
import { Work } from "./work.ts"

const total = 5000

it.live.skipIf(missing.postgres)(
  "SIGTERM under load loses nothing, burns no attempt, and another process goes on at once",
  () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const directory = yield* folder
      const [a, b] = [join(directory, "a"), join(directory, "b")]
      yield* Jobs.enqueue(Array.from({ length: total }, (_, n) => Work(n))).pipe(
        Effect.provide(Jobs.layerPostgres({ url }))
      )
      // The lease of 15 s is longer than this test waits: whatever comes back was given back.
      const orders = { store: { url }, workers: 16, millis: 5, longLease: true }
      // Every 50th job outlasts the time to drain, so that some are interrupted.
      const told = yield* worker({ ...orders, journal: a, longMillis: 60_000, drainMillis: 500 })
      yield* until(() => read(a).ended.length >= 200)
      const at = now()
      told.kill("SIGTERM")
      // 143 is 128 + SIGTERM, which is how a process that was told to end says so.
      const end = yield* ended(told)
      assert.include([0, 143], end.code)
      const gone = now()
      assert.isBelow(gone - at, 500 + 3000)
      const first = read(a)
      const interrupted = [...numbers(first.began)].filter((n) => !numbers(first.ended).has(n))
      assert.isAbove(interrupted.length, 0)

      yield* worker({ ...orders, journal: b })
      const since = now()
      const all = () => new Set([...numbers(first.ended), ...numbers(read(b).ended)])
      yield* until(() => all().size === total, 12_000)
      const second = read(b)
      assert.deepStrictEqual(
        [...first.began, ...second.began].filter(({ attempt }) => attempt !== 1),
        []
      )
      // What ended was written before the exit, so nothing but the interrupted ones ran twice.
      const done = numbers(first.ended)
      assert.deepStrictEqual(
        second.began.filter(({ n }) => done.has(n)),
        []
      )
      assert.strictEqual(numbers(second.began).size, second.began.length)
      const back = new Set(interrupted)
      const taken = second.began.filter(({ n }) => back.has(n)).map((one) => one.at - since)
      assert.strictEqual(taken.length, interrupted.length)
      assert.isBelow(Math.max(...taken), 5000)
    }),
  60_000
)
