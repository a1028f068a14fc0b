/**
 * The routes' doorkeeper: every route of a router checked, every mistake answered in JSON, and other methods and paths too.
 *
 * @since 0.3.0
 */
import { ByteSize, Effect, Layer, Option, Schema } from "effect"
import {
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { type Guard, refusal, type Refusal, tooLarge } from "./Access.ts"
import * as ControlError from "../model/ControlError.ts"
import { ControlSettings, type Settings } from "../model/Settings.ts"

type Answer = Refusal | ControlError.NotFound | ControlError.MethodNotAllowed

/** For every answer: none is kept, guessed at, or framed. */
const safe = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer"
}

const statuses: { readonly [Tag in Answer["_tag"]]: number } = {
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  BodyTooLarge: 413,
  NotJson: 415
}

const encode = Schema.encodeSync(
  Schema.Union([
    ControlError.Unauthorized,
    ControlError.Forbidden,
    ControlError.NotFound,
    ControlError.MethodNotAllowed,
    ControlError.BodyTooLarge,
    ControlError.NotJson
  ])
)

const answer = (error: Answer): HttpServerResponse.HttpServerResponse => {
  const headers: Record<string, string> = { ...safe }
  if (error._tag === "Unauthorized") headers["www-authenticate"] = `Bearer, Basic realm="lemmings"`
  if (error._tag === "MethodNotAllowed") headers["allow"] = error.allow.join(", ")
  if (error._tag === "BodyTooLarge") headers["connection"] = "close"
  return HttpServerResponse.jsonUnsafe(encode(error), { status: statuses[error._tag], headers })
}

type Handler = Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, unknown>

/** A handler behind the checks that its path asks for. */
const guarded = (settings: Settings, path: string, handler: Handler, changes: boolean): Handler =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const refused = refusal(settings, guardOf(settings, path), {
      method: changes ? request.method : "GET",
      headers: request.headers,
      remoteAddress: Option.getOrUndefined(request.remoteAddress)
    })
    if (refused !== undefined) return answer(refused)
    const asJson = request.modify({ headers: { ...request.headers, "content-type": "application/json" } })
    const response = yield* handler.pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, asJson),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(settings.maxBodyBytes)),
      // Known only while it is read, where no length was announced.
      Effect.catchDefect((defect) =>
        HttpServerError.isHttpServerError(defect) &&
        defect.reason._tag === "RequestParseError" &&
        defect.reason.reason === "BodyTooLarge"
          ? Effect.succeed(answer(tooLarge(settings)))
          : Effect.die(defect)
      )
    )
    return HttpServerResponse.setHeaders(response, { ...safe, ...response.headers })
  })

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] as const

const guardOf = ({ open }: Settings, path: string): Guard => {
  if (path === "/health/live") return "live"
  if (path === "/metrics") return open.has("metrics") ? "open" : "guarded"
  if (path === "/docs" || path === "/openapi.json") return open.has("docs") ? "open" : "guarded"
  return "guarded"
}

type Method = Parameters<HttpRouter.HttpRouter["add"]>[0]

/**
 * Puts routes behind the doorkeeper: under the prefix, with other methods answered by 405, and under a prefix also every
 * other path by 404.
 *
 * @category layers
 * @since 0.3.0
 */
export const guardRoutes = <E, R>(
  routes: Layer.Layer<never, E, R>
): Layer.Layer<never, E, Exclude<R, HttpRouter.HttpRouter> | HttpRouter.HttpRouter | ControlSettings> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const settings = yield* ControlSettings
      const router = yield* HttpRouter.HttpRouter
      const inner = settings.prefix === "" ? router : router.prefixed(settings.prefix)
      const taken = new Map<string, Set<Method>>()

      const add = (method: Method, path: HttpRouter.PathInput, handler: Handler, changes = true) => {
        const behind = guarded(settings, path, handler, changes)
        return inner.add(method, path, behind as Effect.Effect<HttpServerResponse.HttpServerResponse>)
      }
      const watched = HttpRouter.HttpRouter.of({
        ...inner,
        addAll: (all: ReadonlyArray<HttpRouter.Route<unknown, unknown>>) =>
          Effect.forEach(
            all,
            (route) => {
              const known = taken.get(route.path) ?? new Set()
              const method = route.method as Method
              taken.set(route.path, known.add(method))
              return add(method, route.path, route.handler)
            },
            { discard: true }
          ),
        add: (
          method: Method,
          path: HttpRouter.PathInput,
          handler: Handler | HttpServerResponse.HttpServerResponse
        ) => watched.addAll([HttpRouter.route(method, path, handler as Handler)])
      } as unknown as HttpRouter.HttpRouter)

      const scope = yield* Effect.scope
      yield* Layer.buildWithScope(Layer.provide(routes, Layer.succeed(HttpRouter.HttpRouter, watched)), scope)
      for (const [path, known] of taken) {
        const allow = [...known, ...(known.has("GET") ? ["HEAD"] : [])]
        for (const method of methods) {
          if (known.has(method)) continue
          const message = `${method} is not for this path: use ${allow.join(", ")}.`
          const error = new ControlError.MethodNotAllowed({ method, allow, message })
          yield* add(method, path as HttpRouter.PathInput, Effect.succeed(answer(error)), false)
        }
      }
      const unknown = Effect.map(HttpServerRequest.HttpServerRequest, ({ method, url }) =>
        method === "GET" && /^\/?$/.test(url)
          ? HttpServerResponse.redirect(`${settings.prefix}/dashboard`, { status: 307 })
          : answer(
              new ControlError.NotFound({
                path: url,
                message: `Nothing is at this path. ${settings.prefix}/docs lists what there is.`
              })
            )
      )
      if (settings.alone || settings.prefix !== "") {
        // Not for every method: HEAD would no longer be answered as GET.
        for (const method of methods) yield* add(method, "/*", unknown, false)
      }
    }).pipe(Effect.asVoid)
  ) as Layer.Layer<never, E, Exclude<R, HttpRouter.HttpRouter> | HttpRouter.HttpRouter | ControlSettings>
