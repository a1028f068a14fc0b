/**
 * The routes' doorkeeper: every route of a router checked, every mistake answered in JSON, and other methods and paths too.
 */
import { ByteSize, Cause, Clock, Effect, Layer, Option } from "effect"
import {
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { type Guard, type Head, isLocal, refusal, type Refusal, shown, tooLarge } from "./Access.ts"
import { answer, safe } from "./Answers.ts"
import * as Guesses from "./Guesses.ts"
import * as Paths from "./Paths.ts"
import { misspelt } from "./Queries.ts"
import * as ControlError from "../model/ControlError.ts"
import { ControlSettings, type Settings } from "../model/Settings.ts"

type Handler = Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, unknown>

/** Of the caller as the application sees it and of the peer as the socket sees it, whichever is not of this machine. */
const addressOf = ({
  peerAddress,
  remoteAddress
}: HttpServerRequest.HttpServerRequest): string | undefined => {
  const caller = Option.getOrUndefined(remoteAddress)
  const peer = Option.getOrUndefined(peerAddress)
  return caller !== undefined && isLocal(caller) ? peer : caller
}

const headOf = (request: HttpServerRequest.HttpServerRequest, method: string): Head => ({
  method,
  headers: request.headers,
  remoteAddress: addressOf(request)
})

/** Asks who calls, and remembers who guesses. */
const makeCheck = (settings: Settings) => {
  const guesses = Guesses.make(settings.guessesPerMinute)
  return (guard: Guard, head: Head): Effect.Effect<Refusal | undefined> =>
    Effect.gen(function* () {
      const isGuess =
        guard === "guarded" &&
        settings.tokens.length > 0 &&
        shown(head.headers["authorization"]) !== undefined
      if (!isGuess) return refusal(settings, guard, head)
      // Not the wall clock, which may be set back.
      const now = Number((yield* Clock.currentTimeNanos) / 1_000_000n)
      const retryAfterSeconds = guesses.wait(head.remoteAddress, now)
      if (retryAfterSeconds > 0) {
        const message = `Too many wrong tokens came from this address: try again in ${retryAfterSeconds} seconds.`
        return new ControlError.TooManyGuesses({ retryAfterSeconds, message })
      }
      const refused = refusal(settings, guard, head)
      if (refused?._tag === "Unauthorized") guesses.wrong(head.remoteAddress, now)
      return refused
    })
}

/** A handler behind the checks that its path asks for. */
const guarded = (
  settings: Settings,
  check: ReturnType<typeof makeCheck>,
  path: string,
  handler: Handler
): Handler =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const refused = yield* check(guardOf(settings, path), headOf(request, request.method))
    if (refused !== undefined) return answer(refused)
    const unread = misspelt(request.method, path, request.url)
    if (unread !== undefined) return answer(unread)
    const asJson = request.modify({ headers: { ...request.headers, "content-type": "application/json" } })
    return yield* handler.pipe(
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
  })

const guardOf = ({ open }: Settings, path: string): Guard => {
  if (path === "/health/live") return "live"
  if (path === "/metrics") return open.has("metrics") ? "open" : "guarded"
  if (path === "/docs" || path === "/openapi.json") return open.has("docs") ? "open" : "guarded"
  return "guarded"
}

/** What is wrong with a request that no route is for. */
const missed = (
  { prefix }: Settings,
  paths: Paths.Paths,
  { method, url }: { readonly method: string; readonly url: string },
  target: string
): HttpServerResponse.HttpServerResponse => {
  const allow = paths.methods(target)
  if (allow === undefined && method === "GET" && /^\/?([?#]|$)/.test(target))
    return HttpServerResponse.redirect(`${prefix}/dashboard`, { status: 307, headers: safe })
  if (!Paths.isDecodable(target)) {
    const rule = `percent-encoded UTF-8: a "%" itself is written %25`
    const message = `path must be ${rule}. Nothing was changed.`
    return answer(new ControlError.BadRequest({ field: "path", rule, message }))
  }
  if (allow !== undefined && !allow.includes(method)) {
    const message = `${method} is not for this path: use ${allow.join(", ")}.`
    return answer(new ControlError.MethodNotAllowed({ method, allow, message }))
  }
  const message = `Nothing is at this path. ${prefix}/docs lists what there is.`
  return answer(new ControlError.NotFound({ path: url, message }))
}

const isMissing = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" &&
      HttpServerError.isHttpServerError(reason.error) &&
      reason.error.reason._tag === "RouteNotFound"
  )

/** An answer for what went wrong elsewhere, in JSON and without what it was. */
const broken = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.gen(function* () {
    const [{ status }] = yield* HttpServerError.causeResponse(cause)
    if (status < 500) {
      const rule = "a request that can be read"
      const message = `request must be ${rule}. Nothing was changed.`
      return answer(new ControlError.BadRequest({ field: "request", rule, message }), status)
    }
    yield* Effect.logError("control: a request could not be answered", cause)
    const message = "The request could not be answered. The log of the process says why."
    return answer(new ControlError.Broken({ message }), status)
  })

/** Whether a request is for these routes, and what follows the prefix in its target. */
const oursOf = (settings: Settings, paths: Paths.Paths, url: string): string | undefined => {
  const target = Paths.beneath(settings.prefix, url)
  if (target === undefined) return settings.alone ? "/nothing" : undefined
  return settings.alone || settings.prefix !== "" || paths.methods(target) !== undefined ? target : undefined
}

/**
 * Around everything that the router does: answers where no route is, and puts the headers on every answer, also of what
 * failed on its way.
 */
const around =
  (settings: Settings, paths: Paths.Paths, check: ReturnType<typeof makeCheck>) =>
  (handler: Handler): Handler =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const target = oursOf(settings, paths, request.url)
      if (target === undefined) return yield* handler
      const miss = Effect.gen(function* () {
        const refused = yield* check("guarded", headOf(request, "GET"))
        return refused === undefined ? missed(settings, paths, request, target) : answer(refused)
      })
      // Before the router: an application may have a route for everything.
      if (!paths.methods(target)?.includes(request.method) || !Paths.isDecodable(target)) return yield* miss
      const response = yield* Effect.catchCause(handler, (cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
        return isMissing(cause) ? miss : broken(cause)
      })
      return HttpServerResponse.setHeaders(response, { ...safe, ...response.headers })
    })

type Method = Parameters<HttpRouter.HttpRouter["add"]>[0]

/**
 * Puts routes behind the doorkeeper: under the prefix, with other methods answered by 405, and under a prefix also every
 * other path by 404.
 */
export const guardRoutes = <E, R>(
  routes: Layer.Layer<never, E, R>
): Layer.Layer<never, E, Exclude<R, HttpRouter.HttpRouter> | HttpRouter.HttpRouter | ControlSettings> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const settings = yield* ControlSettings
      const router = yield* HttpRouter.HttpRouter
      const inner = settings.prefix === "" ? router : router.prefixed(settings.prefix)
      const check = makeCheck(settings)
      const paths = Paths.make()

      const watched = HttpRouter.HttpRouter.of({
        ...inner,
        addAll: (all: ReadonlyArray<HttpRouter.Route<unknown, unknown>>) =>
          Effect.forEach(
            all,
            (route) => {
              paths.add(route.method, route.path)
              const behind = guarded(settings, check, route.path, route.handler)
              return inner.add(
                route.method as Method,
                route.path,
                behind as Effect.Effect<HttpServerResponse.HttpServerResponse>
              )
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
      yield* router.addGlobalMiddleware(around(settings, paths, check))
    }).pipe(Effect.asVoid)
  ) as Layer.Layer<never, E, Exclude<R, HttpRouter.HttpRouter> | HttpRouter.HttpRouter | ControlSettings>
