import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Cause, Effect, Exit, Layer, Logger, Redacted, References, Schema } from "effect"
import { QueueRegistry } from "lemmings"
import { randomUUID } from "node:crypto"
import { inspect } from "node:util"
import { Client } from "pg"
import * as Admin from "../../src/Admin.ts"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"

const password = "S3cretPw"
const card = "4111-1111-1111-1111"
const secret = /S3cret|4111/

const Pay = Job.make("Pay", { payload: { card: Schema.String }, success: Schema.String, attempts: 1 })

/** All that anybody can be shown of a value. */
const everything = (value: unknown): string =>
  [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    JSON.stringify(value) ?? "",
    Cause.isCause(value) ? Cause.pretty(value) : "",
    Exit.isExit(value) && Exit.isFailure(value) ? Cause.pretty(value.cause) : ""
  ].join("\n")

/** What is said, in all ways, while an effect runs. */
const said = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.make((entry) => void lines.push(everything([entry.message, entry.cause])))
    const exit = yield* effect.pipe(
      Effect.exit,
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
    return { exit, text: [everything(exit), ...lines].join("\n") }
  })

/** What a caller sees of a store: the end of a call, its readiness, its queue. */
const looks = (url: string | Redacted.Redacted) =>
  Effect.gen(function* () {
    const enqueued = yield* Effect.exit(Effect.timeout(Jobs.enqueue(Pay({ card })), "4 seconds"))
    const { queues } = yield* QueueRegistry.QueueRegistry
    const seen = yield* Effect.forEach([...queues().values()], (queue) =>
      Effect.all([Effect.exit(Effect.timeout(queue.stats, "2 seconds")), queue.readiness])
    )
    return [enqueued, yield* Jobs.readiness, seen]
  }).pipe(
    Effect.provide(Layer.fresh(Jobs.layerPostgres({ url }))),
    Effect.provideService(QueueRegistry.QueueRegistry, QueueRegistry.make())
  )

const wrong: { readonly [fault: string]: string } = {
  "not a port": `postgres://bob:${password}@127.0.0.1:port/x`,
  "an unescaped #": `postgres://bob:${password.slice(0, 6)}#Pw@127.0.0.1:1/x`,
  "a broken percent sign": `postgres://bob:${password}%zz@127.0.0.1:1/x`,
  "no scheme": `bob:${password}@127.0.0.1/x`,
  "another scheme": `mysql://bob:${password}@127.0.0.1/x`,
  spaces: `postgres://bob:${password} @127.0.0.1 :1/x`,
  nothing: ""
}

describe("what may not be seen", () => {
  it.live("an address that is none is refused, and not repeated", () =>
    Effect.gen(function* () {
      for (const [fault, url] of Object.entries(wrong)) {
        for (const given of [url, Redacted.make(url)]) {
          const { exit, text } = yield* said(looks(given))
          assert.isTrue(Exit.isFailure(exit) && /InvalidConfig/.test(everything(exit)), fault)
          assert.notMatch(text, secret, fault)
        }
        const migrated = yield* said(Admin.migrate({ url }))
        assert.match(everything(migrated.exit), /InvalidConfig/)
        assert.notMatch(migrated.text, secret, fault)
      }
    })
  )

  it.live("a schema that would have to be quoted is refused, as is no number of connections", () =>
    Effect.gen(function* () {
      const url = "postgres://127.0.0.1:1/x"
      const schemas = [
        "x; DROP TABLE y",
        "x'; --",
        "pg_catalog",
        "a.b",
        '"q"',
        "x%I",
        "",
        "my-schema",
        "X",
        "1x"
      ]
      for (const schema of schemas) {
        const exit = yield* Effect.exit(Layer.build(Jobs.layerPostgres({ url, schema })))
        assert.match(everything(exit), /InvalidConfig[^]*schema must be/, schema)
      }
      for (const connections of [0, -1, NaN, 1.5, Infinity]) {
        const exit = yield* Effect.exit(Layer.build(Jobs.layerPostgres({ url, connections })))
        assert.match(everything(exit), /InvalidConfig[^]*connections must be/, String(connections))
      }
    })
  )

  it.live("of a server that cannot be reached", () =>
    Effect.gen(function* () {
      for (const [fault, url] of [
        ["nobody listens", `postgres://bob:${password}@127.0.0.1:1/x`],
        [
          "no such certificate",
          `postgres://bob:${password}@127.0.0.1:1/x?sslrootcert=/no/${password}.pem&sslmode=require`
        ]
      ] as const) {
        const { exit, text } = yield* said(looks(Redacted.make(url)))
        assert.isTrue(Exit.isSuccess(exit), fault)
        assert.notMatch(text, secret, fault)
      }
    })
  )
})

describe.skipIf(missing.postgres)("what may not be seen, with a server", () => {
  it.live("neither passwords nor payloads are in an error, a log line or a readiness, whatever fails", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const role = `bob_${randomUUID().slice(0, 8)}`
      const admin = new Client({ connectionString: url })
      const say = (sql: string) => Effect.promise(() => admin.query(sql))
      yield* Effect.acquireRelease(
        Effect.promise(() => admin.connect()),
        () => Effect.promise(() => admin.end())
      )
      yield* Effect.acquireRelease(say(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`), () =>
        say(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      )
      const at = new URL(url)
      at.username = role
      at.password = password
      const mine = at.href
      const faults: ReadonlyArray<readonly [string, Effect.Effect<unknown>, string]> = [
        ["nothing is installed, and nothing may be", Effect.void, mine],
        ["no such database", Effect.void, mine.replace(/\/[^/]*$/, "/no_such_database")],
        ["it works", Admin.migrate({ url, grant: role }).pipe(Effect.orDie), mine],
        [
          "the database quotes the row",
          say(`CREATE FUNCTION quote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              RAISE EXCEPTION 'no' USING DETAIL = NEW.data::text, HINT = NEW.data::text; END $$;
            CREATE TRIGGER quote BEFORE INSERT ON lemmings.job_common FOR EACH ROW EXECUTE FUNCTION quote()`),
          mine
        ],
        [
          "the database quotes the statement",
          say(`CREATE OR REPLACE FUNCTION quote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              EXECUTE 'SELECT ' || quote_literal(NEW.data::text) || '::int'; RETURN NEW; END $$`).pipe(
            Effect.andThen(say("DROP TRIGGER quote ON lemmings.job_common")),
            Effect.andThen(
              say("ALTER TABLE lemmings.job_common ADD CONSTRAINT no CHECK (data IS NULL) NOT VALID")
            )
          ),
          mine
        ],
        [
          "the role may nothing any more",
          say(`REVOKE ALL ON ALL TABLES IN SCHEMA lemmings FROM ${role}`),
          mine
        ],
        ["it may not log in", say(`ALTER ROLE ${role} NOLOGIN`), mine]
      ]
      for (const [fault, inject, address] of faults) {
        yield* inject
        const { exit, text } = yield* said(looks(Redacted.make(address)))
        assert.isTrue(Exit.isSuccess(exit), fault)
        assert.notMatch(text, secret, fault)
      }
    })
  )
})
