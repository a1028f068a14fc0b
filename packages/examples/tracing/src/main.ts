// Traces of a herd's tasks, sent by OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT (a collector, Jaeger, Tempo, …).
import { argumentsOf } from "@lemmings/examples-usage"
import { Config, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"
import { Herd, HerdMain } from "lemmings"

argumentsOf(`node src/main.ts

Sends traces of tasks by OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT, by default http://127.0.0.1:4318.`)

class Mailer extends Herd.Service<Mailer>()("app/Mailer") {
  // One worker, so that the second mail waits for the first.
  static readonly live = this.layer({ workers: { max: 1 } })
}

const send = (to: string) =>
  Mailer.run(Effect.withSpan(Effect.sleep("30 millis"), "smtp", { attributes: { to } }), {
    label: "send mail"
  })

const checkout = Effect.all([send("ada@example.com"), send("bob@example.com")], { concurrency: 2 }).pipe(
  Effect.andThen(Effect.log("two mails sent")),
  Effect.withSpan("checkout")
)

const tracing = Layer.unwrap(
  Effect.map(
    Config.String("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault("http://127.0.0.1:4318")),
    (baseUrl) => Otlp.layerJson({ baseUrl, resource: { serviceName: "lemmings-tracing" } })
  )
).pipe(Layer.provide(FetchHttpClient.layer))

// The herd above the exporter: it ends first, and what its last tasks say is still sent.
HerdMain.runMain(checkout.pipe(Effect.provide(Layer.provideMerge(Mailer.live, tracing))))
