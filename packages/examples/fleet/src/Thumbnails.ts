// A job and the herd that runs it, of which every process has one of its own size.
import { Job } from "@lemmings/durable"
import { Effect, Schema } from "effect"
import { Herd } from "lemmings"

export const Thumbnail = Job.make("examples/Thumbnail", {
  payload: { picture: Schema.String },
  timeout: "10 seconds"
})

/** What a member tells the process that started it. */
export type Told =
  | { readonly _tag: "Ready"; readonly dashboard: string | undefined }
  | { readonly _tag: "Made"; readonly name: string }

export class Thumbnails extends Herd.Service<Thumbnails>()("examples/Thumbnails") {}

/** Stands for what takes time. */
export const making = (name: string, tell: (told: Told) => void) =>
  Thumbnail.toLayer(
    () =>
      Effect.andThen(
        Effect.sleep("40 millis"),
        Effect.sync(() => tell({ _tag: "Made", name }))
      ),
    { herd: Thumbnails }
  )
