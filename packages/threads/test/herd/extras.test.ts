// Every thread at once, and what a thread is told of itself.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { extras, Where } from "../support/extras.tasks.ts"

class Extras extends ThreadHerd.Service<Extras>()("test/Extras", {
  tasks: extras,
  worker: new URL("../support/extras.worker.ts", import.meta.url)
}) {}

const ready = (count: number) =>
  Effect.repeat(Extras.threads, {
    while: (threads) => threads.length < count,
    schedule: Schedule.spaced("5 millis")
  })

for (const isolation of ["thread", "process"] as const) {
  describe(`a ${isolation}`, () => {
    it.live("reads workerData and argv, is named in threads, and finds no trace of how it was started", () =>
      Effect.gen(function* () {
        const seen = yield* Extras.run(Where(undefined))
        assert.deepStrictEqual(seen.argv, ["--model", "small"])
        assert.deepStrictEqual(seen.data, { model: new Map([["size", 1]]) })
        const [info] = yield* Extras.threads
        const { inspector, pid, threadId } = info ?? {}
        if (isolation === "thread") {
          assert.deepStrictEqual([threadId, pid, inspector], [seen.threadId, undefined, undefined])
        } else {
          assert.deepStrictEqual([threadId, pid, inspector], [undefined, seen.pid, undefined])
          assert.notStrictEqual(seen.pid, process.pid)
        }
        assert.deepStrictEqual(
          Object.keys(seen.env).filter((name) => !(name in process.env)),
          []
        )
      }).pipe(
        Effect.provide(
          Extras.layer({
            isolation,
            workers: { max: 1 },
            argv: ["--model", "small"],
            workerData: { model: new Map([["size", 1]]) }
          })
        )
      )
    )

    it.live("has the variables of a list, and those that programs need, and no others", () => {
      process.env["TEST_SECRET"] = "hunter2"
      process.env["TEST_MODEL"] = "small"
      return Effect.gen(function* () {
        const { env } = yield* Extras.run(Where(undefined))
        assert.strictEqual(env["TEST_MODEL"], "small")
        assert.strictEqual(env["PATH"], process.env["PATH"])
        assert.isUndefined(env["TEST_SECRET"])
      }).pipe(Effect.provide(Extras.layer({ isolation, workers: { max: 1 }, env: ["TEST_MODEL"] })))
    })

    it.live("has no secret of ours unless it is said: nothing that is not named, or all", () => {
      process.env["TEST_SECRET"] = "hunter2"
      process.env["LEMMINGS_THREADS"] = "hunter3"
      process.env["NODE_AUTH_TOKEN"] = "hunter4"
      const seen = (env?: "all") =>
        Effect.map(Extras.run(Where(undefined)), (where) => where.env).pipe(
          Effect.provide(Layer.fresh(Extras.layer({ isolation, workers: { max: 1 }, env })))
        )
      return Effect.gen(function* () {
        const some = yield* seen()
        assert.deepStrictEqual(
          Object.keys(some).filter((name) => /^(TEST|LEMMINGS|npm_|VITEST|DATABASE|PG)|TOKEN/.test(name)),
          []
        )
        assert.notInclude(JSON.stringify(some), "hunter")
        assert.strictEqual(some["PATH"], process.env["PATH"])
        const all = yield* seen("all")
        assert.deepInclude(all, { TEST_SECRET: "hunter2", NODE_AUTH_TOKEN: "hunter4" })
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            for (const name of ["TEST_SECRET", "LEMMINGS_THREADS", "NODE_AUTH_TOKEN"])
              delete process.env[name]
          })
        )
      )
    })

    it.live("whose environment is none is refused", () =>
      Effect.gen(function* () {
        for (const env of ["everything", [1], { A: 1 }, null, 7]) {
          const layer = Extras.layer({ isolation, workers: { max: 1 }, env: env as never })
          const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
          assert.deepInclude(error, { _tag: "InvalidConfig", field: "env" })
        }
      })
    )

    it.live("runs what is told to all once, behind what it works at", () =>
      Effect.gen(function* () {
        yield* ready(3)
        const busy = yield* Effect.forkChild(
          Effect.all(
            [1, 2, 3].map(() => Extras.run(Where({ millis: 40 }))),
            { concurrency: "unbounded" }
          ),
          { startImmediately: true }
        )
        const all = yield* Extras.broadcast(Where({ millis: 1 }))
        const values = all.flatMap(({ exit }) => (Exit.isSuccess(exit) ? [exit.value] : []))
        assert.lengthOf(values, 3)
        assert.strictEqual(new Set(values.map(({ pid, threadId }) => `${pid} ${threadId}`)).size, 3)
        assert.deepStrictEqual(
          all.map(({ workerId }) => workerId).toSorted((a, b) => a - b),
          [1, 2, 3]
        )
        yield* Fiber.join(busy)
        const { tasks } = yield* (yield* Extras).stats
        assert.strictEqual(tasks.submitted, 3)
      }).pipe(Effect.provide(Extras.layer({ isolation, workers: { min: 3, max: 3 } })))
    )

    it.live("that ends before it has run what is told to all says so", () =>
      Effect.gen(function* () {
        const herd = yield* Extras
        yield* ready(1)
        const all = yield* Effect.forkChild(Extras.broadcast(Where({ millis: 60_000 })), {
          startImmediately: true
        })
        yield* herd.kill
        const [one] = yield* Fiber.join(all)
        const error = one !== undefined && Exit.isFailure(one.exit) ? Cause.squash(one.exit.cause) : undefined
        assert.strictEqual(Reflect.get(error ?? {}, "_tag"), "WorkerLost")
        assert.deepStrictEqual(yield* Extras.broadcast(Where(undefined)), [])
      }).pipe(Effect.provide(Extras.layer({ isolation, workers: { min: 1, max: 1 } })))
    )
  })
}
