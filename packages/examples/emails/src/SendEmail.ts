// A job, what is done for it, and where jobs are stored.
import { Job, Jobs } from "@lemmings/durable"
import { Effect, Schema } from "effect"

export const SendEmail = Job.make("examples/SendEmail", {
  payload: { run: Schema.String, to: Schema.String },
  // The same e-mail of the same run is the same job, however often it is enqueued.
  idempotencyKey: ({ run, to }) => `${run}/${to}`,
  timeout: "10 seconds"
})

/** What the worker tells the process that started it. */
export type Told =
  | { readonly _tag: "Enqueued"; readonly ids: ReadonlyArray<string> }
  /** An e-mail, as the mail server gets it. The id is the job's. */
  | { readonly _tag: "Email"; readonly id: string; readonly to: string }

export const tell = (told: Told) =>
  Effect.callback<void, Error>((resume) => {
    process.send?.(told, undefined, undefined, (error) =>
      resume(error === null ? Effect.void : Effect.fail(error))
    )
  })

/** Hands the e-mail over and waits for the answer. Who is killed in between does not know that it was sent. */
export const sending = SendEmail.toLayer(
  ({ to }, { id }) =>
    Effect.orDie(tell({ _tag: "Email", id, to })).pipe(Effect.andThen(Effect.sleep("20 millis"))),
  { concurrency: 8 }
)

/** How long a worker may give no sign of life before its jobs are another's. In production 15 seconds, the default, do. */
export const lease = "2 seconds"

/** The line that changes. */
export const store = (directory: string, url: string | undefined) =>
  url === undefined ? Jobs.layerEmbedded({ directory, lease }) : Jobs.layerPostgres({ url, lease })
