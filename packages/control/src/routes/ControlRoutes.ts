/**
 * Everything that can be asked of a process's herds, as routes for an HTTP router that you have already. For a server of its
 * own there is `Control.layer`.
 *
 * **Example** (Beside the routes of an application)
 *
 * ```ts import.meta.vitest
 * import { ControlRoutes } from "@lemmings/control"
 * import { Effect, Layer } from "effect"
 * import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
 * import { LemmingsLive } from "lemmings"
 *
 * const hello = HttpRouter.add("GET", "/hello", Effect.succeed(HttpServerResponse.text("hello")))
 * const routes = Layer.mergeAll(hello, ControlRoutes.layer({ prefix: "/lemmings", withoutToken: "local" })).pipe(
 *   Layer.provide(LemmingsLive),
 *   Layer.provide(HttpServer.layerServices)
 * )
 * const { dispose, handler } = HttpRouter.toWebHandler(routes, { disableLogger: true })
 *
 * const response = await handler(new Request("http://localhost/lemmings/health/live"))
 * const answer = await response.text()
 * await dispose()
 * answer // => '{"live":true}'
 * ```
 *
 * @since 0.3.0
 */
import { Effect, type FileSystem, Layer, type Path } from "effect"
import { type Etag, type HttpPlatform, HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as Shared from "lemmings/internal/Shared"
import type { InvalidConfig } from "lemmings/HerdError"
import { Closing } from "../handlers/Closing.ts"
import { ControlApi } from "../api/ControlApi.ts"
import * as DashboardPage from "./DashboardPage.ts"
import * as DocsPage from "./DocsPage.ts"
import { guardRoutes } from "../access/Guard.ts"
import * as Handlers from "../handlers/Handlers.ts"
import * as ProcessMetrics from "../frames/ProcessMetrics.ts"
import * as Prometheus from "./Prometheus.ts"
import { snapshots } from "../frames/Queues.ts"
import { ControlSettings, decode, type RoutesOptions } from "../model/Settings.ts"

export type {
  /**
   * @category models
   * @since 0.3.0
   */
  Names,
  /**
   * @category models
   * @since 0.3.0
   */
  RoutesOptions
} from "../model/Settings.ts"

/** What every server brings. */
type Platform = Etag.Generator | FileSystem.FileSystem | HttpPlatform.HttpPlatform | Path.Path

const metrics = HttpRouter.use((router) =>
  Effect.gen(function* () {
    // What stores have is read before, so that a scrape is not one behind: once for all scrapes of a second.
    const looked = yield* Shared.make(snapshots(yield* ControlSettings), 1000)
    const formatted = yield* Shared.make(Effect.andThen(looked, Prometheus.format), 100)
    const send = Effect.map(formatted, (text) =>
      HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
    )
    yield* router.add("GET", "/metrics", send)
  })
).pipe(Layer.provide(ProcessMetrics.layer))

const all = Layer.mergeAll(
  HttpApiBuilder.layer(ControlApi, { openapiPath: "/openapi.json" }).pipe(Layer.provide(Handlers.layer)),
  DocsPage.layer,
  metrics,
  DashboardPage.layer
)

/**
 * The routes with settings that were checked.
 *
 * @category layers
 * @since 0.3.0
 */
export const layerSettings: Layer.Layer<
  never,
  never,
  Closing | ControlSettings | HttpRouter.HttpRouter | Platform
> = guardRoutes(all)

/**
 * The API, the metrics, the documents and the dashboard, for the router that the layer is provided with. They see every herd
 * of the `HerdRegistry`.
 *
 * Fails with `InvalidConfig` where an option is out of its range, and where neither a token is set nor `withoutToken` says who
 * is answered. Open streams end with their herds, or when the scope
 * closes, which an HTTP server only lets happen after its own `gracefulShutdownTimeout`.
 *
 * @category layers
 * @since 0.3.0
 */
export const layer = (
  options: RoutesOptions = {}
): Layer.Layer<never, InvalidConfig, HttpRouter.HttpRouter | Platform> =>
  Layer.provide(layerSettings, [Layer.effect(ControlSettings, decode(options)), Closing.layer])
