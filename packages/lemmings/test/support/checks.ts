/** How a herd that is driven at random is set up, and what holds of it at every step. */
import { assert } from "@effect/vitest"
import { Cause, Effect, type Exit } from "effect"
import type { HerdConfig, HerdStats, TaskHandle } from "lemmings"
import { assertConserved } from "lemmings/testing"
import type { Outcome } from "./HerdModel.ts"

export interface Setup {
  readonly resource: boolean
  /** `onCreate` fails and hangs now and then. */
  readonly faults: boolean
  readonly capacity: number | "unbounded"
  readonly overflow: HerdConfig.Overflow
  readonly ageing: number | "never"
  /** Whether a policy chooses the number of workers. Otherwise only `resize` and `setBounds` do. */
  readonly elastic?: boolean | undefined
}

export class Failure {
  readonly _tag = "Failure"
  readonly unhealthy: boolean
  constructor(unhealthy: boolean) {
    this.unhealthy = unhealthy
  }
}

export const pollOf = (handle: TaskHandle<number, unknown>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(handle.await, { startImmediately: true })
    const exit = fiber.pollUnsafe()
    return exit?._tag === "Success" ? exit.value : undefined
  })

/** What holds at every step, whatever was done. */
export const checkAlways = (
  stats: HerdStats,
  world: { readonly created: number; readonly destroyed: number; readonly wrong: ReadonlyArray<string> },
  setup: Setup
) => {
  const { resources, tasks, workers } = stats
  assertConserved(stats)
  assert.deepStrictEqual(world.wrong, [])
  if (!setup.resource) return
  assert.strictEqual(resources.created, world.created, "created")
  assert.isAtMost(resources.destroyed, world.destroyed, "destroyed")
  assert.isAtMost(tasks.running, world.created - world.destroyed, "leased ≤ alive")
  assert.isAtMost(
    tasks.running,
    workers.busy + workers.stopping + resources.temporary + 1,
    "running ≤ workers + guests"
  )
}

export const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome => {
  if (exit._tag === "Success") return "succeeded"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  if (error === "defect") return "died"
  if (error instanceof Failure) return "failed"
  const tag = typeof error === "object" && error !== null && "_tag" in error ? error._tag : undefined
  switch (tag) {
    case "TaskShed":
    case "QueueFull":
    case "HerdClosed":
    case "ResourceUnavailable":
      return tag
    default:
      throw new Error(`unexpected end: ${Cause.pretty(exit.cause)}`)
  }
}
