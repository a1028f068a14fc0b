/**
 * The control API as typed calls.
 *
 * @since 0.3.0
 */
import { Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { ControlApi } from "./api/ControlApi.ts"

/**
 * Where the API is, and the token that it asks for.
 *
 * @category models
 * @since 0.3.0
 */
export interface ClientOptions {
  /** With its prefix: `http://127.0.0.1:2112`. */
  readonly url: string
  readonly token?: string | Redacted.Redacted | undefined
}

/**
 * Makes a client. It needs an `HttpClient`, such as `FetchHttpClient.layer`.
 *
 * **Example** (Resizing a herd of another process)
 *
 * ```ts import.meta.vitest
 * import { Control, ControlClient } from "@lemmings/control"
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient, HttpServer } from "effect/http"
 * import { LemmingsLive } from "lemmings"
 *
 * const program = Effect.gen(function* () {
 *   const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
 *   const client = yield* ControlClient.make({ url })
 *   const herd = yield* client.herds.change({
 *     params: { id: "lemmings/Lemmings" },
 *     payload: { target: 3 }
 *   })
 *   return herd.workers.target
 * })
 *
 * const live = Layer.mergeAll(LemmingsLive, Control.layer({ port: 0 }), FetchHttpClient.layer)
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => 3
 * ```
 *
 * @category constructors
 * @since 0.3.0
 */
export const make = ({ token, url }: ClientOptions) =>
  HttpApiClient.make(ControlApi, {
    baseUrl: url,
    transformClient: (client) =>
      token === undefined
        ? client
        : HttpClient.mapRequest(client, (request) =>
            HttpClientRequest.bearerToken(request, Redacted.isRedacted(token) ? Redacted.value(token) : token)
          )
  })
