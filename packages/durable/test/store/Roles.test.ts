// The two roles of docs/security.md, as they are printed there.
import { assert, describe, it } from "@effect/vitest"
import { missing, postgres } from "@lemmings/servers"
import { Effect, Layer, Redacted, Schema } from "effect"
import { execFile } from "node:child_process"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { folder } from "../support/processes.ts"
import { eventually } from "../support/store.ts"

const Work = Job.make("Work", {
  payload: Schema.Int,
  success: Schema.Int,
  attempts: 1,
  group: String
})

const page = fileURLToPath(new URL("../../../../docs/security.md", import.meta.url))
const section = /^## Two roles in PostgreSQL$([^]*?)^## /m.exec(readFileSync(page, "utf8"))?.[1] ?? ""
const block = (language: string) =>
  new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "m").exec(section)?.[1] ?? ""

const rolled = (server: string, role: string, password = "…") => {
  const url = new URL(server)
  url.username = role
  url.password = encodeURIComponent(password)
  url.pathname = "/jobs"
  return url.href
}

/** Says each statement, as `psql` would. Returns what was refused. */
const say = (url: string, statements: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    const refused: Array<string> = []
    await client.connect()
    for (const statement of statements)
      await client.query(statement).catch((error: unknown) => refused.push(String(error)))
    await client.end()
    return refused
  })

/** Runs a line of a shell, where `npx lemmings-durable` is the command of this package. */
const shell = (line: string, env: NodeJS.ProcessEnv) =>
  Effect.gen(function* () {
    const bin = yield* folder
    const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url))
    const npx = join(bin, "npx")
    writeFileSync(
      npx,
      `#!/bin/sh\n[ "$1" = lemmings-durable ] || exit 9\nshift\nexec "${process.execPath}" "${cli}" "$@"\n`
    )
    chmodSync(npx, 0o755)
    return yield* Effect.promise(
      () =>
        new Promise<string>((resolve) => {
          const path = `${bin}:${process.env["PATH"]}`
          execFile("sh", ["-c", line], { env: { ...process.env, ...env, PATH: path } }, (error, out, err) =>
            resolve(`${error === null ? 0 : String(error.code)} ${out}${err}`)
          )
        })
    )
  })

describe.skipIf(missing.postgres)("the two roles of docs/security.md", () => {
  it.live(
    "one installs, and the other one does all that jobs need and makes nothing",
    () =>
      Effect.gen(function* () {
        const server = yield* postgres({ durable: false })
        const statements = block("sql")
          .split(/(?<=;)\n/)
          .filter((one) => one.trim() !== "")
        assert.isAtLeast(statements.length, 6)
        assert.deepStrictEqual(yield* say(server.url, statements), [])
        const url = Redacted.make(rolled(server.url, "jobs_run"))
        const live = Work.toLayer((n) => (n < 0 ? Effect.die("negative") : Effect.succeed(n * 2)), {
          perGroup: 2,
          pollInterval: "50 millis"
        }).pipe(Layer.provideMerge(Jobs.layerPostgres({ url })))
        yield* Effect.gen(function* () {
          // Who comes before anybody has installed says why it waits.
          assert.match((yield* Jobs.readiness).reason ?? "", /permission denied/)
          const answer = yield* shell(block("sh"), { INSTALL_URL: rolled(server.url, "jobs_install") })
          assert.strictEqual(answer, "0 ")
          yield* eventually(Jobs.readiness, ({ ready }) => ready)
          assert.strictEqual(yield* Jobs.execute(Work(2)), 4)
          yield* Effect.exit(Jobs.execute(Work(-1)))
          assert.strictEqual((yield* Jobs.stats(Work)).deadLetters, 1)
          assert.lengthOf(yield* Jobs.deadLetters.list(Work, { limit: 5 }), 1)
          assert.strictEqual(yield* Jobs.deadLetters.replay(Work, "all"), 1)
          yield* eventually(Jobs.stats(Work), ({ deadLetters }) => deadLetters === 1)
          assert.strictEqual(yield* Jobs.deadLetters.purge(Work, "all"), 1)
          yield* Jobs.schedule(Work(1), "0 4 * * *")
          assert.lengthOf(yield* Jobs.schedules(Work), 1)
          yield* Jobs.unschedule(Work)
          yield* Jobs.pause(Work)
          const id = yield* Jobs.enqueue(Work(5), { key: "five" })
          assert.isTrue(yield* Jobs.setPriority(Work, id, "high"))
          assert.strictEqual((yield* Jobs.stats(Work)).paused, true)
          assert.strictEqual(yield* Jobs.cancel(Work, id), 1)
          assert.isTrue(yield* Jobs.release(Work, "five"))
          yield* Jobs.resume(Work)
          assert.isTrue((yield* Jobs.readiness).ready)
        }).pipe(Effect.provide(live))

        const makes = [
          "CREATE TABLE lemmings.x (n int)",
          "CREATE TABLE public.x (n int)",
          "CREATE TEMP TABLE x (n int)",
          "CREATE SCHEMA x",
          "CREATE OR REPLACE FUNCTION lemmings.job_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
          "ALTER TABLE lemmings.job_common ADD COLUMN x int",
          "CREATE INDEX x ON lemmings.job_common (name)",
          "DROP TABLE lemmings.lemmings_paused",
          "DROP SCHEMA lemmings CASCADE",
          "CREATE ROLE x",
          "COPY lemmings.queue TO PROGRAM 'cat'",
          "SELECT pg_read_file('postgresql.conf')"
        ]
        const refused = yield* say(Redacted.value(url), makes)
        assert.lengthOf(refused, makes.length, refused.join("\n"))
        // And nobody else comes in.
        yield* say(server.url, ["CREATE ROLE other LOGIN PASSWORD '…'"])
        const other = yield* Effect.exit(say(rolled(server.url, "other"), ["SELECT 1"]))
        assert.match(String(other), /permission denied for database/)
      }),
    60_000
  )
})
