import { assert, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { join } from "node:path"
import * as Jobs from "../../src/Jobs.ts"
import { type Entry, folder, numbers, read, until, worker } from "../support/processes.ts"
import { lease, Work } from "./work.ts"

const total = 4000
const [large, small] = [24, 8]

const most = (workers: ReadonlyArray<Entry>) => Math.max(...workers.map(({ n }) => n))

it.live.skipIf(missing.postgres)(
  "two processes share a queue by their workers, and both grow in a burst and shrink after it",
  () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const directory = yield* folder
      const [a, b] = [join(directory, "a"), join(directory, "b")]
      const orders = { store: { url }, millis: 40 }
      yield* worker({ ...orders, journal: a, workers: large })
      yield* worker({ ...orders, journal: b, workers: small })
      const settled = (journal: string) => read(journal).workers.at(-1)?.n === 1
      yield* until(() => settled(a) && settled(b))
      yield* Jobs.enqueue(Array.from({ length: total }, (_, n) => Work(n))).pipe(
        Effect.provide(Jobs.layerPostgres({ url, lease }))
      )
      yield* until(() => numbers([...read(a).ended, ...read(b).ended]).size === total)
      yield* until(() => settled(a) && settled(b), 20_000)
      const [one, other] = [read(a), read(b)]
      assert.strictEqual(most(one.workers), large)
      assert.strictEqual(most(other.workers), small)
      // 3 to 1, give or take a quarter.
      const ratio = one.ended.length / other.ended.length
      assert.isAbove(ratio, 3 * 0.75)
      assert.isBelow(ratio, 3 * 1.25)
    })
)
