import { Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HerdMain } from "lemmings"
import { listen } from "./Listen.ts"
import { routes } from "./Server.ts"

HerdMain.runMain(
  Layer.launch(HttpRouter.serve(routes(), { disableLogger: true }).pipe(Layer.provide(listen)))
)
