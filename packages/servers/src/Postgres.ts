/**
 * A private PostgreSQL.
 */
import { Effect, Scope } from "effect"
import { dirname, join } from "node:path"
import { type Keeper, keeper, type Owner } from "./Keeper.ts"
import { command, find, folders, ownerOf, secret, serve, type Server, type ServerMissing } from "./Server.ts"

/** How PostgreSQL is to run. */
export interface PostgresOptions {
  /**
   * Whether what is committed is on the disk. `false` writes as fast as the machine can and loses data when the
   * machine fails, which is enough for tests: a crash of the server alone loses nothing. Defaults to `true`.
   */
  readonly durable?: boolean | undefined
  /** Settings by name, over those that it is delivered with. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Where to look for its programs. Defaults to where Debian and Homebrew put them. */
  readonly folders?: ReadonlyArray<string> | undefined
}

/** What `initdb` makes takes it half a second: it is made once for this process, and goes with it. */
interface Template {
  readonly data: string
  /** The password of its user. */
  readonly word: string
}

const templates = new Map<string, Promise<Template>>()

const template = (initdb: string, owner: Owner | undefined): Effect.Effect<Template> =>
  Effect.promise(() => {
    const made =
      templates.get(initdb) ??
      Effect.gen(function* () {
        const kept = yield* keeper("postgres-template", owner)
        const data = join(kept.folder, "data")
        // `--no-sync` is about the empty database only, which nobody will miss.
        // Every user of the machine reaches the port, and this user may run programs.
        const { file, word } = secret(kept, owner, (word) => word)
        const access = ["-U", "postgres", "-A", "scram-sha-256", `--pwfile=${file}`]
        const args = ["-D", data, ...access, "-E", "UTF8", "--locale=C", "--no-sync"]
        yield* command(kept, owner, initdb, args)
        return { data, word }
      }).pipe(Scope.provide(Scope.makeUnsafe()), Effect.runPromise)
    templates.set(initdb, made)
    return made
  })

/** Returns the password. */
const empty = (kept: Keeper, owner: Owner | undefined, initdb: string, data: string) =>
  Effect.flatMap(template(initdb, owner), (made) =>
    Effect.as(command(kept, owner, "cp", ["-R", made.data, data]), made.word)
  )

/**
 * Starts a PostgreSQL with an empty database until the scope closes.
 *
 * **Details**
 *
 * The version is the newest installed one, and the settings those that it is delivered with. Its user is `postgres`,
 * with a password that is made for it and is in the `url`; nothing but loopback reaches it.
 *
 * *Errors*: `ServerMissing` where it is not installed. A server that does not start is a defect that says why.
 */
export const postgres = (options: PostgresOptions = {}): Effect.Effect<Server, ServerMissing, Scope.Scope> =>
  Effect.gen(function* () {
    const initdb = yield* find("initdb", "postgresql", options.folders ?? folders.postgres)
    const owner = yield* ownerOf("postgres")
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      // Segments of shared memory that a killed server leaves go with its folder.
      dynamic_shared_memory_type: "mmap",
      ...(options.durable === false ? { fsync: "off", full_page_writes: "off" } : {}),
      ...options.settings
    }
    return yield* serve("postgres", owner, (kept) => {
      const data = join(kept.folder, "data")
      return Effect.map(empty(kept, owner, initdb, data), (word) => ({
        file: join(dirname(initdb), "postgres"),
        args: (port: number) => [
          "-D",
          data,
          "-p",
          String(port),
          ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
        ],
        url: (port: number) => `postgres://postgres:${word}@127.0.0.1:${port}/postgres`,
        owner,
        ready: /database system is ready to accept connections/,
        // "Fast": it ends its sessions and writes what it has.
        stopSignal: "SIGINT" as const
      }))
    })
  })
