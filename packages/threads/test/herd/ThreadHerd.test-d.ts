import { Context, Effect, type Exit } from "effect"
import type * as HerdError from "lemmings/HerdError"
import { describe, expectTypeOf, it } from "vitest"
import { ThreadHerd, ThreadTask, ThreadTasks } from "../../src/index.ts"
import type { InvalidPayload, ThreadsUnavailable, WorkerLost } from "../../src/task/ThreadError.ts"
import { serve } from "../../src/thread/worker.ts"
import { type Halt, Tell } from "../support/extras.tasks.ts"
import { Echo, Tomorrow, type TooWide } from "../support/tasks.ts"

const worker = new URL("../support/all.worker.ts", import.meta.url)
class Threads extends ThreadHerd.Service<Threads>()("types/Threads", { tasks: [Echo, Tomorrow], worker }) {}
class Rejecting extends ThreadHerd.Service<Rejecting>()("types/Rejecting", {
  tasks: [Echo],
  worker,
  overflow: "reject"
}) {}
class Telling extends ThreadHerd.Service<Telling>()("types/Telling", { tasks: [Tell], worker }) {}
const Other = ThreadTask.make("Other", { payload: ThreadTask.cloned<number>() })
class Tenant extends Context.Service<Tenant, string>()("types/Tenant") {}

type ErrorOf<T> = T extends Effect.Effect<infer _, infer E, infer _R> ? E : never
type Threading = WorkerLost | InvalidPayload | ThreadsUnavailable
declare const tomorrow: { readonly day: Date; readonly width: number }

describe("a call", () => {
  it("has the task's own error, what a thread may do, and what the herd adds: no more", () => {
    const call = Threads.run(Tomorrow(tomorrow))
    expectTypeOf(call).toEqualTypeOf<
      Effect.Effect<Date, TooWide | Threading | HerdError.HerdClosed, Threads>
    >()
    const echoed = Threads.run(Echo(1))
    expectTypeOf<ErrorOf<typeof echoed>>().toEqualTypeOf<Threading | HerdError.HerdClosed>()
  })

  it("adds what its options and the declaration make possible", () => {
    const timed = Threads.run(Echo(1), { timeout: "1 second" })
    expectTypeOf<ErrorOf<typeof timed>>().toEqualTypeOf<
      Threading | HerdError.HerdClosed | HerdError.TaskTimeout
    >()
    const rejected = Rejecting.run(Echo(1))
    expectTypeOf<ErrorOf<typeof rejected>>().toEqualTypeOf<
      Threading | HerdError.HerdClosed | HerdError.QueueFull
    >()
    const settled = Threads.runAll([Tomorrow(tomorrow)], { mode: "settle" })
    expectTypeOf(settled).toEqualTypeOf<
      Effect.Effect<[Exit.Exit<Date, TooWide | Threading | HerdError.HerdClosed>], never, Threads>
    >()
  })

  it("is checked against its declaration, and against its herd", () => {
    // @ts-expect-error the width is missing
    void Tomorrow({ day: new Date(0) })
    const elsewhere = Threads.run(Other(1))
    // What the herd does not serve stays required, and nobody can provide it.
    expectTypeOf(elsewhere).toEqualTypeOf<
      Effect.Effect<void, Threading | HerdError.HerdClosed, Threads | ThreadTask.Runs<"Other">>
    >()
  })
})

describe("a handler", () => {
  it("takes and gives what its task declares", () => {
    void ThreadTasks.serve([Tomorrow], {
      Tomorrow: ({ day, width }, { fail, origin, signal }) => {
        expectTypeOf(day).toEqualTypeOf<Date>()
        expectTypeOf(width).toEqualTypeOf<number>()
        expectTypeOf(fail).toEqualTypeOf<(error: TooWide) => never>()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        expectTypeOf(origin?.span?.traceId).toEqualTypeOf<string | undefined>()
        return day
      }
    })
    // @ts-expect-error a handler is missing
    void ThreadTasks.serve([Tomorrow], {})
    // @ts-expect-error the result is no date
    void ThreadTasks.serve([Tomorrow], { Tomorrow: () => "tomorrow" })
  })

  it("without Effect takes and gives what travels", () => {
    void serve<[typeof Tomorrow]>({
      Tomorrow: ({ day }) => {
        expectTypeOf(day).toEqualTypeOf<string>()
        return day
      }
    })
  })
})

describe("reports", () => {
  it("are typed by the task's declaration, on both sides", () => {
    const heard = Telling.run(
      Tell(
        { how: "awaits", count: 1 },
        {
          onReport: (report) => {
            expectTypeOf(report).toEqualTypeOf<{ readonly at: Date; readonly n: number }>()
            return Effect.andThen(Tenant, () => Effect.fail("no" as const))
          }
        }
      )
    )
    expectTypeOf(heard).toEqualTypeOf<
      Effect.Effect<number, Halt | "no" | Threading | HerdError.HerdClosed, Telling | Tenant>
    >()
    void ThreadTasks.serve([Tell], {
      Tell: (_, { report }) => {
        expectTypeOf(report).toEqualTypeOf<
          (value: { readonly at: Date; readonly n: number }) => Promise<void>
        >()
        return 1
      }
    })
    // @ts-expect-error this task says nothing
    void Tomorrow(tomorrow, { onReport: (report: string) => Effect.log(report) })
  })

  it("and the ends of a broadcast have the types of the task", () => {
    const all = Telling.broadcast(Tell({ how: "awaits", count: 1 }))
    expectTypeOf(all).toEqualTypeOf<
      Effect.Effect<ReadonlyArray<ThreadHerd.Broadcast<number, Halt | Threading>>, never, Telling>
    >()
    const elsewhere = Telling.broadcast(Echo(1))
    // What the herd does not serve stays required.
    expectTypeOf<Effect.Services<typeof elsewhere>>().toEqualTypeOf<Telling | ThreadTask.Runs<"Echo">>()
  })
})

describe("a herd of threads", () => {
  it("leaves the rest of what a task requires to the caller", () => {
    const task = Effect.flatMap(Echo(1), () => Tenant)
    expectTypeOf(Threads.run(task)).toEqualTypeOf<
      Effect.Effect<string, Threading | HerdError.HerdClosed, Threads | Tenant>
    >()
  })
})
