import { assert, describe, it } from "@effect/vitest"
import { rounds } from "@lemmings/suite/rounds"
import { Effect, Fiber } from "effect"
import type { JobStore } from "../../src/port/JobStore.ts"
import { declared, eventually, failure, job } from "../support/store.ts"
import { stores } from "../support/stores.ts"

const count = rounds(20_000, 100_000)
const page = 1_000

/** Others come to their turn while it goes on, at least once a page. */
const turning = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    let turns = 0
    const turn = () => {
      turns++
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    const done = yield* Effect.ensuring(
      work,
      Effect.sync(() => clearImmediate(next))
    )
    assert.isAtLeast(turns, count / page - 1)
    return done
  })

for (const { layer, missing, name } of stores)
  describe.skipIf(missing)(`${count} dead letters and jobs on ${name}`, () => {
    it.layer(layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
      it.effect("are replayed, cancelled and purged page by page, until somebody interrupts it", () =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          const ids: Array<string> = []
          const inPages = (each: (from: number) => Effect.Effect<unknown, unknown, JobStore>) =>
            Effect.forEach(
              Array.from({ length: count / page }, (_, n) => n * page),
              each,
              { discard: true }
            )
          const bury = inPages(() =>
            Effect.gen(function* () {
              const held = yield* store.claim(queue, page)
              yield* store.settle(
                queue,
                held.map((one) => ({ ...one, _tag: "Discard" as const, failure }))
              )
            })
          )
          yield* inPages((from) => {
            const jobs = Array.from({ length: page }, (_, n) => job(queue, { payload: from + n }))
            ids.push(...jobs.map(({ id }) => id))
            return store.enqueue(jobs)
          })
          yield* bury
          const seen: Array<number> = []
          const progress = (done: number) => Effect.sync(() => seen.push(done))
          // Somebody stops it at some page: those before are done, and the rest another time.
          const stopped = yield* Effect.forkChild(store.dead.replay(queue, undefined, { progress }))
          yield* eventually(
            Effect.sync(() => seen.length),
            (pages) => pages >= 3
          )
          const from = performance.now()
          yield* Fiber.interrupt(stopped)
          const interrupted = performance.now() - from
          const done = seen.at(-1)!
          assert.isBelow(done, count)
          const rest = yield* store.dead.replay(queue, undefined, { progress })
          assert.isAtMost(Math.abs(done + rest - count), page)
          yield* bury
          assert.strictEqual(yield* turning(store.dead.purge(queue, undefined, { progress })), count)
          assert.strictEqual((yield* store.stats(queue)).deadLetters, 0)
          const more = Array.from({ length: count }, () => job(queue))
          for (let n = 0; n < count; n += page) yield* store.enqueue(more.slice(n, n + page))
          seen.length = 0
          assert.strictEqual(
            yield* turning(
              store.cancel(
                queue,
                more.map(({ id }) => id),
                { progress }
              )
            ),
            count
          )
          assert.strictEqual(seen.length, count / page)
          assert.isBelow(interrupted, 5_000)
        })
      )
    })
  })
