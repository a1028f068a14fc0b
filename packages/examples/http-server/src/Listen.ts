import { NodeHttpServer } from "@effect/platform-node"
import { Config, Data, Effect, Layer } from "effect"
import { createServer } from "node:http"

/** The port belongs to somebody else. */
class PortUnavailable extends Data.TaggedError("PortUnavailable")<{ readonly port: number }> {
  override get message() {
    return `Port ${this.port} of 127.0.0.1 is taken or not allowed. PORT=0 takes any free one.`
  }
}

/** A server at the port of the environment variable `PORT`, or at 3000. It ends with its scope. */
export const listen = Layer.effectContext(
  Effect.gen(function* () {
    const port = yield* Config.Int("PORT").pipe(Config.withDefault(3000))
    const server = NodeHttpServer.layer(createServer, {
      port,
      host: "127.0.0.1",
      gracefulShutdownTimeout: "2 seconds"
    })
    return yield* Effect.mapError(Layer.build(server), () => new PortUnavailable({ port }))
  })
)
