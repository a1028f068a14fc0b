import { Effect } from "effect"
import { Herd } from "lemmings"
class B extends Herd.Service<B>()("b") {
  static readonly live = this.layer({ workers: { min: 16, max: 16 } })
}
const N = 100_000
const sync = Effect.sync(() => 1)
const prom = Effect.promise(() => Promise.resolve(1))
const t = process.argv[2] === "p" ? prom : sync
const kind = process.argv[3] ?? "runAll"
await Effect.runPromise(
  Effect.gen(function* () {
    const h = yield* B
    for (let r = 0; r < 30; r++) {
      const s = performance.now()
      if (kind === "runAll") yield* h.runAll(Array(N).fill(t))
      else if (kind === "seq") {
        for (let i = 0; i < N; i++) yield* h.run(t)
      } else if (kind === "run64")
        yield* Effect.forEach(
          Array(64).fill(t),
          (t) =>
            Effect.gen(function* () {
              for (let i = 0; i < N / 64; i++) yield* h.run(t)
            }),
          { concurrency: "unbounded", discard: true }
        )
      else
        yield* Effect.forEach(Array(N).fill(t), (t) => h.run(t), { concurrency: "unbounded", discard: true })
      if (r % 6 === 5) console.log(Math.round(((performance.now() - s) / N) * 1e6))
    }
  }).pipe(Effect.provide(B.live))
)
