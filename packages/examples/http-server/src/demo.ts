// The server and some more herds, all with work to do, so that the dashboard has something to show: `pnpm demo:dashboard`.
import { argumentsOf, fitted } from "@lemmings/examples-usage"
import { Console, Effect, Layer, References } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HerdMain } from "lemmings"
import { herds, load } from "./DemoHerds.ts"
import { listen } from "./Listen.ts"
import { routes } from "./Server.ts"
import { visitors } from "./Visitors.ts"

argumentsOf(`node src/demo.ts

The server and some more herds, all with work to do, and their dashboard. PORT: where it listens.`)

const server = HttpRouter.serve(routes({ exposeErrors: true }), {
  disableLogger: true,
  disableListenLog: true
}).pipe(Layer.provideMerge(listen))

// Herds log each change of their size, which the dashboard shows.
const quiet = Layer.succeed(References.MinimumLogLevel, "Warn" as const)

const program = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const url = HttpServer.formatAddress(address)
  yield* Console.log(
    fitted(`
The dashboard is at ${url}/lemmings

Resize a herd, set its bounds, pause it, interrupt a task, and watch what it does.
Ctrl+C drains the herds and ends; twice ends at once. PORT chooses another port.
`)
  )
  yield* Effect.all([load, visitors(url)], { concurrency: "unbounded", discard: true })
})

HerdMain.runMain(program.pipe(Effect.provide(Layer.mergeAll(herds, server).pipe(Layer.provide(quiet)))), {
  limits: { drain: "10 seconds" }
})
