import { assert, describe, it } from "@effect/vitest"
import { missing, postgres, type Server } from "@lemmings/servers"
import { Clock, Context, Effect, Layer, Logger, Schema } from "effect"
import { execFileSync } from "node:child_process"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { JobStore } from "../../src/port/JobStore.ts"
import { claimOne, declared, eventually, job } from "../support/store.ts"

const Work = Job.make("Work", { payload: Schema.Int })

/** How often each job began, and how often it ended. */
const counted = () => {
  const begun = new Map<number, number>()
  const ended = new Map<number, number>()
  const count = (of: Map<number, number>, n: number) => of.set(n, (of.get(n) ?? 0) + 1)
  const layer = (millis: number) =>
    Work.toLayer(
      (n) =>
        Effect.gen(function* () {
          count(begun, n)
          yield* Effect.sleep(millis)
          count(ended, n)
        }),
      { concurrency: 50, drain: "1 second" }
    )
  const twice = () => [...begun].filter(([, times]) => times > 1).map(([n]) => n)
  return { begun, ended, layer, twice }
}

const say = (url: string, ...statements: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    for (const statement of statements) await client.query(statement)
    await client.end()
  })

/** All processes of a server. */
const processes = (server: Server) =>
  Effect.map(server.pid, (main) => {
    const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n")
    const children = rows
      .map((row) => row.trim().split(/\s+/).map(Number))
      .filter(([, parent]) => parent === main)
    return [main, ...children.map(([child]) => child!)]
  })

/** The server stands still until the scope closes. */
const stalled = (server: Server) =>
  Effect.acquireRelease(
    Effect.tap(processes(server), (all) =>
      Effect.sync(() => all.forEach((pid) => process.kill(pid, "SIGSTOP")))
    ),
    (all) => Effect.sync(() => all.forEach((pid) => process.kill(pid, "SIGCONT")))
  )

describe("a clock of the wall that is set back", () => {
  it.live("stops no queue", () =>
    Effect.gen(function* () {
      const real = yield* Clock.Clock
      let behind = 0
      const clock: Clock.Clock = Object.assign(Object.create(real) as Clock.Clock, {
        currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() - behind,
        currentTimeMillis: Effect.sync(() => real.currentTimeMillisUnsafe() - behind)
      })
      let ran = 0
      const live = Work.toLayer(() => Effect.sync(() => void ran++), {
        rate: { limit: 1, per: "20 millis" }
      }).pipe(Layer.provideMerge(Jobs.layerMemory()))
      yield* Effect.gen(function* () {
        yield* Jobs.enqueue(Array.from({ length: 10 }, (_, n) => Work(n)))
        yield* Jobs.enqueue(Work(10), { delay: "200 millis" })
        yield* Effect.sync(() => (behind = 3_600_000))
        yield* eventually(
          Effect.sync(() => ran),
          (count) => count === 11
        )
      }).pipe(Effect.provide(live), Effect.provideService(Clock.Clock, clock))
    })
  )
})

describe.skipIf(missing.postgres)("PostgreSQL that", () => {
  it.live("is away for longer than a lease costs no job that ended meanwhile, nor one that goes on", () =>
    Effect.gen(function* () {
      const server = yield* postgres({ durable: false })
      const { begun, ended, layer, twice } = counted()
      // What ends while it is away, and what ends when it is back.
      const live = layer(2_500).pipe(
        Layer.provideMerge(Jobs.layerPostgres({ url: server.url, lease: "2 seconds" }))
      )
      yield* Effect.gen(function* () {
        yield* Jobs.enqueue(Array.from({ length: 20 }, (_, n) => Work(n)))
        yield* eventually(
          Effect.sync(() => begun.size),
          (count) => count === 20
        )
        yield* Effect.sleep("1 second")
        yield* server.crash
        yield* eventually(
          Effect.sync(() => ended.size),
          (count) => count === 20
        )
        yield* Effect.sleep("1 second")
        assert.isFalse((yield* Jobs.readiness).ready)
        yield* server.restart
        yield* eventually(
          Effect.exit(Jobs.stats(Work)),
          (exit) => exit._tag === "Success" && exit.value.running === 0
        )
        yield* Effect.sleep("3 seconds")
        assert.deepStrictEqual(twice(), [])
        assert.strictEqual((yield* Jobs.stats(Work)).waiting, 0)
      }).pipe(Effect.provide(live))
    })
  )

  it.live("stands still is not ready within a lease, and no job runs twice when it goes on", () =>
    Effect.gen(function* () {
      const server = yield* postgres({ durable: false })
      const { begun, layer, twice } = counted()
      const store = () => Layer.fresh(Jobs.layerPostgres({ url: server.url, lease: "2 seconds" }))
      const one = yield* Layer.build(layer(12_000).pipe(Layer.provideMerge(store())))
      yield* Effect.provide(Jobs.enqueue([1, 2, 3].map((n) => Work(n))), one)
      yield* eventually(
        Effect.sync(() => begun.size),
        (count) => count === 3
      )
      const other = yield* Layer.build(layer(12_000).pipe(Layer.provideMerge(store())))
      yield* Effect.sleep("3 seconds")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* stalled(server)
          for (const process of [one, other])
            yield* eventually(Effect.provide(Jobs.readiness, process), ({ ready }) => !ready).pipe(
              Effect.timeout("2 seconds")
            )
          yield* Effect.sleep("4 seconds")
        })
      )
      for (const process of [one, other])
        yield* eventually(Effect.provide(Jobs.readiness, process), ({ ready }) => ready)
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual(twice(), [])
    })
  )

  it.live("takes no writes for a while is not ready meanwhile, and says so once", () =>
    Effect.gen(function* () {
      const server = yield* postgres({ durable: false })
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => {
        const text = String(message)
        if (text.includes("job store")) said.push(text)
      })
      yield* Effect.gen(function* () {
        yield* Jobs.enqueue(Work(1))
        const readOnly = (is: boolean) =>
          say(
            server.url,
            "SET default_transaction_read_only = off",
            `ALTER SYSTEM SET default_transaction_read_only = ${is ? "on" : "off"}`,
            "SELECT pg_reload_conf()"
          )
        // Whoever only asks goes on.
        yield* Effect.forkScoped(
          Effect.forever(Effect.andThen(Effect.ignore(Jobs.stats(Work)), Effect.sleep(100)))
        )
        yield* Effect.forkScoped(
          Effect.forever(Effect.andThen(Effect.ignore(Jobs.enqueue(Work(2))), Effect.sleep(150)))
        )
        yield* readOnly(true)
        yield* eventually(Jobs.readiness, ({ ready }) => !ready)
        let ready = 0
        for (let n = 0; n < 40; n++) {
          if ((yield* Jobs.readiness).ready) ready++
          yield* Effect.sleep(50)
        }
        assert.strictEqual(ready, 0)
        assert.match((yield* Jobs.readiness).reason ?? "", /read-only/)
        yield* readOnly(false)
        yield* eventually(Jobs.readiness, (now) => now.ready)
        assert.lengthOf(said, 3, said.join("\n"))
      }).pipe(
        Effect.provide(Layer.provideMerge(Jobs.layerPostgres({ url: server.url }), Logger.layer([logger])))
      )
    })
  )
})

describe.skipIf(missing.postgres)("a lease", () => {
  it.live("is not ended by a sweep that was sent before the database could be written again", () =>
    Effect.gen(function* () {
      const server = yield* postgres({ durable: false })
      const context = yield* Layer.build(
        Layer.fresh(Jobs.layerPostgres({ url: server.url, lease: "1 second" }))
      )
      const store = Context.get(context, JobStore)
      yield* Effect.gen(function* () {
        const { queue } = yield* declared()
        yield* store.enqueue([job(queue)])
        yield* claimOne(queue)
        yield* say(server.url, "UPDATE lemmings.lemmings_pulse SET at = at - interval '1 hour'")
        yield* Effect.sleep("1500 millis")
        // The pulse is back for less than a lease.
        yield* say(server.url, "UPDATE lemmings.lemmings_pulse SET back_at = now()")
        assert.strictEqual((yield* store.sweep(queue)).count, 0)
        yield* eventually(store.sweep(queue), ({ count }) => count === 1)
      }).pipe(Effect.provide(context))
    })
  )
})
