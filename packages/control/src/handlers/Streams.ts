/** Answers that go on: server-sent events, as many at a time as may be, that end with the routes. */
import { Context, Deferred, Effect, Layer, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { answer } from "../access/Answers.ts"
import { Closing } from "./Closing.ts"
import { TooManyReaders } from "../model/ControlError.ts"
import { ControlSettings } from "../model/Settings.ts"

// Until somebody else has gone, perhaps.
const retryAfterSeconds = 10

export class Streams extends Context.Service<
  Streams,
  {
    /** Answers with a stream, unless too many are open. It counts until the request has ended. */
    readonly open: (
      text: Stream.Stream<string | Uint8Array>
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope>
  }
>()("lemmings/control/Streams") {
  static readonly layer: Layer.Layer<Streams, never, Closing | ControlSettings> = Layer.effect(
    Streams,
    Effect.gen(function* () {
      const closing = yield* Closing
      const { maxReaders } = yield* ControlSettings
      let open = 0
      return {
        open: (text) =>
          Effect.suspend(() => {
            if (open >= maxReaders) {
              const message = `${maxReaders} streams are open, which is the maxReaders option: try again later.`
              const error = new TooManyReaders({ limit: maxReaders, retryAfterSeconds, message })
              return Effect.succeed(answer(error))
            }
            const here = Effect.acquireRelease(
              Effect.sync(() => open++),
              () => Effect.sync(() => open--)
            )
            return Effect.as(here, response(Stream.interruptWhen(text, Deferred.await(closing))))
          })
      }
    })
  )
}

const utf8 = new TextEncoder()

const response = (text: Stream.Stream<string | Uint8Array>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(
    Stream.map(text, (part) => (typeof part === "string" ? utf8.encode(part) : part)),
    {
      contentType: "text/event-stream",
      // Proxies such as nginx would collect it.
      headers: { "x-accel-buffering": "no" }
    }
  )
