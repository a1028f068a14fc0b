import { NodeHttpServer } from "@effect/platform-node"
import { Config, Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HerdMain } from "lemmings"
import { createServer } from "node:http"
import { routes } from "./Server.ts"

const server = Layer.unwrap(
  Effect.map(Config.Int("PORT").pipe(Config.withDefault(3000)), (port) =>
    NodeHttpServer.layer(createServer, { port, host: "127.0.0.1", gracefulShutdownTimeout: "2 seconds" })
  )
)

HerdMain.runMain(Layer.launch(HttpRouter.serve(routes, { disableLogger: true }).pipe(Layer.provide(server))))
