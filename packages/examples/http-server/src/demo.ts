// The dashboard with something to look at: `pnpm demo:dashboard`.
import { Control } from "@lemmings/control"
import { Config, Console, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { HerdMain } from "lemmings"
import { herds, load } from "./DemoHerds.ts"

const control = Layer.unwrap(
  Effect.map(Config.Int("PORT").pipe(Config.withDefault(2112)), (port) =>
    Control.layer({ port, exposeErrors: true })
  )
)

const program = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  yield* Console.log(`
The dashboard is at ${HttpServer.formatAddress(address)}

Resize a herd, set its bounds, pause it, interrupt a task, and watch what it does.
Ctrl+C drains the herds and ends; twice ends at once. PORT chooses another port.
`)
  yield* load
})

HerdMain.runMain(program.pipe(Effect.provide(Layer.merge(herds, control))), {
  limits: { drain: "10 seconds" }
})
