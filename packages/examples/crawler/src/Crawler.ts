/** The crawler: a herd whose keys are hosts. */
import { Data, Effect, Schedule } from "effect"
import { Herd } from "lemmings"

/** The host says 429. */
export class TooManyRequests extends Data.TaggedError("TooManyRequests")<{
  readonly retryAfterMillis: number
}> {}

export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly reason: string }> {}

/** At most so many requests of one host at a time, and so many a second, as a polite guess: the host knows better. */
export const perHost = { concurrency: 4, rate: { limit: 20, per: "1 second", burst: 4 } } as const

export class Crawler extends Herd.Service<Crawler>()("app/Crawler") {
  static readonly live = this.layer({
    workers: { max: 32 },
    // No host waits for the hundreds of pages of another.
    queue: { order: "fair" },
    limits: {
      perKey: perHost,
      // A 429 is no failure: the host rests for as long as it says, and the page keeps its place.
      hold: (error: unknown) => (error instanceof TooManyRequests ? error.retryAfterMillis : undefined)
    },
    retryBudget: { ratio: 0.2, perSecond: 5 }
  })
}

/** What is counted for the view. */
export interface Seen {
  readonly done: Map<string, number>
  readonly refused: Map<string, number>
  /** When requests were begun, in milliseconds, in their order. */
  readonly begun: Map<string, Array<number>>
}

/** The most requests of a host that were begun in any second. */
export const busiest = ({ begun }: Seen, host: string): number => {
  const times = begun.get(host) ?? []
  let first = 0
  let most = 0
  for (const [index, time] of times.entries()) {
    while ((times[first] ?? time) <= time - 1_000) first++
    most = Math.max(most, index - first + 1)
  }
  return most
}

const count = (map: Map<string, number>, host: string) => map.set(host, (map.get(host) ?? 0) + 1)

const request = (url: string, host: string, seen: Seen) =>
  Effect.tryPromise({
    try: (signal) => {
      const begun = seen.begun.get(host) ?? []
      seen.begun.set(host, begun)
      begun.push(performance.now())
      return fetch(url, { signal })
    },
    catch: (error) => new Unreachable({ reason: String(error) })
  }).pipe(
    Effect.flatMap((response): Effect.Effect<string, TooManyRequests | Unreachable> => {
      if (response.status === 429) {
        count(seen.refused, host)
        const millis = Number(response.headers.get("x-retry-after-ms") ?? 1_000)
        return Effect.fail(new TooManyRequests({ retryAfterMillis: millis }))
      }
      return Effect.tryPromise({
        try: () => response.text(),
        catch: (error) => new Unreachable({ reason: String(error) })
      })
    }),
    Effect.tap(() => Effect.sync(() => count(seen.done, host)))
  )

/** Fetches a page when its host may be asked. */
export const page = (url: string, host: string, seen: Seen) =>
  Crawler.run(request(url, host, seen), {
    key: host,
    label: "page",
    retry: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 })),
    while: (error) => error._tag === "Unreachable"
  })
