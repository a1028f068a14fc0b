// An HTTP server whose handlers run on a herd: it takes what it can finish in time, and says so to everybody else.
import { ControlRoutes } from "@lemmings/control"
import { Effect, Layer, Random } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { Herd } from "lemmings"

/** Renders pages, eight at a time, with room for as many waiting as eight workers render in about half a second. */
export class Renderer extends Herd.Service<Renderer>()("app/Renderer", { overflow: "reject" }) {
  static readonly live = this.layer({
    workers: { min: 2, max: 8 },
    queue: { capacity: 64 },
    // Retry-After is about now, not about the last minute.
    window: "5 seconds"
  })
}

/** Stands for what takes time: a template, a query, a call of another service. */
const page = (name: string) =>
  Effect.gen(function* () {
    yield* Effect.sleep(40 + 40 * (yield* Random.next))
    return `<h1>${escaped(name)}</h1>`
  })

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

type Rendering = Renderer["Service"]

/** Whole seconds after which there should be room again: what waits, divided by what is finished in a second. */
const retryAfter = (herd: Rendering) =>
  Effect.gen(function* () {
    const { queue } = yield* herd.stats
    const { endedRate } = yield* herd.metrics
    return Math.max(1, Math.ceil(queue.depth / Math.max(1, endedRate)))
  })

const problem = (status: number, error: string, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe({ error }, { status, headers })

/** A caller that hangs up takes its task out of the queue, or interrupts it. */
const render = (herd: Rendering) =>
  Effect.gen(function* () {
    const { name = "" } = yield* HttpRouter.params
    const html = yield* herd.run(page(name), { deadline: "2 seconds", label: "render" })
    return HttpServerResponse.html(html)
  }).pipe(
    Effect.catchTags({
      QueueFull: ({ message }) =>
        Effect.map(retryAfter(herd), (seconds) => problem(429, message, { "retry-after": String(seconds) })),
      DeadlineExceeded: ({ message }) => Effect.succeed(problem(504, message)),
      HerdClosed: ({ message }) => Effect.succeed(problem(503, message, { "retry-after": "5" }))
    })
  )

const application = HttpRouter.use((router) =>
  Effect.flatMap(Renderer, (herd) => router.add("GET", "/render/:name", render(herd)))
)

/** The application, with its control API and dashboard under `/lemmings`. */
export const routes = (control: ControlRoutes.RoutesOptions = {}) =>
  Layer.mergeAll(
    application,
    ControlRoutes.layer({ prefix: "/lemmings", withoutToken: "local", ...control })
  ).pipe(Layer.provide(Renderer.live))
