/** A herd whose resources and task bodies are counted, and what must hold of it when all is quiet. */
import { assert } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, type Fiber, Layer, Schedule } from "effect"
import { type FlowControlOptions, Herd, type HerdConfig } from "lemmings"
import { assertConserved } from "lemmings/testing"

/** A resource. */
export class Tool extends Context.Service<Tool, { alive: boolean; inUse: boolean }>()("test/Tool") {}

class Workshop extends Herd.Service<Workshop>()("test/Workshop", { resource: Tool, sheds: true }) {}

/** What happened to tools and to bodies. */
export interface Made {
  created: number
  destroyed: number
  working: number
  readonly wrong: Array<string>
}

export const counts = (): Made => ({ created: 0, destroyed: 0, working: 0, wrong: [] })

export interface World {
  readonly herd: Workshop["Service"]
  readonly made: Made
  /** A body that uses its tool, takes some steps, and some more to clean up. */
  readonly work: Effect.Effect<string, never, Tool>
}

export interface Options extends HerdConfig.HerdOptions<"suspend">, FlowControlOptions {
  /** Fails every so many calls of `onCreate`. */
  readonly failsEvery?: number | undefined
  /** Defaults to `"fixed"`. */
  readonly scaling?: "fixed" | "auto" | undefined
}

export class Unhealthy {
  readonly _tag = "Unhealthy"
}

const steps = Effect.andThen(Effect.yieldNow, Effect.yieldNow)

/** Builds a herd in the scope, with workers that have started. */
export const open = ({ failsEvery = Infinity, ...options }: Options = {}, made = counts()) =>
  Effect.gen(function* () {
    let calls = 0
    const onCreate = Effect.gen(function* () {
      yield* steps
      if (++calls % failsEvery === 0) return yield* Effect.fail("no tool")
      const tool = yield* Effect.acquireRelease(
        Effect.sync(() => {
          made.created++
          return { alive: true, inUse: false }
        }),
        (tool) =>
          Effect.gen(function* () {
            yield* steps
            if (!tool.alive) made.wrong.push("a tool was destroyed twice")
            if (tool.inUse) made.wrong.push("a tool was destroyed while in use")
            tool.alive = false
            made.destroyed++
          })
      )
      yield* steps
      return tool
    })
    const layer = Workshop.layer({
      workers: { min: 0, max: 2 },
      scaling: "fixed",
      // Those who are built by the thousand are not asked four times a second.
      scalingInterval: "1 second",
      ...options,
      onCreate,
      onDestroy: () => steps,
      ready: () => steps,
      onInterrupt: () => steps,
      createRetry: Schedule.spaced("10 millis"),
      checkHealth: (cause) => !(Cause.squash(cause) instanceof Unhealthy)
    })
    const herd = Context.get(yield* Layer.build(layer), Workshop)
    const work = Effect.acquireUseRelease(
      Effect.gen(function* () {
        const tool = yield* Tool
        if (!tool.alive) made.wrong.push("a task got a dead tool")
        if (tool.inUse) made.wrong.push("a tool was leased twice")
        tool.inUse = true
        made.working++
        return tool
      }),
      () => Effect.as(steps, "done"),
      (tool) =>
        Effect.gen(function* () {
          yield* steps
          tool.inUse = false
          made.working--
        })
    )
    // Until every worker has started: what follows takes the same steps each time.
    yield* Effect.sleep("1 minute")
    const world: World = { herd, made, work }
    return world
  })

/**
 * Nothing is lost: the herd is at rest, and every worker still runs a task, all at the same time. Where a policy has
 * sent workers away, it brings them again.
 */
export const whole = ({ herd, made }: World, workers = 2) =>
  Effect.gen(function* () {
    yield* herd.awaitIdle
    yield* Effect.sleep("1 minute")
    assert.strictEqual(made.working, 0, "no body goes on")
    assert.deepStrictEqual(made.wrong, [])
    const stats = yield* herd.stats
    assertConserved(stats)
    const { admitting, delayed, queued, running } = stats.tasks
    assert.strictEqual(admitting + delayed + queued + running, 0, "no task is left")
    assert.strictEqual(stats.resources.alive, made.created - made.destroyed, "alive")
    assert.strictEqual(stats.resources.temporary, 0, "no temporary resource is left")
    if (stats.state === "running") {
      const constant = stats.scaling.policy === "fixed" || stats.scaling.pinned
      const { idle, size, stopping, target } = stats.workers
      assert.strictEqual(idle, constant ? workers : size, "every worker is idle")
      assert.deepStrictEqual([size, stopping], [target, 0], "there are as many as are wanted")
      assert.strictEqual(stats.resources.alive, idle + stats.resources.spares, "every resource has its owner")
      let together = 0
      const all = yield* Deferred.make<void>()
      const meet = Effect.suspend(() =>
        ++together === workers ? Deferred.succeed(all, undefined) : Deferred.await(all)
      )
      yield* herd.runAll(Array.from({ length: workers }, () => meet))
    }
    yield* closed({ herd, made })
  })

/** The herd closes, and leaves nothing behind. */
export const closed = ({ herd, made }: Pick<World, "herd" | "made">) =>
  Effect.gen(function* () {
    const report = yield* herd.kill
    assert.strictEqual(report.leaked, 0, "nothing is left behind")
    const stats = yield* herd.stats
    assertConserved(stats)
    assert.strictEqual(stats.state, "closed")
    const { admitting, delayed, queued, running } = stats.tasks
    assert.strictEqual(admitting + delayed + queued + running, 0, "no task is left after the close")
    assert.strictEqual(stats.workers.size + stats.workers.stopping, 0, "no worker is left after the close")
    assert.strictEqual(made.created, made.destroyed, "no resource is left after the close")
    assert.strictEqual(made.working, 0, "no body goes on after the close")
    assert.deepStrictEqual(made.wrong, [])
  })

/** Every one of these fibers has ended. */
export const settled = (fibers: Iterable<Fiber.Fiber<unknown, unknown>>) =>
  Effect.sync(() => {
    let left = 0
    for (const fiber of fibers) if (fiber.pollUnsafe() === undefined) left++
    assert.strictEqual(left, 0, "every caller is settled")
  })
