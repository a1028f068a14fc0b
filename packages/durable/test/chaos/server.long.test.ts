import { assert, it } from "@effect/vitest"
import { missing, postgres } from "@lemmings/servers"
import { Effect, Fiber } from "effect"
import { join } from "node:path"
import * as Jobs from "../../src/Jobs.ts"
import { folder, numbers, read, until, worker } from "../support/processes.ts"
import { lease, Work } from "./work.ts"

it.live.skipIf(missing.postgres)(
  "PostgreSQL restarted and killed under load loses no job, and all go on by themselves",
  () =>
    Effect.gen(function* () {
      const server = yield* postgres()
      const journal = join(yield* folder, "worker")
      const told = yield* worker({ store: { url: server.url }, journal, workers: 16, millis: 5 })
      yield* Effect.gen(function* () {
        const stored = new Set<number>()
        const failures: Array<string> = []
        let next = 0
        const batch = Effect.suspend(() => {
          const ns = Array.from({ length: 20 }, () => next++)
          return Jobs.enqueue(ns.map((n) => Work(n))).pipe(
            Effect.match({
              onSuccess: () => {
                for (const n of ns) stored.add(n)
              },
              onFailure: ({ _tag, reason }) => {
                failures.push(`${_tag} ${reason}`)
              }
            })
          )
        })
        const load = yield* Effect.forkScoped(
          Effect.forever(Effect.andThen(batch, Effect.sleep("10 millis")))
        )
        const ready = Effect.map(Jobs.readiness, (state) => state.ready)
        const becomes = (wanted: boolean) =>
          ready.pipe(
            Effect.delay("10 millis"),
            Effect.repeat({ until: (is) => is === wanted }),
            Effect.timeout("20 seconds")
          )
        // More is stored, and more done, than at this moment.
        const goesOn = Effect.suspend(() => {
          const [before, done] = [stored.size, read(journal).ended.length]
          return until(() => stored.size > before + 200 && read(journal).ended.length > done + 200, 20_000)
        })
        yield* goesOn
        yield* server.restart
        yield* goesOn
        yield* server.crash
        yield* becomes(false)
        yield* until(() => failures.length > 0, 20_000)
        yield* server.restart
        yield* becomes(true)
        yield* goesOn
        yield* Fiber.interrupt(load)

        assert.deepStrictEqual([...new Set(failures)], ["EnqueueFailed unavailable"])
        yield* until(() => {
          const done = numbers(read(journal).ended)
          return [...stored].every((n) => done.has(n))
        }, 30_000)
        assert.isNull(told.exitCode)
      }).pipe(Effect.scoped, Effect.provide(Jobs.layerPostgres({ url: server.url, lease })))
    })
)
