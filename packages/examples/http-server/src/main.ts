import { argumentsOf } from "@lemmings/examples-usage"
import { Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HerdMain } from "lemmings"
import { listen } from "./Listen.ts"
import { routes } from "./Server.ts"

argumentsOf(`node src/main.ts

An HTTP server whose handlers run on a herd. PORT: where it listens.`)

HerdMain.runMain(
  Layer.launch(HttpRouter.serve(routes(), { disableLogger: true }).pipe(Layer.provide(listen)))
)
