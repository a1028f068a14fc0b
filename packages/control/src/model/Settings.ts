/**
 * What the control API may be told, checked.
 *
 * @since 0.3.0
 */
import { Context, Effect, Redacted } from "effect"
import { checkInteger } from "lemmings/HerdConfig"
import { InvalidConfig } from "lemmings/HerdError"

/**
 * The names of a task that may be shown.
 *
 * @category models
 * @since 0.3.0
 */
export interface Names {
  readonly label?: string
  readonly key?: string
}

/** A secret that callers show: at least 16 characters of ASCII without spaces. */
export type Token = string | Redacted.Redacted

/** A token as it is compared, and whether it lets its bearer change something. */
export interface KnownToken {
  readonly bytes: Uint8Array
  readonly changes: boolean
}

/**
 * Options of the routes, wherever they are served.
 *
 * @category models
 * @since 0.3.0
 */
export interface RoutesOptions {
  /** Before every path, such as `/lemmings`. Defaults to none. */
  readonly prefix?: `/${string}` | undefined
  /**
   * What a caller must show: `Authorization: Bearer <token>`, or as the password of HTTP basic authentication, which
   * browsers ask for. Every route asks for it but liveness. At least 16 characters. Of several each is right, so that a
   * token can be replaced without a pause.
   */
  readonly token?: Token | ReadonlyArray<Token> | undefined
  /** Like `token`, for callers that may see everything and change nothing. */
  readonly readToken?: Token | ReadonlyArray<Token> | undefined
  /**
   * Who is answered while neither `token` nor `readToken` is set. `"local"`: processes of this machine, directly and not by
   * way of a proxy. `"anyone"`: everybody who can reach the routes, because something else asks who they are. `Control`
   * defaults to `"local"`; `ControlRoutes` has no default.
   */
  readonly withoutToken?: "local" | "anyone" | undefined
  /**
   * Wrong tokens that one address may show in a minute, 1 to 1,000,000. Defaults to 30. Further requests with a token are
   * answered with 429 and `Retry-After`. Behind a proxy, all callers have the proxy's address.
   */
  readonly guessesPerMinute?: number | undefined
  /** Routes that need no token. Defaults to none. */
  readonly open?: ReadonlyArray<"metrics" | "docs"> | undefined
  /** Names in the `Host` header that are answered. Defaults to those of this machine, and to any where a token is asked for. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /**
   * Origins of pages that may use the API beside the API's own, such as `https://ops.example`: where a proxy puts another
   * name into `Host`. Defaults to none.
   */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /** The name of the service and its version, for the head of the dashboard. Default to none. */
  readonly service?: string | undefined
  readonly version?: string | undefined
  /** Herds can be seen and not changed. Defaults to `false`. */
  readonly readOnly?: boolean | undefined
  /** The id of the herd that `/herd` means. Defaults to the only one. */
  readonly herd?: string | undefined
  /**
   * Shows the errors of tasks and of `onCreate`, with their stacks, and where leaking tasks were submitted. They may hold
   * what nobody else should see. Defaults to `false`. What tasks work on and return is never shown.
   */
  readonly exposeErrors?: boolean | undefined
  /** Shows the payloads of stored jobs and of dead letters. They may hold what nobody else should see. Defaults to `false`. */
  readonly exposePayloads?: boolean | undefined
  /** What to show of the label and the key of a task. Defaults to both as they are. Ids are shown as they are. */
  readonly redact?: ((names: Names) => Names) | undefined
  /** Longest body of a request, in bytes, 1 to 1,048,576. Defaults to 16,384. */
  readonly maxBodyBytes?: number | undefined
  /**
   * Largest `workers.max` that can be asked for, 1 to 1,000,000. Defaults to 1,000. A herd whose `workers.max` is larger
   * already can be given that much.
   */
  readonly maxWorkers?: number | undefined
  /**
   * Streams of events and frames that are open at a time, 1 to 100,000. Defaults to 64. Further ones are answered with 503
   * and `Retry-After`.
   */
  readonly maxReaders?: number | undefined
  /** Events of each herd that a reader may be behind, or away for, 16 to 65,536. Defaults to 1,024. */
  readonly eventBuffer?: number | undefined
}

/** The options as the routes use them. */
export interface Settings {
  readonly prefix: string
  /** Whether nothing else is on the same router. */
  readonly alone: boolean
  /** None: `withoutToken` says who is answered. */
  readonly tokens: ReadonlyArray<KnownToken>
  readonly withoutToken: "local" | "anyone"
  readonly guessesPerMinute: number
  readonly open: ReadonlySet<"metrics" | "docs">
  /** In lower case, without port. `undefined`: this machine's names, or with a token or `"anyone"` every name. */
  readonly allowedHosts: ReadonlySet<string> | undefined
  /** As browsers write them. */
  readonly allowedOrigins: ReadonlySet<string>
  readonly service: string | undefined
  readonly version: string | undefined
  readonly readOnly: boolean
  readonly herd: string | undefined
  readonly exposeErrors: boolean
  readonly exposePayloads: boolean
  readonly redact: (names: Names) => Names
  readonly maxBodyBytes: number
  readonly maxWorkers: number
  readonly maxReaders: number
  readonly eventBuffer: number
}

/** The settings of the routes that are being made. */
export class ControlSettings extends Context.Service<ControlSettings, Settings>()(
  "lemmings/control/ControlSettings"
) {}

const utf8 = new TextEncoder()

/** Characters that a header can carry, and enough of them that nobody guesses. */
const tokensOf = (field: "token" | "readToken", given: Token | ReadonlyArray<Token> | undefined) => {
  const all = given === undefined ? [] : Array.isArray(given) ? given : [given as Token]
  const texts = all.map((token) => (Redacted.isRedacted(token) ? Redacted.value(token) : token))
  if (texts.every((text) => typeof text === "string" && /^[!-~]{16,}$/.test(text)))
    return Effect.succeed(texts.map((text) => ({ bytes: utf8.encode(text), changes: field === "token" })))
  const rule = "at least 16 characters of ASCII without spaces"
  return Effect.fail(new InvalidConfig({ field, value: "<redacted>", rule }))
}

const originsOf = (given: ReadonlyArray<string>) => {
  const wrong = given.find(
    (origin) => !URL.canParse(origin) || new URL(origin).origin !== origin.toLowerCase()
  )
  if (wrong === undefined) return Effect.succeed(new Set(given.map((origin) => origin.toLowerCase())))
  const rule = `origins such as "https://ops.example", without a path and without a slash at the end`
  return Effect.fail(new InvalidConfig({ field: "allowedOrigins", value: wrong, rule }))
}

/** Nobody is answered by mistake: who mounts the routes says who may call. */
const withoutTokenOf = (options: RoutesOptions, alone: boolean, tokens: ReadonlyArray<KnownToken>) => {
  const { withoutToken = alone ? "local" : undefined } = options
  if (withoutToken === "local" || withoutToken === "anyone") return Effect.succeed(withoutToken)
  if (withoutToken === undefined && tokens.length > 0) return Effect.succeed("local" as const)
  const rule = `"local" or "anyone", unless the token option is set: in the routes of an application nobody is answered by default`
  return Effect.fail(new InvalidConfig({ field: "withoutToken", value: withoutToken, rule }))
}

/** Checks the options. `alone`: of a server of their own. */
export const decode = Effect.fnUntraced(function* (
  options: RoutesOptions,
  alone: boolean = false
): Effect.fn.Return<Settings, InvalidConfig> {
  const prefix = options.prefix ?? ""
  if (prefix !== "" && !/^(\/[\w.~-]+)+$/.test(prefix)) {
    const rule = `a path such as "/lemmings", without a slash at its end`
    return yield* Effect.fail(new InvalidConfig({ field: "prefix", value: prefix, rule }))
  }
  const tokens = [
    ...(yield* tokensOf("token", options.token)),
    ...(yield* tokensOf("readToken", options.readToken))
  ]
  const withoutToken = yield* withoutTokenOf(options, alone, tokens)
  return {
    prefix,
    alone,
    tokens,
    withoutToken,
    guessesPerMinute: yield* checkInteger("guessesPerMinute", options.guessesPerMinute ?? 30, 1, 1_000_000),
    open: new Set(options.open),
    allowedHosts: options.allowedHosts && new Set(options.allowedHosts.map((host) => host.toLowerCase())),
    allowedOrigins: yield* originsOf(options.allowedOrigins ?? []),
    service: options.service,
    version: options.version,
    readOnly: options.readOnly ?? false,
    herd: options.herd,
    exposeErrors: options.exposeErrors ?? false,
    exposePayloads: options.exposePayloads ?? false,
    redact: options.redact ?? ((names) => names),
    maxBodyBytes: yield* checkInteger("maxBodyBytes", options.maxBodyBytes ?? 16_384, 1, 1_048_576),
    maxWorkers: yield* checkInteger("maxWorkers", options.maxWorkers ?? 1000, 1, 1_000_000),
    maxReaders: yield* checkInteger("maxReaders", options.maxReaders ?? 64, 1, 100_000),
    eventBuffer: yield* checkInteger("eventBuffer", options.eventBuffer ?? 1024, 16, 65_536)
  }
})
