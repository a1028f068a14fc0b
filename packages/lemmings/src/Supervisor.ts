/**
 * How many workers should there be.
 *
 * The policies that follow the load come with a later release. `fixed` keeps the
 * number that the herd was given, until somebody calls `resize`.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, type Scope } from "effect"

/**
 * What a supervisor may do to a herd.
 *
 * @category models
 * @since 0.1.0
 */
export interface Supervised {
  /** Workers wanted now. */
  readonly target: () => number
  /** Sets the number of workers wanted, and says why. */
  readonly resize: (target: number, reason: string) => void
}

/**
 * Decides the number of workers of one herd, for as long as its scope is open.
 *
 * @category services
 * @since 0.1.0
 */
export class Supervisor extends Context.Service<
  Supervisor,
  { readonly supervise: (herd: Supervised) => Effect.Effect<void, never, Scope.Scope> }
>()("lemmings/Supervisor") {
  /** Starts `workers` workers and never changes their number. */
  static readonly layerFixed = (workers: number): Layer.Layer<Supervisor> =>
    Layer.succeed(Supervisor, {
      supervise: (herd) => Effect.sync(() => herd.resize(workers, "fixed"))
    })
}
