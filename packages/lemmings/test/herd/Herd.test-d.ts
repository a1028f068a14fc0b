import {
  type Cause,
  Context,
  type Duration,
  Effect,
  type Exit,
  type Layer,
  Schedule,
  type Scope,
  type Stream
} from "effect"
import { describe, expectTypeOf, it } from "vitest"
import {
  type AcquireTimeout,
  type DeadlineExceeded,
  type ErrorsOf,
  Herd,
  type HerdClosed,
  type InvalidConfig,
  Lemmings,
  type LemmingsLive,
  type QueueFull,
  type ResourceUnavailable,
  type ScalingDecision,
  ScalingPolicy,
  type ShutdownReport,
  type TaskHandle,
  type TaskOptions,
  type TaskOutput,
  type TaskShed,
  type TaskTimeout
} from "../../src/index.ts"

interface Row {
  readonly id: number
}
interface SqlError {
  readonly _tag: "SqlError"
}
interface Web {
  readonly _tag: "Web"
}
class Connection extends Context.Service<
  Connection,
  {
    readonly query: (sql: string) => Effect.Effect<ReadonlyArray<Row>, SqlError>
    readonly close: Effect.Effect<void>
  }
>()("app/Connection") {}

class DbHerd extends Herd.Service<DbHerd>()("app/DbHerd", { resource: Connection }) {}
class Rejecting extends Herd.Service<Rejecting>()("app/Rejecting", { overflow: "reject" }) {}
class Oldest extends Herd.Service<Oldest>()("app/Oldest", { overflow: "dropOldest" }) {}
class Lowest extends Herd.Service<Lowest>()("app/Lowest", { overflow: "dropLowest" }) {}
class Shedding extends Herd.Service<Shedding>()("app/Shedding", { sheds: true }) {}
class Suspending extends Herd.Service<Suspending>()("app/Suspending", { overflow: "suspend" }) {}

declare const query: Effect.Effect<string, "own", Web>
declare const options: TaskOptions<"own">
declare const source: Stream.Stream<number, "source", "Source">
declare const open: Effect.Effect<Connection["Service"], "open", Web | Scope.Scope>

describe("run", () => {
  it("takes the resource out of the requirements and adds only HerdClosed", () => {
    const rows = DbHerd.run(Effect.flatMap(Connection, (connection) => connection.query("select 1")))
    expectTypeOf(rows).toEqualTypeOf<Effect.Effect<ReadonlyArray<Row>, SqlError | HerdClosed, DbHerd>>()
  })

  it("keeps the task's other requirements", () => {
    const both = DbHerd.run(Effect.andThen(Connection, query))
    expectTypeOf(both).toEqualTypeOf<Effect.Effect<string, "own" | HerdClosed, DbHerd | Web>>()
    expectTypeOf(Lemmings.run(Effect.asVoid(Connection))).toEqualTypeOf<
      Effect.Effect<void, HerdClosed, Lemmings | Connection>
    >()
  })

  it("on a herd at hand requires no herd", () => {
    Effect.gen(function* () {
      const herd = yield* DbHerd
      expectTypeOf(herd.run(Effect.asVoid(Connection))).toEqualTypeOf<Effect.Effect<void, HerdClosed>>()
    })
  })

  it("with a limit adds its error, without it nothing", () => {
    type Result<E> = Effect.Effect<string, "own" | HerdClosed | E, Lemmings | Web>
    expectTypeOf(Lemmings.run(query, { timeout: "1 second" })).toEqualTypeOf<Result<TaskTimeout>>()
    expectTypeOf(Lemmings.run(query, { deadline: 10 })).toEqualTypeOf<Result<DeadlineExceeded>>()
    expectTypeOf(Lemmings.run(query, { acquireTimeout: 10 })).toEqualTypeOf<Result<AcquireTimeout>>()
    expectTypeOf(Lemmings.run(query, { timeout: 1, deadline: 2 })).toEqualTypeOf<
      Result<TaskTimeout | DeadlineExceeded>
    >()
    expectTypeOf(Lemmings.run(query, { timeout: 1, deadline: 2, acquireTimeout: 3 })).toEqualTypeOf<
      Result<TaskTimeout | DeadlineExceeded | AcquireTimeout>
    >()
    expectTypeOf(Lemmings.run(query, { acquireTimeout: undefined })).toEqualTypeOf<Result<never>>()
    expectTypeOf(Lemmings.run(query, {})).toEqualTypeOf<Result<never>>()
    expectTypeOf(Lemmings.run(query, { priority: "high", once: true })).toEqualTypeOf<Result<never>>()
    expectTypeOf(Lemmings.run(query, { timeout: undefined })).toEqualTypeOf<Result<never>>()
  })

  it("with options that may have a timeout has its error", () => {
    type Result<E> = Effect.Effect<string, "own" | HerdClosed | E, Lemmings | Web>
    expectTypeOf(Lemmings.run(query, options)).toEqualTypeOf<
      Result<TaskTimeout | DeadlineExceeded | AcquireTimeout>
    >()
    const maybe = {} as { readonly timeout?: Duration.Input | undefined }
    expectTypeOf(Lemmings.run(query, maybe)).toEqualTypeOf<Result<TaskTimeout>>()
    type Either = { readonly timeout: "1 second" } | { readonly deadline: 5 } | { readonly once: true }
    expectTypeOf<ErrorsOf<Either>>().toEqualTypeOf<TaskTimeout | DeadlineExceeded>()
  })

  it("lets while and retry see the task's error", () => {
    Lemmings.run(query, {
      while: (error) => {
        expectTypeOf(error).toEqualTypeOf<"own" | TaskTimeout>()
        return true
      }
    })
    const onOwn = Schedule.forever.pipe(Schedule.setInputType<"own" | TaskTimeout>())
    Lemmings.run(query, { retry: onOwn })
    Lemmings.run(query, { retry: false })
    const onOther = Schedule.forever.pipe(Schedule.setInputType<"other">())
    // @ts-expect-error the schedule cannot take the task's error
    Lemmings.run(query, { retry: onOther })
    // @ts-expect-error the predicate cannot take the task's error
    Lemmings.run(query, { while: (error: "other") => error === "other" })
  })

  it("refuses unknown priorities and values that are no durations", () => {
    // @ts-expect-error no such name
    Lemmings.run(query, { priority: "urgent" })
    // @ts-expect-error no duration
    Lemmings.run(query, { timeout: true })
  })
})

describe("a declaration", () => {
  it("decides which errors of the queue are in the type", () => {
    type Result<E, H> = Effect.Effect<string, "own" | HerdClosed | E, H | Web>
    expectTypeOf(Rejecting.run(query)).toEqualTypeOf<Result<QueueFull, Rejecting>>()
    expectTypeOf(Oldest.run(query)).toEqualTypeOf<Result<TaskShed, Oldest>>()
    expectTypeOf(Lowest.run(query)).toEqualTypeOf<Result<TaskShed, Lowest>>()
    expectTypeOf(Shedding.run(query)).toEqualTypeOf<Result<TaskShed, Shedding>>()
    expectTypeOf(Suspending.run(query)).toEqualTypeOf<Result<never, Suspending>>()
  })

  it("must be matched by the layer's overflow", () => {
    Rejecting.layer({ queue: { overflow: "reject" } })
    Rejecting.layer({ queue: { capacity: 1 } })
    Lemmings.layer({ queue: { overflow: "suspend" } })
    // @ts-expect-error QueueFull is not in the type of its tasks
    Lemmings.layer({ queue: { overflow: "reject" } })
    // @ts-expect-error declared otherwise
    Rejecting.layer({ queue: { overflow: "dropOldest" } })
    // @ts-expect-error declared otherwise
    Oldest.layer({ queue: { overflow: "suspend" } })
  })
})

describe("submit, offer and runNow", () => {
  it("give a handle that has the task's errors and the herd's", () => {
    expectTypeOf(Lemmings.submit(query, { timeout: 1 })).toEqualTypeOf<
      Effect.Effect<
        TaskHandle<string, "own" | HerdClosed | TaskTimeout>,
        HerdClosed | TaskTimeout,
        Lemmings | Web
      >
    >()
    expectTypeOf(Lemmings.submit(query)).toEqualTypeOf<
      Effect.Effect<TaskHandle<string, "own" | HerdClosed>, HerdClosed, Lemmings | Web>
    >()
  })

  it("offer may always fail with QueueFull", () => {
    expectTypeOf(DbHerd.offer(Effect.asVoid(Connection))).toEqualTypeOf<
      Effect.Effect<TaskHandle<void, HerdClosed>, QueueFull | HerdClosed, DbHerd>
    >()
  })

  it("runNow may fail for want of a resource, and knows no retry and no priority", () => {
    expectTypeOf(DbHerd.runNow(Effect.asVoid(Connection))).toEqualTypeOf<
      Effect.Effect<void, HerdClosed | ResourceUnavailable, DbHerd>
    >()
    // @ts-expect-error it runs once
    DbHerd.runNow(query, { retry: Schedule.forever })
    // @ts-expect-error it has no place in the order
    DbHerd.runNow(query, { priority: "high" })
  })

  it("a handle's members have its types", () => {
    type Handle = TaskHandle<string, "own">
    expectTypeOf<Handle["join"]>().toEqualTypeOf<Effect.Effect<string, "own">>()
    expectTypeOf<Handle["await"]>().toEqualTypeOf<Effect.Effect<Exit.Exit<string, "own">>>()
    expectTypeOf<Handle["interrupt"]>().toEqualTypeOf<Effect.Effect<void>>()
  })
})

describe("runAll", () => {
  it("with failFast gives the results, and with settle an exit each and no error", () => {
    type E = "own" | HerdClosed
    type R = Lemmings | Web
    const queries: ReadonlyArray<typeof query> = [query, query]
    expectTypeOf(Lemmings.runAll(queries)).toEqualTypeOf<Effect.Effect<Array<string>, E, R>>()
    expectTypeOf(Lemmings.runAll(queries, { mode: "failFast" })).toEqualTypeOf<
      Effect.Effect<Array<string>, E, R>
    >()
    expectTypeOf(Lemmings.runAll(new Set([query]), { mode: "settle" })).toEqualTypeOf<
      Effect.Effect<Array<Exit.Exit<string, E>>, never, R>
    >()
    expectTypeOf(Lemmings.runAll(queries, { mode: "settle", timeout: 1 })).toEqualTypeOf<
      Effect.Effect<Array<Exit.Exit<string, E | TaskTimeout>>, never, R>
    >()
    // @ts-expect-error no such mode
    Lemmings.runAll([query], { mode: "race" })
  })

  it("takes a tuple as Effect.all does: each result has the type of its task", () => {
    const all = DbHerd.runAll([query, Effect.succeed(1), Effect.as(Connection, true)])
    expectTypeOf(all).toEqualTypeOf<
      Effect.Effect<[string, number, boolean], "own" | HerdClosed, DbHerd | Web>
    >()
    const settled = DbHerd.runAll([query, Effect.succeed(1)], { mode: "settle", timeout: 1 })
    expectTypeOf(settled).toEqualTypeOf<
      Effect.Effect<
        [Exit.Exit<string, "own" | HerdClosed | TaskTimeout>, Exit.Exit<number, HerdClosed | TaskTimeout>],
        never,
        DbHerd | Web
      >
    >()
    expectTypeOf(Lemmings.runAll([])).toEqualTypeOf<Effect.Effect<[], HerdClosed, Lemmings>>()
  })

  it("takes a record as Effect.all does: each result has the key and the type of its task", () => {
    const all = Lemmings.runAll({ name: query, count: Effect.succeed(1) })
    expectTypeOf(all).toEqualTypeOf<
      Effect.Effect<{ name: string; count: number }, "own" | HerdClosed, Lemmings | Web>
    >()
    const settled = Lemmings.runAll({ name: query, count: Effect.fail("no" as const) }, { mode: "settle" })
    expectTypeOf(settled).toEqualTypeOf<
      Effect.Effect<
        { name: Exit.Exit<string, "own" | HerdClosed>; count: Exit.Exit<never, "no" | HerdClosed> },
        never,
        Lemmings | Web
      >
    >()
    const byName: Record<string, typeof query> = {}
    expectTypeOf(Lemmings.runAll(byName)).toEqualTypeOf<
      Effect.Effect<{ [x: string]: string }, "own" | HerdClosed, Lemmings | Web>
    >()
  })

  it("lets while and retry see the errors of all tasks", () => {
    Lemmings.runAll([query, Effect.fail(5)], {
      while: (error) => {
        expectTypeOf(error).toEqualTypeOf<"own" | number | TaskTimeout>()
        return true
      }
    })
    // @ts-expect-error a value is no task
    Lemmings.runAll([query, 5])
  })
})

describe("stream", () => {
  it("keeps the source's error and requirements apart from the tasks'", () => {
    const outputs = DbHerd.stream(source, (n) => Effect.as(Effect.andThen(Connection, query), n), {
      timeout: 1
    })
    expectTypeOf(outputs).toEqualTypeOf<
      Stream.Stream<
        TaskOutput<number, number, "own" | HerdClosed | TaskTimeout>,
        "source",
        DbHerd | "Source" | Web
      >
    >()
  })

  it("an output has the input, and an exit of the task's types", () => {
    expectTypeOf<TaskOutput<number, string, "own">["result"]>().toEqualTypeOf<Exit.Exit<string, "own">>()
    expectTypeOf<TaskOutput<number, string, "own">["input"]>().toEqualTypeOf<number>()
  })
})

describe("layer", () => {
  it("requires what its callbacks require, without Scope", () => {
    const live = DbHerd.layer({
      onCreate: open,
      onDestroy: () => Effect.asVoid(Effect.service(Context.Service<"Destroy", "Destroy">("Destroy"))),
      ready: () => Effect.asVoid(Effect.service(Context.Service<"Ready", "Ready">("Ready"))),
      onInterrupt: () => Effect.asVoid(Effect.service(Context.Service<"Stop", "Stop">("Stop"))),
      hooks: { onTaskStart: () => Effect.asVoid(Effect.service(Context.Service<"Hook", "Hook">("Hook"))) }
    })
    expectTypeOf(live).toEqualTypeOf<
      Layer.Layer<DbHerd, InvalidConfig, Web | "Destroy" | "Ready" | "Stop" | "Hook">
    >()
  })

  it("without callbacks that require something requires nothing", () => {
    expectTypeOf(Lemmings.layer()).toEqualTypeOf<Layer.Layer<Lemmings, InvalidConfig>>()
    expectTypeOf(Lemmings.layer({ workers: { max: 4 } })).toEqualTypeOf<
      Layer.Layer<Lemmings, InvalidConfig>
    >()
    expectTypeOf<typeof LemmingsLive>().toEqualTypeOf<Layer.Layer<Lemmings, InvalidConfig>>()
  })

  it("requires onCreate where a resource is declared, and refuses it where none is", () => {
    // @ts-expect-error the workers' resource has to come from somewhere
    DbHerd.layer({ workers: { max: 1 } })
    // @ts-expect-error the workers' resource has to come from somewhere
    DbHerd.layer()
    // @ts-expect-error no resource is declared
    Lemmings.layer({ onCreate: open })
  })

  it("refuses a resource of another shape", () => {
    // @ts-expect-error no connection
    DbHerd.layer({ onCreate: Effect.succeed({ query: "select" }) })
    // @ts-expect-error no connection
    DbHerd.layer({ onCreate: () => Effect.succeed(1) })
  })

  it("gives onCreate the worker and the others the resource", () => {
    DbHerd.layer({
      onCreate: ({ burst, workerId }) => {
        expectTypeOf(workerId).toEqualTypeOf<number>()
        expectTypeOf(burst).toEqualTypeOf<boolean>()
        return open
      },
      onDestroy: (connection) => connection.close,
      ready: (connection) => connection.query("select 1"),
      checkHealth: (cause) => {
        expectTypeOf(cause).toEqualTypeOf<Cause.Cause<unknown>>()
        return true
      }
    })
  })

  it("that waits for its resources may fail for want of one, and only that", () => {
    type Live<E> = Layer.Layer<DbHerd, InvalidConfig | E, Web>
    const maybe = {} as { readonly start?: "background" | "eager" | undefined }
    expectTypeOf(DbHerd.layer({ onCreate: open, start: "eager" })).toEqualTypeOf<Live<ResourceUnavailable>>()
    expectTypeOf(DbHerd.layer({ onCreate: open, ...maybe })).toEqualTypeOf<Live<ResourceUnavailable>>()
    expectTypeOf(DbHerd.layer({ onCreate: open, start: "background" })).toEqualTypeOf<Live<never>>()
    expectTypeOf(DbHerd.layer({ onCreate: open, start: "lazy" })).toEqualTypeOf<Live<never>>()
    expectTypeOf(DbHerd.layer({ onCreate: open })).toEqualTypeOf<Live<never>>()
    // Workers that own nothing are there at once.
    expectTypeOf(Lemmings.layer({ start: "eager" })).toEqualTypeOf<Layer.Layer<Lemmings, InvalidConfig>>()
  })

  it("takes a policy, or the name of one", () => {
    Lemmings.layer({ scaling: "littlesLaw" })
    Lemmings.layer({ scaling: ScalingPolicy.latency({ target: "1 second" }) })
    // @ts-expect-error no policy
    Lemmings.layer({ scaling: { target: 4 } })
  })

  it("refuses unknown settings", () => {
    // @ts-expect-error no such field
    Lemmings.layer({ workers: { maximum: 4 } })
    // @ts-expect-error no such policy
    Lemmings.layer({ scaling: "elastic" })
  })
})

describe("a herd", () => {
  it("says what its lifecycle calls may fail with", () => {
    type Service = Context.Service.Shape<typeof Lemmings>
    expectTypeOf<Service["resize"]>().toEqualTypeOf<
      (workers: number | "auto") => Effect.Effect<void, InvalidConfig | HerdClosed>
    >()
    expectTypeOf<Service["history"]>().toEqualTypeOf<Effect.Effect<ReadonlyArray<ScalingDecision>>>()
    expectTypeOf<Service["pause"]>().toEqualTypeOf<Effect.Effect<void>>()
    expectTypeOf<Service["kill"]>().toEqualTypeOf<Effect.Effect<ShutdownReport>>()
    expectTypeOf<ReturnType<Service["stop"]>>().toEqualTypeOf<Effect.Effect<ShutdownReport, InvalidConfig>>()
  })
})
