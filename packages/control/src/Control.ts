/**
 * A server of its own for whoever is on call: the herds of a process over HTTP.
 *
 * **Example** (Seeing the herds of a process)
 *
 * ```ts import.meta.vitest
 * import { Control } from "@lemmings/control"
 * import { Deferred, Effect, Layer } from "effect"
 * import { HttpServer } from "effect/http"
 * import { Lemmings, LemmingsLive } from "lemmings"
 *
 * const program = Effect.gen(function* () {
 *   yield* Lemmings.run(Effect.void)
 *   const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
 *   const answer = yield* Effect.promise(() => fetch(`${url}/herd`))
 *   return yield* Effect.promise(() => answer.text())
 * })
 *
 * // Any free port; leave it away for 2112.
 * const live = Layer.merge(LemmingsLive, Control.layer({ port: 0 }))
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => '{"num":1,"msg":"success"}'
 * ```
 *
 * @since 0.3.0
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Deferred, Effect, Layer } from "effect"
import { HttpMiddleware, HttpRouter, type HttpServer, type HttpServerError } from "effect/http"
import { checkInteger } from "lemmings/HerdConfig"
import { InvalidConfig } from "lemmings/HerdError"
import { isLocal } from "./access/Access.ts"
import { createServer } from "./access/Connections.ts"
import { Closing } from "./handlers/Closing.ts"
import { layerSettings, type RoutesOptions } from "./routes/ControlRoutes.ts"
import { ControlSettings, decode } from "./model/Settings.ts"

/**
 * @category models
 * @since 0.3.0
 */
export interface ControlOptions extends RoutesOptions {
  /** From 0, any free one, to 65,535. Defaults to 2112. */
  readonly port?: number | undefined
  /** The address to listen at. Defaults to `127.0.0.1`; another needs a token. */
  readonly host?: string | undefined
  /**
   * Connections that are open at a time, 1 to 1,000,000. Defaults to 256. A further one takes the place of the one that has
   * asked nothing for longest, or is answered with 503. A request has 10 seconds to arrive, its head 5.
   */
  readonly maxConnections?: number | undefined
}

const check = Effect.fnUntraced(function* (options: ControlOptions) {
  const { host = "127.0.0.1", port = 2112, withoutToken } = options
  yield* checkInteger("port", port, 0, 65_535)
  const maxConnections = yield* checkInteger("maxConnections", options.maxConnections ?? 256, 1, 1_000_000)
  const settings = yield* decode(options, true)
  const isOpen = settings.tokens.length > 0 || withoutToken === "anyone"
  if (host === "localhost" || isLocal(host) || isOpen) return { host, port, maxConnections, settings }
  const rule = "an address of this machine alone, such as 127.0.0.1, unless the token option is set"
  return yield* Effect.fail(new InvalidConfig({ field: "host", value: host, rule }))
})

/**
 * Serves the control API, metrics, documents and dashboard of every herd in the process until the scope closes.
 *
 * Fails with `InvalidConfig` where an option is out of its range or an address other than this machine's has no token, and
 * with `ServeError` where the port is taken. Without a token only processes of this machine are answered, and no proxies. Closing ends open streams at once and other answers within 2 seconds.
 *
 * @category layers
 * @since 0.3.0
 */
export const layer = (
  options: ControlOptions = {}
): Layer.Layer<HttpServer.HttpServer, InvalidConfig | HttpServerError.ServeError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { host, maxConnections, port, settings } = yield* check(options)
      const server = HttpRouter.serve(layerSettings, {
        disableLogger: true,
        // Ids may be long.
        routerConfig: { maxParamLength: 4096 }
      }).pipe(
        Layer.provide(Layer.succeed(ControlSettings, settings)),
        // Scrapes and frames would fill the traces of the application.
        Layer.provide(Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)),
        Layer.provideMerge(
          NodeHttpServer.layer(() => createServer(maxConnections), {
            port,
            host,
            gracefulShutdownTimeout: "2 seconds"
          })
        )
      )
      const closing = yield* Deferred.make<void>()
      // Last of all, so that it ends first: the server waits for the streams.
      const end = Layer.effectDiscard(Effect.addFinalizer(() => Deferred.succeed(closing, undefined)))
      return Layer.provideMerge(end, Layer.provide(server, Layer.succeed(Closing, closing)))
    })
  )
