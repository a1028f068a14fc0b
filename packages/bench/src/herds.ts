// The herds and pools under test. Settings are the defaults, metrics and statistics on; only their size is set.
import { Effect, References } from "effect"
import { Herd, ResourcePool } from "lemmings"

export const workers = 16

class Bench extends Herd.Service<Bench>()("bench/Herd") {
  static readonly live = this.layer({ workers: { min: workers, max: workers } })
  static readonly single = this.layer({ workers: { min: 1, max: 1 } })
}

export type BenchHerd = Bench["Service"]

/** Runs `use` with a herd of 16 workers, or of one, and closes the herd. */
export const withHerd = <A>(use: (herd: BenchHerd) => Promise<A>, size: 1 | 16 = workers): Promise<A> =>
  Bench.pipe(
    Effect.flatMap((herd) => Effect.promise(() => use(herd))),
    Effect.provide(size === 1 ? Bench.single : Bench.live),
    Effect.runPromise
  )

/** Runs `use` with a pool of resources, and closes the pool. */
export const withResourcePool = <R, A>(
  options: {
    readonly create: Effect.Effect<R>
    readonly size: number | { readonly min: number; readonly max: number }
    readonly onDestroy?: ((resource: R) => Effect.Effect<void>) | undefined
    readonly scaling?: "fixed" | undefined
  },
  use: (pool: ResourcePool.ResourcePool<R>) => Promise<A>
): Promise<A> =>
  ResourcePool.make("bench/ResourcePool", {
    onCreate: options.create,
    size: options.size,
    onDestroy: options.onDestroy,
    scaling: options.scaling
  }).pipe(
    Effect.flatMap((pool) => Effect.promise(() => use(pool))),
    Effect.scoped,
    // Standard output is for the figures, and a pool logs its size.
    Effect.provideService(References.MinimumLogLevel, "Warn"),
    Effect.runPromise
  )
