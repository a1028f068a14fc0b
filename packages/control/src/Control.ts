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
import { createServer } from "node:http"
import { isLocal } from "./access/Access.ts"
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
}

const check = Effect.fnUntraced(function* ({ host = "127.0.0.1", port = 2112, token }: ControlOptions) {
  yield* checkInteger("port", port, 0, 65_535)
  if (host === "localhost" || isLocal(host) || token !== undefined) return { host, port }
  const rule = "an address of this machine alone, such as 127.0.0.1, unless the token option is set"
  return yield* Effect.fail(new InvalidConfig({ field: "host", value: host, rule }))
})

/**
 * Serves the control API, metrics, documents and dashboard of every herd in the process until the scope closes.
 *
 * Fails with `InvalidConfig` where an option is out of its range or an address other than this machine's has no token, and
 * with `ServeError` where the port is taken. Closing ends open streams at once and other answers within 2 seconds.
 *
 * @category layers
 * @since 0.3.0
 */
export const layer = (
  options: ControlOptions = {}
): Layer.Layer<HttpServer.HttpServer, InvalidConfig | HttpServerError.ServeError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { host, port } = yield* check(options)
      const settings = yield* decode(options, true)
      const server = HttpRouter.serve(layerSettings, { disableLogger: true }).pipe(
        Layer.provide(Layer.succeed(ControlSettings, settings)),
        // Scrapes and frames would fill the traces of the application.
        Layer.provide(Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)),
        Layer.provideMerge(
          NodeHttpServer.layer(createServer, { port, host, gracefulShutdownTimeout: "2 seconds" })
        )
      )
      const closing = yield* Deferred.make<void>()
      // Last of all, so that it ends first: the server waits for the streams.
      const end = Layer.effectDiscard(Effect.addFinalizer(() => Deferred.succeed(closing, undefined)))
      return Layer.provideMerge(end, Layer.provide(server, Layer.succeed(Closing, closing)))
    })
  )
