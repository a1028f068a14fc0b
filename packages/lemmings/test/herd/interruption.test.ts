import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Scope } from "effect"
import { HerdEvents, Resources } from "lemmings"
import { interruptEverywhere, virtual } from "lemmings/testing"
import { interruptions } from "../support/interruptions.ts"
import { workloads } from "../support/workloads.ts"

// Workers that a policy brings when it finds that they are needed; those that are there have their turn in CI.
interruptions("auto")

workloads(40)

describe("Resources", () => {
  const info = { workerId: 1, burst: false }
  const pools = Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const made = { open: 0, onDestroy: 0 }
    const onCreate = () =>
      Effect.gen(function* () {
        yield* Effect.yieldNow
        yield* Effect.acquireRelease(
          Effect.sync(() => made.open++),
          () =>
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => made.open--)
            )
        )
        yield* Effect.yieldNow
      })
    const layer = Resources.layer({
      herd: "test",
      lifecycle: {
        onCreate,
        onDestroy: () =>
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => made.onDestroy++)
          ),
        ready: () => Effect.yieldNow
      },
      createTimeout: 1000,
      destroyTimeout: 1000,
      validateAfter: 500,
      validateTimeout: 1000,
      maxLifetime: Infinity,
      keepAlive: Infinity,
      maxUses: Infinity,
      spares: 2,
      maxTemporary: 1
    }).pipe(Layer.provide(HerdEvents.layer("test")))
    const pool = yield* Effect.provide(Resources, yield* Layer.buildWithScope(layer, scope))
    return { made, pool }
  })
  const holds = ({ made, pool }: Effect.Success<typeof pools>) =>
    Effect.gen(function* () {
      yield* Effect.sleep("1 minute")
      yield* pool.close
      assert.strictEqual(pool.tally.created - pool.tally.destroyed, 0, "every resource was destroyed")
      assert.strictEqual(made.open, 0, "every scope was closed")
      assert.strictEqual(made.onDestroy, pool.tally.created, "onDestroy ran for each")
    })

  it.effect("create and destroy, interrupted at any step, leave no resource behind", () =>
    Effect.gen(function* () {
      const steps = yield* virtual(
        interruptEverywhere({
          setup: pools,
          run: ({ pool }) =>
            Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(pool.create(info), (resource) =>
                Effect.andThen(restore(Effect.yieldNow), Effect.void).pipe(
                  Effect.ensuring(pool.destroy(resource))
                )
              )
            ),
          invariant: holds
        })
      )
      assert.isAtLeast(steps, 20)
    })
  )

  it.effect("fillSpares, interrupted at any step, leaves no resource behind", () =>
    Effect.gen(function* () {
      const steps = yield* virtual(
        interruptEverywhere({ setup: pools, run: ({ pool }) => pool.fillSpares, invariant: holds })
      )
      assert.isAtLeast(steps, 20)
    })
  )
})
