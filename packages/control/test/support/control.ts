/**
 * What the tests of the API share: a real server on a free port, and a plain client.
 */
import { Control } from "../../src/index.ts"
import { Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { Herd, HerdRegistry, QueueRegistry } from "lemmings"

export class Db extends Herd.Service<Db>()("app/Db", { sheds: true }) {}
export class Mail extends Herd.Service<Mail>()("app/Mail", { sheds: true }) {}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // What a caller without types sees.
  readonly json: Record<string, unknown>
}

export interface Server {
  readonly url: string
  readonly ask: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>
  ) => Effect.Effect<Answer>
}

const parse = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** Starts a server over the registry of the context. */
export const serve = (options: Control.ControlOptions = {}) =>
  Effect.map(Layer.build(Control.layer({ port: 0, ...options })), (context): Server => {
    const address = Context.get(context, HttpServer.HttpServer).address
    const url = HttpServer.formatAddress(address).replace("0.0.0.0", "127.0.0.1")
    return {
      url,
      ask: (method, path, body, headers) =>
        Effect.promise(async () => {
          const response = await fetch(`${url}${path}`, {
            method,
            redirect: "manual",
            headers: headers ?? (body === undefined ? {} : { "content-type": "application/json" }),
            ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
          })
          const text = await response.text()
          return { status: response.status, headers: response.headers, text, json: parse(text) }
        })
    }
  })

type Options = Herd.CommonOptions<"suspend">

/** A herd with workers that nobody changes, registered like any other. */
export const herd = <Self>(
  service: Herd.HerdClass<Self, string, { readonly sheds: true }>,
  options: Options = {}
) =>
  Effect.map(
    Layer.build(
      (service.layer as unknown as (options: Options) => Layer.Layer<Self>)({
        scaling: "fixed",
        workers: { min: 1, max: 4 },
        ...options,
        shutdown: { drain: 0, interrupt: 0, destroy: 0, ...options.shutdown }
      })
    ),
    Context.get(service)
  )

/** Each test has herds and queues of its own. */
export const alone = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() =>
    effect.pipe(
      Effect.provideService(HerdRegistry.HerdRegistry, HerdRegistry.make()),
      Effect.provideService(QueueRegistry.QueueRegistry, QueueRegistry.make())
    )
  )

/** Waits until something holds, a millisecond at a time. */
export const until = (holds: () => Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(Effect.suspend(holds), (done) =>
    done ? Effect.void : Effect.delay(until(holds), "1 millis")
  )
