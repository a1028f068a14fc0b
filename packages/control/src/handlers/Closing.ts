/** The end of the routes: streams that are open must not hold up the end of the server. */
import { Context, Deferred, Effect, Layer } from "effect"

/** Done when the routes are about to go. */
export class Closing extends Context.Service<Closing, Deferred.Deferred<void>>()("lemmings/control/Closing") {
  /** Done when the layer's scope closes. */
  static readonly layer: Layer.Layer<Closing> = Layer.effect(
    Closing,
    Effect.acquireRelease(Deferred.make<void>(), (closing) => Deferred.succeed(closing, undefined))
  )
}
