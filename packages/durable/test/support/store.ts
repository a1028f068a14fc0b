import { assert } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import { JobStore, type Failure, type NewJob, type QueueSpec } from "../../src/port/JobStore.ts"

let queues = 0

const spec = (over: Partial<QueueSpec> = {}): QueueSpec => ({
  name: `suite-${process.pid}-${queues++}`,
  attempts: 3,
  deadLetter: true,
  keepEndedMillis: 86_400_000,
  keepDeadMillis: 86_400_000,
  ...over
})

export const job = (queue: string, over: Partial<NewJob> = {}): NewJob => ({
  queue,
  id: randomUUID(),
  payload: { n: 1 },
  priority: 5,
  attempts: 3,
  ...over
})

export const failure: Failure = { reason: "failed", message: "no", error: { code: 7 } }

/** Waits for a condition that real time or another connection brings. */
export const eventually = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  holds: (value: A) => boolean,
  limit = 20_000
) => look.pipe(Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: holds }), Effect.timeout(limit))

export const declared = (over: Partial<QueueSpec> = {}) =>
  Effect.gen(function* () {
    const store = yield* JobStore
    const queue = spec(over)
    yield* store.declare(queue)
    return { store, queue: queue.name }
  })

export const claimOne = (queue: string) =>
  Effect.gen(function* () {
    const store = yield* JobStore
    const [one] = yield* store.claim(queue, 1)
    assert.isDefined(one)
    return one
  })

/** Sweeps until so many leases have lapsed. */
export const lapse = (queue: string, leases = 1) =>
  Effect.gen(function* () {
    const store = yield* JobStore
    let lapsed = 0
    return yield* eventually(
      Effect.tap(store.sweep(queue), ({ count }) => Effect.sync(() => (lapsed += count))),
      () => lapsed >= leases
    )
  })
