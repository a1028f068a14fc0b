// @effect-diagnostics missingEffectError:off
import { Context, Effect, type Layer, Schema } from "effect"
import { Herd, type InvalidConfig } from "lemmings"
import { describe, expectTypeOf, it } from "vitest"
import { Job, Jobs, type JobStore } from "../../src/index.ts"
import type * as JobError from "../../src/port/JobError.ts"

class Bounced extends Schema.TaggedError<Bounced>()("Bounced", { to: Schema.String }) {}
class Mailbox extends Context.Service<Mailbox, { readonly name: string }>()("types/Mailbox") {}
class Clerk extends Context.Service<Clerk, { readonly name: string }>()("types/Clerk") {}
class Mailers extends Herd.Service<Mailers>()("types/Mailers", { resource: Mailbox }) {}

const Send = Job.make("Send", {
  payload: { to: Schema.String, at: Schema.Date },
  success: Schema.Date,
  error: Bounced,
  idempotencyKey: ({ at, to }) => `${to}/${at.getTime()}`,
  retryable: (error) => error.to !== ""
})
const Nothing = Job.make("Nothing")

type End = JobError.JobFailed | JobError.JobCancelled | JobError.JobNotFound | JobError.JobStoreError
declare const payload: { readonly to: string; readonly at: Date }

describe("a request", () => {
  it("takes the payload of its declaration", () => {
    expectTypeOf(Send).parameter(0).toEqualTypeOf<{ readonly to: string; readonly at: Date }>()
    // @ts-expect-error the date is missing
    void Send({ to: "a" })
    // @ts-expect-error encoded is not decoded
    void Send({ to: "a", at: "2026-01-01" })
    expectTypeOf(Nothing()).toEqualTypeOf<Job.Request<void, never>>()
  })
})

describe("execute", () => {
  it("gives the result, the job's own error, and what may become of a job: no more", () => {
    expectTypeOf(Jobs.execute(Send(payload))).toEqualTypeOf<
      Effect.Effect<Date, Bounced | JobError.EnqueueFailed | End, Jobs.Jobs>
    >()
    expectTypeOf(Jobs.execute(Nothing())).toEqualTypeOf<
      Effect.Effect<void, JobError.EnqueueFailed | End, Jobs.Jobs>
    >()
    expectTypeOf(Jobs.await(Send, "id")).toEqualTypeOf<Effect.Effect<Date, Bounced | End, Jobs.Jobs>>()
  })

  it("enqueue gives one id for one, and many for many", () => {
    expectTypeOf(Jobs.enqueue(Send(payload))).toEqualTypeOf<
      Effect.Effect<string, JobError.EnqueueFailed, Jobs.Jobs>
    >()
    expectTypeOf(Jobs.enqueue([Send(payload), Nothing()])).toEqualTypeOf<
      Effect.Effect<ReadonlyArray<string>, JobError.EnqueueFailed, Jobs.Jobs>
    >()
  })
})

describe("a handler", () => {
  it("gives what its job declares", () => {
    // @ts-expect-error a text is not the result
    void Send.toLayer(() => Effect.succeed("late"))
    // @ts-expect-error not an error of the job
    void Send.toLayer(() => Effect.fail("no"))
    expectTypeOf(Send.toLayer(() => Effect.fail(new Bounced({ to: "a" })))).toEqualTypeOf<
      Layer.Layer<never, InvalidConfig, JobStore.JobStore>
    >()
  })

  it("requires what it asks for, but not what the herd provides", () => {
    const handler = () =>
      Effect.gen(function* () {
        yield* Mailbox
        yield* Clerk
        return new Date(0)
      })
    expectTypeOf(Send.toLayer(handler)).toEqualTypeOf<
      Layer.Layer<never, InvalidConfig, JobStore.JobStore | Mailbox | Clerk>
    >()
    expectTypeOf(Send.toLayer(handler, { herd: Mailers })).toEqualTypeOf<
      Layer.Layer<never, InvalidConfig, JobStore.JobStore | Mailers | Clerk>
    >()
  })
})
