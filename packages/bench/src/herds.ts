// The herds under test. Settings are the defaults, metrics and statistics on; only the number of workers is set.
import { Effect } from "effect"
import { Herd } from "lemmings"

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
