import { Effect, Pool, Fiber, Latch } from "effect"
export const workers = 16
export const withHerd = (use: any, size = 16): any =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(Pool.make({ acquire: Effect.succeed(0), size }), (pool: any) => {
    const latch = Latch.makeUnsafe(true)
    const live = new Set<any>()
    const run = (t: any, o?: any) => Pool.use(pool, () => latch.whenOpen(o?.timeout ? Effect.timeout(t, o.timeout) : t))
    const herd = { run, pause: latch.close, resume: latch.open,
      awaitIdle: Effect.suspend(() => Effect.forEach([...live], (f) => Fiber.await(f), { discard: true })),
      submit: (t: any) => Effect.map(Effect.forkDetach(run(t)), (f: any) => { live.add(f); f.addObserver(() => live.delete(f)); return { join: Fiber.join(f), interrupt: Fiber.interrupt(f) } }),
      runAll: (ts: any) => Effect.forEach(ts, run, { concurrency: "unbounded" }) }
    return Effect.promise(() => use(herd))
  })))
