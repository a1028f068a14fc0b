import { assert, describe, it } from "@effect/vitest"
import { missing, postgres } from "@lemmings/servers"
import { rounds } from "@lemmings/suite/rounds"
import { Effect, Layer, Schema } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chownSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import type { Orders } from "../chaos/work.ts"
import * as Chaos from "../chaos/work.ts"
import { gateway } from "../support/gateway.ts"
import { ended, folder, numbers, read, until } from "../support/processes.ts"
import { eventually } from "../support/store.ts"

const Work = Job.make("Work", { payload: { n: Schema.Int, pad: Schema.String }, attempts: 20 })

const say = (url: string, statement: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(statement)).rows
    } finally {
      await client.end()
    }
  })

/** Runs a command to its end; what it says is in the error. */
const run = (command: string, ...args: ReadonlyArray<string>) =>
  Effect.sync(() => execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }))

const at = (url: string, port: number, host = "127.0.0.1") => {
  const other = new URL(url)
  other.host = `${host}:${port}`
  return other.href
}

/** Which jobs were accepted, and how often each began and ended. */
const journal = () => {
  const stored = new Set<number>()
  const begun = new Map<number, number>()
  const done = new Set<number>()
  let next = 0
  const layer = (millis: number) =>
    Work.toLayer(
      ({ n }) =>
        Effect.gen(function* () {
          begun.set(n, (begun.get(n) ?? 0) + 1)
          yield* Effect.sleep(millis)
          done.add(n)
        }),
      { concurrency: 8, drain: "1 second" }
    )
  /** Enqueues a few. What is not accepted is no job. */
  const enqueue = (bytes = 10) =>
    Effect.suspend(() => {
      const ns = Array.from({ length: 5 }, () => next++)
      const jobs = ns.map((n) => Work({ n, pad: randomBytes(bytes).toString("base64") }))
      return Effect.match(Jobs.enqueue(jobs), {
        onSuccess: () => {
          for (const n of ns) stored.add(n)
          return true
        },
        onFailure: () => false
      })
    })
  const allDone = eventually(
    Effect.sync(() => [...stored].every((n) => done.has(n))),
    (is) => is,
    40_000
  )
  const twice = () => [...begun].filter(([, times]) => times > 1).map(([n]) => n)
  return { stored, begun, done, layer, enqueue, allDone, twice }
}

describe.skipIf(missing.postgres)("disasters", () => {
  it.live(
    "a disk that fills: what was accepted ends once, and readiness says why it is not there",
    () =>
      Effect.gen(function* () {
        const { url } = yield* postgres({ durable: false })
        const owner = execFileSync("stat", ["-c", "%u:%g", yield* dataOf(url)], { encoding: "utf8" }).trim()
        const disk = yield* Effect.acquireRelease(
          Effect.sync(() => {
            const path = mkdtempSync(join(tmpdir(), "lemmings-disk-"))
            execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", path])
            const [uid = 0, gid = 0] = owner.split(":").map(Number)
            chownSync(path, uid, gid)
            return path
          }),
          (path) =>
            Effect.sync(() => {
              execFileSync("umount", ["-l", path])
              rmSync(path, { recursive: true, force: true })
            })
        )
        // The log has a disk of its own: a server without room for it ends by itself.
        yield* say(url, `CREATE TABLESPACE small LOCATION '${disk}'`)
        yield* say(url, "ALTER DATABASE postgres SET default_tablespace = small")
        const { allDone, begun, enqueue, layer, stored, twice } = journal()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const context = yield* Layer.build(
              layer(300).pipe(Layer.provideMerge(Jobs.layerPostgres({ url, lease: "3 seconds" })))
            )
            const inside = <A, E>(effect: Effect.Effect<A, E, Jobs.Jobs>) => Effect.provide(effect, context)
            // Again and again, and no more than eight workers get done.
            const some = (bytes?: number) => Effect.delay(inside(enqueue(bytes)), 200)
            yield* inside(enqueue())
            for (let round = 0; round < rounds(1, 4); round++) {
              const ballast = join(disk, `ballast-${round}`)
              try {
                writeFileSync(ballast, Buffer.alloc(24 * 1024 * 1024))
              } catch {
                // Full, as it is meant to be.
              }
              yield* eventually(Effect.andThen(some(20_000), inside(Jobs.readiness)), ({ ready }) => !ready)
              assert.match((yield* inside(Jobs.readiness)).reason ?? "", /space|extend|full/i)
              yield* Effect.sleep("4 seconds")
              rmSync(ballast, { force: true })
              yield* say(url, "VACUUM lemmings.job_common")
              yield* eventually(Effect.andThen(some(), inside(Jobs.readiness)), ({ ready }) => ready)
            }
            yield* inside(allDone)
            assert.isAbove(stored.size, 10)
            assert.deepStrictEqual(twice(), [])
            assert.deepStrictEqual(
              [...begun.keys()].filter((n) => !stored.has(n)),
              []
            )
          })
        )
        yield* say(url, "DROP SCHEMA lemmings CASCADE")
      }),
    240_000
  )

  it.live(
    "a replica that is promoted: nothing is lost, and nothing runs twice whose process lived",
    () =>
      Effect.gen(function* () {
        const main = yield* postgres()
        const { url } = main
        const data = yield* dataOf(url)
        const replica = yield* standby(url, data)
        const way = yield* gateway(Number(new URL(url).port))
        const { allDone, begun, enqueue, layer, stored, twice } = journal()
        const live = layer(6_000).pipe(
          Layer.provideMerge(Jobs.layerPostgres({ url: at(url, way.port), lease: "3 seconds" }))
        )
        yield* Effect.gen(function* () {
          for (let n = 0; n < 4; n++) yield* enqueue()
          yield* eventually(
            Effect.sync(() => begun.size),
            (count) => count === 8
          )
          yield* Effect.sleep("3 seconds")
          // What is committed is there before the main one goes.
          yield* eventually(
            say(url, `SELECT count(*) AS n FROM pg_stat_replication WHERE replay_lsn = sent_lsn`),
            (rows) => Number(rows[0]?.["n"]) === 1
          )
          yield* main.crash
          yield* Effect.sleep("4 seconds")
          assert.isFalse((yield* Jobs.readiness).ready)
          yield* say(at(url, replica), "SELECT pg_promote()")
          way.lead(replica)
          yield* eventually(Jobs.readiness, ({ ready }) => ready)
          yield* enqueue()
          yield* allDone
          assert.strictEqual(stored.size, 25)
          assert.deepStrictEqual(twice(), [])
        }).pipe(Effect.provide(live))
      }),
    180_000
  )

  it.live(
    "a way that stands still: for less than a lease nobody notices, for more others take the jobs over, and all end",
    () =>
      Effect.gen(function* () {
        const { url } = yield* postgres({ durable: false })
        const way = yield* gateway(Number(new URL(url).port))
        const { allDone, begun, enqueue, layer, twice } = journal()
        const store = (to: string) => Layer.fresh(Jobs.layerPostgres({ url: to, lease: "3 seconds" }))
        const far = yield* Layer.build(layer(5_000).pipe(Layer.provideMerge(store(at(url, way.port)))))
        yield* Effect.provide(enqueue(), far)
        yield* eventually(
          Effect.sync(() => begun.size),
          (count) => count === 5
        )
        const near = yield* Layer.build(layer(100).pipe(Layer.provideMerge(store(url))))
        yield* Effect.sleep("1 second")
        way.stall()
        yield* Effect.sleep("1 second")
        way.go()
        yield* allDone
        assert.deepStrictEqual(twice(), [])

        yield* Effect.provide(enqueue(), far)
        yield* Effect.sleep("1 second")
        way.stall()
        yield* eventually(Effect.provide(Jobs.readiness, far), ({ ready }) => !ready)
        // Who is near goes on, and is not told anything.
        for (let n = 0; n < 5; n++) {
          assert.isTrue((yield* Effect.provide(Jobs.readiness, near)).ready)
          yield* Effect.provide(enqueue(), near)
          yield* Effect.sleep("1 second")
        }
        way.go()
        yield* eventually(Effect.provide(Jobs.readiness, far), ({ ready }) => ready)
        yield* allDone
        const { failed } = (yield* Effect.provide(Jobs.stats(Work), near)).lastMinute
        assert.strictEqual(failed, 0)
      }),
    180_000
  )

  it.live(
    "a host that is cut off for longer than its lease loses its jobs to another one; none is lost, and none of the other's runs twice",
    () =>
      Effect.gen(function* () {
        const { url } = yield* postgres({ durable: false })
        const one = yield* host(url, "a", 1)
        const other = yield* host(url, "b", 2)
        const store = Layer.fresh(Jobs.layerPostgres({ url, lease: Chaos.lease }))
        yield* Effect.gen(function* () {
          const ns = Array.from({ length: 400 }, (_, n) => n)
          yield* Jobs.enqueue(ns.map((n) => Chaos.Work(n)))
          yield* until(
            () => read(one.journal).ended.length > 20 && read(other.journal).ended.length > 20,
            90_000
          )
          yield* one.cut
          yield* Effect.sleep(rounds(8_000, 30_000))
          yield* one.back
          const all = () =>
            new Set([...numbers(read(one.journal).ended), ...numbers(read(other.journal).ended)])
          yield* until(() => all().size === ns.length, 90_000)
          yield* eventually(Jobs.stats(Chaos.Work), ({ running, waiting }) => running + waiting === 0)
          assert.strictEqual((yield* Jobs.stats(Chaos.Work)).deadLetters, 0)
          // What the other one, which could renew, has ended nobody ran again after it.
          const ends = new Map(read(other.journal).ended.map(({ at, n }) => [n, at]))
          const again = read(one.journal).began.filter(({ at, n }) => at > (ends.get(n) ?? Infinity))
          assert.deepStrictEqual(again, [])
          const begun = read(other.journal).began.map(({ n }) => n)
          assert.strictEqual(new Set(begun).size, begun.length)
        }).pipe(Effect.provide(store))
      }),
    180_000
  )
})

/** Where a server has its files. */
const dataOf = (url: string) =>
  Effect.map(say(url, "SHOW data_directory"), ([row]) => String(row?.["data_directory"]))

/** A replica of a server, on a port of its own, until the scope closes. */
const standby = (url: string, data: string) =>
  Effect.gen(function* () {
    const [uid = 0, gid = 0] = execFileSync("stat", ["-c", "%u:%g", data], { encoding: "utf8" })
      .trim()
      .split(":")
      .map(Number)
    const owner = process.getuid?.() === 0 ? { uid, gid } : {}
    const [bin] = globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed()
    const parent = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const path = mkdtempSync(join(tmpdir(), "lemmings-replica-"))
        chownSync(path, uid, gid)
        return path
      }),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const replica = join(parent, "data")
    yield* Effect.sync(() =>
      execFileSync(
        join(bin ?? "", "pg_basebackup"),
        ["-D", replica, "-R", "-X", "stream", "-c", "fast", "-d", url],
        {
          ...owner,
          cwd: parent,
          stdio: "pipe"
        }
      )
    )
    const port = 20_000 + (process.pid % 20_000)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          join(bin ?? "", "postgres"),
          [
            "-D",
            replica,
            "-p",
            String(port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories="
          ],
          {
            ...owner,
            cwd: parent,
            stdio: "ignore"
          }
        )
      ),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGQUIT")),
          ended(child)
        )
    )
    yield* eventually(
      Effect.exit(
        Effect.timeout(
          Effect.tryPromise(() => tried(at(url, port))),
          "2 seconds"
        )
      ),
      (exit) => exit._tag === "Success"
    )
    return port
  })

const tried = async (url: string) => {
  const client = new Client({ connectionString: url })
  try {
    await client.connect()
    await client.query("SELECT 1")
  } finally {
    await client.end().catch(() => {})
  }
}

/** A process that works on a host of its own, whose wire to this one can be cut. */
const host = (url: string, letter: string, number: number) =>
  Effect.gen(function* () {
    const name = `lemmings${process.pid}${letter}`
    const wire = `lm${process.pid % 10_000}${letter}`
    const subnet = `10.213.${number}`
    yield* Effect.acquireRelease(
      Effect.gen(function* () {
        yield* run("ip", "netns", "add", name)
        yield* run("ip", "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name)
        yield* run("ip", "addr", "add", `${subnet}.1/24`, "dev", wire)
        yield* run("ip", "link", "set", wire, "up")
        yield* run("ip", "-n", name, "addr", "add", `${subnet}.2/24`, "dev", "eth0")
        yield* run("ip", "-n", name, "link", "set", "eth0", "up")
      }),
      () => Effect.ignore(Effect.andThen(run("ip", "link", "del", wire), run("ip", "netns", "del", name)))
    )
    const way = yield* gateway(Number(new URL(url).port), `${subnet}.1`)
    const file = join(yield* folder, letter)
    const orders: Orders = {
      store: { url: at(url, way.port, `${subnet}.1`) },
      journal: file,
      workers: 4,
      millis: 100
    }
    const program = fileURLToPath(new URL("../chaos/worker.ts", import.meta.url))
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("ip", ["netns", "exec", name, process.execPath, program, JSON.stringify(orders)], {
          stdio: "ignore"
        })
      ),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          ended(child)
        )
    )
    return {
      journal: file,
      cut: run("ip", "link", "set", wire, "down"),
      back: run("ip", "link", "set", wire, "up")
    }
  })
