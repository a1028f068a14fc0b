/** Herds and small tools that the scenarios share. */
import { Context, Effect, type Exit, type Fiber, Latch, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"

/** Workers without a resource, on which `clear` is called. */
export class Bare extends Herd.Service<Bare>()("scenarios/Bare", { sheds: true }) {}

/** Refuses when full. */
export class Strict extends Herd.Service<Strict>()("scenarios/Strict", { overflow: "reject" }) {}

export interface ToolShape {
  readonly id: number
  destroyed: boolean
  uses: number
}

export class Tool extends Context.Service<Tool, ToolShape>()("scenarios/Tool") {}

/** Workers that own a tool. */
export class Tools extends Herd.Service<Tools>()("scenarios/Tools", { resource: Tool, sheds: true }) {}

// A test that leaves tasks behind must not wait 30 virtual seconds that nobody lets pass.
const shutdown = { drain: 0, interrupt: 0, destroy: 0 } as const

// What the scenarios come from has a constant number of workers, or one that only its user changes.
const common = { shutdown, scaling: "fixed" } as const

type Options = Herd.CommonOptions<"suspend">

export const bare = (options: Options = {}) => Bare.layer({ ...common, ...options })
export const strict = (options: Herd.CommonOptions<"reject"> = {}) => Strict.layer({ ...common, ...options })

/** Makes tools and remembers every one. */
export const toolbox = () => {
  const tools: Array<ToolShape> = []
  return {
    tools,
    alive: () => tools.filter(({ destroyed }) => !destroyed).length,
    make: Effect.sync((): ToolShape => {
      const tool = { id: tools.length + 1, destroyed: false, uses: 0 }
      tools.push(tool)
      return tool
    }),
    destroy: (tool: ToolShape) =>
      Effect.sync(() => {
        tool.destroyed = true
      })
  }
}

type ResourceOptions = Partial<Herd.ResourceOptions<ToolShape, Scope.Scope>>

export const owning = (box: ReturnType<typeof toolbox>, options: Options & ResourceOptions = {}) =>
  Tools.layer({ onCreate: box.make, onDestroy: box.destroy, ...common, ...options })

/** Uses the worker's tool and returns its number. */
export const useTool = Effect.map(Tool, (tool) => {
  tool.uses++
  return tool.id
})

/** Lets every fiber go as far as it can without time passing. */
export const flush: Effect.Effect<void> = TestClock.adjust(0)

/** Starts a caller at once, so that callers submit in the order in which they start. */
export const start = <A, E, R>(caller: Effect.Effect<A, E, R>) =>
  Effect.forkChild(caller, { startImmediately: true })

export const exitOf = <A, E>(fiber: Fiber.Fiber<A, E>): Exit.Exit<A, E> | undefined => fiber.pollUnsafe()

/** Tasks that wait until somebody opens the gate, and how many have done what. */
export const gate = () => {
  const latch = Latch.makeUnsafe()
  const seen = { running: 0, peak: 0, started: 0, ended: 0, interrupted: 0 }
  return {
    seen,
    open: latch.open,
    task: Effect.onInterrupt(
      Effect.ensuring(
        Effect.suspend(() => {
          seen.started++
          seen.running++
          seen.peak = Math.max(seen.peak, seen.running)
          return latch.await
        }),
        Effect.sync(() => {
          seen.running--
          seen.ended++
        })
      ),
      () =>
        Effect.sync(() => {
          seen.interrupted++
        })
    )
  }
}

/** Notes its name when it runs. */
export const logger = <A = string>() => {
  const log: Array<A> = []
  return { log, note: (entry: A) => Effect.sync(() => void log.push(entry)) }
}

/** Every accepted task is in one place. */
export const conserved = ({ tasks }: Effect.Success<Herd.Herd<object>["stats"]>): boolean =>
  tasks.submitted ===
  tasks.queued +
    tasks.delayed +
    tasks.running +
    tasks.succeeded +
    tasks.failed +
    tasks.interrupted +
    tasks.shed
