import { Effect } from "effect"
import { Herd } from "lemmings"
import PQueue from "p-queue"
import fastq from "fastq"
class B extends Herd.Service<B>()("b") {
  static readonly live = this.layer({ workers: { min: 16, max: 16 } })
}
const N = 100_000
const prom = Effect.promise(() => Promise.resolve(1))
const sync = Effect.sync(() => 1)
const med = (a: number[]) => a.sort((x, y) => x - y)[a.length >> 1]!
const cases: Record<string, () => Promise<unknown>> = {
  runPromise: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* Effect.forEach(Array(N).fill(prom), (t) => h.run(t), {
          concurrency: "unbounded",
          discard: true
        })
      }).pipe(Effect.provide(B.live))
    ),
  runSync: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* Effect.forEach(Array(N).fill(sync), (t) => h.run(t), {
          concurrency: "unbounded",
          discard: true
        })
      }).pipe(Effect.provide(B.live))
    ),
  runAllPromise: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* h.runAll(Array(N).fill(prom))
      }).pipe(Effect.provide(B.live))
    ),
  runAllSync: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* h.runAll(Array(N).fill(sync))
      }).pipe(Effect.provide(B.live))
    ),
  runAllYield: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* h.runAll(Array(N).fill(Effect.yieldNow))
      }).pipe(Effect.provide(B.live))
    ),
  feachPromise: () => Effect.runPromise(Effect.forEach(Array(N).fill(prom), (t) => t, { concurrency: 16 })),
  feachSync: () => Effect.runPromise(Effect.forEach(Array(N).fill(sync), (t) => t, { concurrency: 16 })),
  feachYield: () =>
    Effect.runPromise(Effect.forEach(Array(N).fill(Effect.yieldNow), (t) => t, { concurrency: 16 })),
  seqRun: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        for (let i = 0; i < N; i++) yield* h.run(sync)
      }).pipe(Effect.provide(B.live))
    ),
  seqBare: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        for (let i = 0; i < N; i++) yield* sync
      })
    ),
  run64Promise: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* Effect.forEach(Array(N).fill(prom), (t) => h.run(t), { concurrency: 64, discard: true })
      }).pipe(Effect.provide(B.live))
    ),
  run64Sync: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* Effect.forEach(Array(N).fill(sync), (t) => h.run(t), { concurrency: 64, discard: true })
      }).pipe(Effect.provide(B.live))
    ),
  run64Client: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        yield* Effect.forEach(
          Array(64).fill(prom),
          (t) =>
            Effect.gen(function* () {
              for (let i = 0; i < N / 64; i++) yield* h.run(t)
            }),
          { concurrency: "unbounded", discard: true }
        )
      }).pipe(Effect.provide(B.live))
    ),
  forUnb: () =>
    Effect.runPromise(
      Effect.forEach(Array(N).fill(prom), (t) => t, { concurrency: "unbounded", discard: true })
    ),
  runP100k: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        const c = yield* Effect.context<never>()
        const rp = Effect.runPromiseWith(c)
        yield* Effect.promise(() => Promise.all(Array.from({ length: N }, () => rp(h.run(prom)))))
      }).pipe(Effect.provide(B.live))
    ),
  submitP: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const h = yield* B
        for (let i = 0; i < N; i++) yield* h.submit(prom)
        yield* h.awaitIdle
      }).pipe(Effect.provide(B.live))
    ),
  pqueue64: () => {
    const q = new PQueue({ concurrency: 16 })
    return Promise.all(
      Array.from({ length: 64 }, async () => {
        for (let i = 0; i < N / 64; i++) await q.add(() => Promise.resolve(1))
      })
    )
  },
  fastq64: () => {
    const q = fastq.promise(async () => 1, 16)
    return Promise.all(
      Array.from({ length: 64 }, async () => {
        for (let i = 0; i < N / 64; i++) await q.push(1)
      })
    )
  },
  pqueue: () => {
    const q = new PQueue({ concurrency: 16 })
    return Promise.all(Array.from({ length: N }, () => q.add(() => Promise.resolve(1))))
  },
  fastq: () => {
    const q = fastq.promise(async () => 1, 16)
    return Promise.all(Array.from({ length: N }, () => q.push(1)))
  }
}
const out: Record<string, number[]> = {}
const only = process.argv[2]
for (let r = 0; r < 7; r++)
  for (const [k, f] of Object.entries(cases)) {
    if (only && !k.includes(only)) continue
    const t = performance.now()
    await f()
    if (r > 1) (out[k] ??= []).push(((performance.now() - t) / N) * 1e6)
  }
for (const [k, v] of Object.entries(out)) console.log(k.padEnd(16), Math.round(med(v)))
