import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Scope } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, readlinkSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Client } from "pg"
import { createClient } from "redis"
import { missing, postgres, redis, type Server, type ServerMissing } from "../src/index.ts"

/** Asks one question on a connection of its own. */
const sql = (server: Server, text: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: server.url })
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(text)).rows
    } finally {
      await client.end()
    }
  })

const commands = (server: Server, ...args: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const client = await createClient({ url: server.url }).connect()
    const answer = await client.sendCommand([...args])
    client.destroy()
    return answer
  })

interface Kind {
  readonly start: Effect.Effect<Server, ServerMissing, Scope.Scope>
  readonly write: (server: Server) => Effect.Effect<unknown>
  /** What `write` wrote. */
  readonly read: (server: Server) => Effect.Effect<unknown>
}

const kinds = {
  postgres: {
    start: postgres({ durable: false }),
    write: (server) => sql(server, "create table kept as select 7 as n"),
    read: (server) => Effect.map(sql(server, "select n from kept"), (rows) => rows[0]?.["n"])
  },
  redis: {
    start: redis({ appendfsync: "always" }),
    write: (server) => commands(server, "SET", "n", "7"),
    read: (server) => Effect.map(commands(server, "GET", "n"), Number)
  }
} satisfies Record<string, Kind>

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const until = (condition: () => boolean) =>
  Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => Effect.sync(condition) }))

const folderOf = (pid: number): string => readlinkSync(`/proc/${pid}/cwd`).replace(/\/data$/, "")

/** The segments of shared memory that there are, by number. */
const segments = () =>
  [...readFileSync("/proc/sysvipc/shm", "utf8").matchAll(/^\s*\d+\s+(\d+)/gm)].map(([, id]) => Number(id))

// Real servers, so real time.
for (const [name, kind] of Object.entries<Kind>(kinds)) {
  describe.skipIf(missing[name as keyof typeof missing])(name, () => {
    it.live("keeps its data and its port over a restart", () =>
      Effect.gen(function* () {
        const server = yield* kind.start
        yield* kind.write(server)
        const before = yield* server.pid

        yield* server.restart

        assert.notStrictEqual(yield* server.pid, before)
        assert.isFalse(alive(before))
        assert.strictEqual(yield* kind.read(server), 7)
      })
    )

    it.live("is gone after a crash, and comes back with its data", () =>
      Effect.gen(function* () {
        const server = yield* kind.start
        yield* kind.write(server)
        const before = yield* server.pid

        yield* server.crash

        assert.isFalse(alive(before))
        assert.strictEqual(yield* server.pid, 0)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(kind.read(server))))
        yield* server.restart
        assert.strictEqual(yield* kind.read(server), 7)
      })
    )

    it.live("two run side by side and know nothing of each other", () =>
      Effect.gen(function* () {
        const [one, two] = yield* Effect.all([kind.start, kind.start], { concurrency: 2 })
        yield* kind.write(one)

        assert.notStrictEqual(one.url, two.url)
        const other = yield* Effect.exit(kind.read(two))
        assert.notDeepEqual(other, Exit.succeed(7))
      })
    )

    it.live("leaves no process and no folder when its scope closes, restarted or not", () =>
      Effect.gen(function* () {
        for (const restarted of [false, true]) {
          const { folder, pid } = yield* Effect.scoped(
            Effect.gen(function* () {
              const server = yield* kind.start
              if (restarted) yield* server.restart
              const pid = yield* server.pid
              return { pid, folder: folderOf(pid) }
            })
          )

          assert.isFalse(alive(pid))
          assert.isFalse(existsSync(folder))
        }
      })
    )

    it.live("leaves nothing when it had crashed before its scope closes", () =>
      Effect.gen(function* () {
        const folder = yield* Effect.scoped(
          Effect.gen(function* () {
            const server = yield* kind.start
            const folder = folderOf(yield* server.pid)
            yield* server.crash
            return folder
          })
        )

        assert.isFalse(existsSync(folder))
      })
    )

    it.live("leaves nothing when the process that started it is killed", () =>
      Effect.gen(function* () {
        const file = fileURLToPath(import.meta.resolve("./support/left.ts"))
        const child = spawn(process.execPath, [file, name], { stdio: ["ignore", "pipe", "inherit"] })
        const text = yield* Effect.callback<string>((resume) => {
          child.stdout.once("data", (data) => resume(Effect.succeed(String(data))))
        })
        const { folder, pid }: { readonly folder: string; readonly pid: number } = JSON.parse(text)
        assert.isTrue(alive(pid) && existsSync(folder))

        child.kill("SIGKILL")

        yield* until(() => !alive(pid) && !existsSync(folder))
      })
    )

    it.live("is missing where it is not installed, and says what to install", () =>
      Effect.gen(function* () {
        const start =
          name === "redis" ? redis({ folders: ["/nowhere"] }) : postgres({ folders: ["/nowhere"] })
        const error = yield* Effect.flip(Effect.scoped(start))

        assert.strictEqual(error._tag, "ServerMissing")
        assert.match(
          error.message,
          /^(initdb|redis-server) is not in \/nowhere: apt-get install (postgresql|redis-server)$/
        )
      })
    )
  })
}

describe.skipIf(missing.postgres)("postgres", () => {
  it.live("commits to the disk, unless a test says that it need not", () =>
    Effect.gen(function* () {
      const settings = "select string_agg(setting, ' ' order by name) as s from pg_settings"
      const shown = `${settings} where name in ('fsync', 'full_page_writes', 'synchronous_commit')`
      const durable = yield* Effect.scoped(Effect.flatMap(postgres(), (server) => sql(server, shown)))
      const fast = yield* sql(yield* postgres({ durable: false }), shown)

      assert.deepStrictEqual([durable[0]?.["s"], fast[0]?.["s"]], ["on on on", "off off on"])
    })
  )

  it.live("takes settings, and a wrong one is a defect that says what is wrong", () =>
    Effect.gen(function* () {
      const server = yield* postgres({ durable: false, settings: { work_mem: "8MB" } })
      const wrong = yield* Effect.exit(postgres({ durable: false, settings: { work_mem: "much" } }))

      assert.strictEqual((yield* sql(server, "show work_mem"))[0]?.["work_mem"], "8MB")
      assert.match(String(wrong), /invalid value for parameter "work_mem"/)
    })
  )

  it.live("a crashed one leaves no shared memory", () =>
    Effect.gen(function* () {
      const segment = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* postgres({ durable: false })
          const file = `${folderOf(yield* server.pid)}/data/postmaster.pid`
          const segment = Number(readFileSync(file, "utf8").split("\n")[6]?.trim().split(/\s+/)[1])
          assert.include(segments(), segment)
          yield* server.crash
          return segment
        })
      )

      assert.notInclude(segments(), segment)
    })
  )
})
