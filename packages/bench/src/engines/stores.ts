// Where engines store their jobs: each contestant has a place of its own.
import { postgres, redis, type Server } from "@lemmings/servers"
import { Effect, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"

export type Store = "postgres" | "redis" | "folder" | "memory"

/** A place, and how it is left. */
interface Place {
  readonly where: string
  readonly leave: () => void
}

/** Started once in a process, and ended with it. */
const once = (start: Effect.Effect<Server, Error, Scope.Scope>): (() => Promise<Server>) => {
  let server: Promise<Server> | undefined
  return () => (server ??= Effect.runPromise(Scope.provide(start, Scope.makeUnsafe())))
}

const servers = {
  /** As it is delivered: what is committed is on the disk. */
  postgres: once(postgres()),
  quickPostgres: once(postgres({ durable: false })),
  redis: once(redis())
}

const query = async (connectionString: string, text: string): Promise<void> => {
  const client = new Client({ connectionString })
  await client.connect()
  await client.query(text)
  await client.end()
}

let places = 0

const database = async (server: Server): Promise<Place> => {
  const name = `bench${places++}`
  await query(server.url, `create database ${name}`)
  return { where: server.url.replace(/postgres$/, name), leave: () => {} }
}

/** `quick` is for a look at the benchmark: nothing waits for the disk. */
export const place = async (store: Store, quick: boolean): Promise<Place> => {
  switch (store) {
    case "postgres":
      return database(await (quick ? servers.quickPostgres() : servers.postgres()))
    case "redis": {
      const { url } = await servers.redis()
      return { where: `${url}/${places++ % 16}`, leave: () => {} }
    }
    case "folder": {
      const where = mkdtempSync(join(tmpdir(), "lemmings-bench-"))
      return { where, leave: () => rmSync(where, { recursive: true, force: true }) }
    }
    case "memory":
      return { where: "", leave: () => {} }
  }
}

/**
 * Does what PostgreSQL does by itself a minute after a table has grown. Until then its planner takes the table for empty,
 * and engines that ask it badly for jobs are slower by far: that is a race of its own.
 */
export const settle = async (store: Store, where: string): Promise<void> => {
  if (store === "postgres") await query(where, "analyze")
}
