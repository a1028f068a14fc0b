// People who look at pages: a few all the time, and now and then more than the server has room for.
import { Effect } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"

/** Goes on until interrupted. Whatever the answer is, they come again. */
export const visitors = Effect.fnUntraced(function* (url: string) {
  const client = yield* HttpClient.HttpClient
  const visit = client.get(`${url}/render/home`).pipe(
    Effect.flatMap((response) => response.text),
    Effect.ignore
  )
  const regular = visit.pipe(Effect.andThen(Effect.sleep("100 millis")), Effect.forever)
  const crowd = Effect.all(
    Array.from({ length: 100 }, () => visit),
    { concurrency: "unbounded", discard: true }
  ).pipe(Effect.delay("15 seconds"), Effect.forever)
  yield* Effect.all([regular, regular, regular, crowd], { concurrency: "unbounded", discard: true })
}, Effect.provide(FetchHttpClient.layer))
