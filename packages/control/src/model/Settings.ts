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
   * browsers ask for. Without a token, only callers on this machine are answered. Every route asks for it but liveness.
   */
  readonly token?: string | Redacted.Redacted | undefined
  /** Routes that need no token. Defaults to none. */
  readonly open?: ReadonlyArray<"metrics" | "docs"> | undefined
  /** Names in the `Host` header that are answered. Defaults to those of this machine, and to any where a token is asked for. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
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
  /** Events of each herd that a reader may be behind, or away for, 16 to 65,536. Defaults to 1,024. */
  readonly eventBuffer?: number | undefined
}

/**
 * The options as the routes use them.
 *
 * @category models
 * @since 0.3.0
 */
export interface Settings {
  readonly prefix: string
  /** Whether nothing else is on the same router. */
  readonly alone: boolean
  readonly token: string | undefined
  readonly open: ReadonlySet<"metrics" | "docs">
  /** In lower case, without port. `undefined`: every name. */
  readonly allowedHosts: ReadonlySet<string> | undefined
  readonly readOnly: boolean
  readonly herd: string | undefined
  readonly exposeErrors: boolean
  readonly exposePayloads: boolean
  readonly redact: (names: Names) => Names
  readonly maxBodyBytes: number
  readonly eventBuffer: number
}

/**
 * The settings of the routes that are being made.
 *
 * @category services
 * @since 0.3.0
 */
export class ControlSettings extends Context.Service<ControlSettings, Settings>()(
  "lemmings/control/ControlSettings"
) {}

const loopback = ["localhost", "127.0.0.1", "[::1]"]

/** Characters that a header can carry, and none at all is no secret. */
const tokenOf = (given: string | Redacted.Redacted | undefined) => {
  if (given === undefined) return Effect.succeed(undefined)
  const token = Redacted.isRedacted(given) ? Redacted.value(given) : given
  if (/^[!-~]{8,}$/.test(token)) return Effect.succeed(token)
  const rule =
    "at least 8 characters of ASCII without spaces; leave it away for access from this machine only"
  return Effect.fail(new InvalidConfig({ field: "token", value: "<redacted>", rule }))
}

/**
 * Checks the options.
 *
 * @category constructors
 * @since 0.3.0
 */
export const decode = Effect.fnUntraced(function* (
  options: RoutesOptions,
  alone: boolean = false
): Effect.fn.Return<Settings, InvalidConfig> {
  const prefix = options.prefix ?? ""
  if (prefix !== "" && !/^(\/[\w.~-]+)+$/.test(prefix)) {
    const rule = `a path such as "/lemmings", without a slash at its end`
    return yield* Effect.fail(new InvalidConfig({ field: "prefix", value: prefix, rule }))
  }
  const token = yield* tokenOf(options.token)
  const hosts = options.allowedHosts ?? (token === undefined ? loopback : undefined)
  return {
    prefix,
    alone,
    token,
    open: new Set(options.open),
    allowedHosts: hosts && new Set(hosts.map((host) => host.toLowerCase())),
    readOnly: options.readOnly ?? false,
    herd: options.herd,
    exposeErrors: options.exposeErrors ?? false,
    exposePayloads: options.exposePayloads ?? false,
    redact: options.redact ?? ((names) => names),
    maxBodyBytes: yield* checkInteger("maxBodyBytes", options.maxBodyBytes ?? 16_384, 1, 1_048_576),
    eventBuffer: yield* checkInteger("eventBuffer", options.eventBuffer ?? 1024, 16, 65_536)
  }
})
