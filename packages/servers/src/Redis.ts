/**
 * A private Redis.
 */
import { Effect, type Scope } from "effect"
import { find, folders, ownerOf, secret, serve, type Server, type ServerMissing } from "./Server.ts"

/** How Redis is to run. */
export interface RedisOptions {
  /**
   * When what is written is on the disk: once a second (`"everysec"`, its own default where it writes at all), before each
   * answer (`"always"`), or at no time that it would wait for (`"no"`). Defaults to `"everysec"`.
   */
  readonly appendfsync?: "always" | "everysec" | "no" | undefined
  /** Where to look for its program. Defaults to where Debian and Homebrew put it. */
  readonly folders?: ReadonlyArray<string> | undefined
}

/**
 * Starts an empty Redis until the scope closes.
 *
 * **Details**
 *
 * It appends what is written to a file, so its data outlive a restart. Nothing but loopback reaches it, and
 * it has a password that is made for it and is in the `url`.
 *
 * *Errors*: `ServerMissing` where it is not installed. A server that does not start is a defect that says why.
 */
export const redis = (options: RedisOptions = {}): Effect.Effect<Server, ServerMissing, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* find("redis-server", "redis-server", options.folders ?? folders.redis)
    const owner = yield* ownerOf("redis")
    return yield* serve("redis", owner, (kept) => {
      // In a file: what is an argument, every user of the machine can read.
      const settings = secret(kept, owner, (word) => `requirepass ${word}\n`)
      return Effect.succeed({
        file,
        args: (port: number) => [
          settings.file,
          ...Object.entries({
            port: String(port),
            bind: "127.0.0.1",
            dir: kept.folder,
            save: "",
            appendonly: "yes",
            appendfsync: options.appendfsync ?? "everysec"
          }).flatMap(([name, value]) => [`--${name}`, value])
        ],
        url: (port: number) => `redis://:${settings.word}@127.0.0.1:${port}`,
        owner,
        ready: /Ready to accept connections/,
        stopSignal: "SIGTERM" as const
      })
    })
  })
