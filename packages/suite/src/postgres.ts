/**
 * One PostgreSQL for all test files, started when the first of them asks for it. Each has a database of its own.
 *
 * A test that stops or kills its server takes one of its own, from `@lemmings/servers`.
 */
import { Effect, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { Client } from "pg"
import { ask } from "./shared.ts"

/** Says one thing on a connection of its own. */
const say = (url: string, sql: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  })

/**
 * An empty database on the PostgreSQL that all test files share, until the scope closes. What is committed survives a killed
 * client, not a failing machine.
 */
export const database: Effect.Effect<{ readonly url: string }, never, Scope.Scope> = Effect.gen(function* () {
  const server = yield* ask("postgres")
  const name = `test_${randomUUID().replaceAll("-", "")}`
  yield* Effect.acquireRelease(say(server, `CREATE DATABASE ${name}`), () =>
    // Those who still have connections, as killed processes may, lose them.
    say(server, `DROP DATABASE ${name} WITH (FORCE)`)
  )
  const url = new URL(server)
  url.pathname = name
  return { url: url.href }
})
