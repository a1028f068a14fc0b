import { assert, it } from "@effect/vitest"
import { rounds } from "@lemmings/suite/rounds"
import { Effect, Layer, Random } from "effect"
import { join } from "node:path"
import * as Jobs from "../../src/Jobs.ts"
import { folder, kill, numbers, read, until, worker } from "../support/processes.ts"

const kills = rounds(6, 40)

it.live(
  `${kills} random kills of an embedded process lose no acknowledged job, and each time it opens again`,
  () =>
    Effect.gen(function* () {
      const path = yield* folder
      const directory = join(path, "jobs")
      const journal = join(path, "journal")
      const orders = { store: { directory }, journal, workers: 16, millis: 2 }
      const refused = Effect.flip(Effect.scoped(Layer.build(Jobs.layerEmbedded({ directory }))))
      for (let i = 0; i < kills; i++) {
        const from = i * 100_000
        const child = yield* worker({ ...orders, enqueueFrom: from })
        // It has opened the directory, and both enqueues and works.
        const before = read(journal).ended.length
        yield* until(() => {
          const { ended, stored } = read(journal)
          return ended.length > before && stored.some(({ n }) => n >= from)
        }, 20_000)
        if (i === 0) assert.strictEqual((yield* refused)._tag, "DirectoryInUse")
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 400))
        yield* kill(child)
      }
      const stored = numbers(read(journal).stored)
      assert.isAbove(stored.size, kills * 10)
      yield* worker(orders)
      yield* until(() => {
        const done = numbers(read(journal).ended)
        return [...stored].every((n) => done.has(n))
      })
    }).pipe(Random.withSeed("fifteen kills"))
)
