/**
 * The declaration of a job.
 *
 * @since 0.4.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type AnyJob, codecOf, type Options, settingsOf, sizesOf, type Side } from "./job/JobDefinition.ts"
import * as JobWorkers from "./work/JobWorkers.ts"

export type {
  /**
   * @category models
   * @since 0.4.0
   */
  AnyJob,
  /**
   * @category models
   * @since 0.4.0
   */
  Options,
  /**
   * @category models
   * @since 0.4.0
   */
  Retention
} from "./job/JobDefinition.ts"

/**
 * A job with its payload, to be enqueued.
 *
 * @category models
 * @since 0.4.0
 */
export interface Request<out A = unknown, out E = unknown> {
  readonly job: AnyJob
  readonly payload: unknown
  readonly "~types": { readonly success: A; readonly error: E }
}

/**
 * A declared job. Calling it with a payload makes a request.
 *
 * @category models
 * @since 0.4.0
 */
export interface Job<out Name extends string, in out P, in out A, in out E> extends AnyJob {
  (payload: P): Request<A, E>
  readonly name: Name
  readonly "~types": { readonly payload: P; readonly success: A; readonly error: E }
  /** The layer that runs the jobs: see `JobWorkers.layer`. */
  readonly toLayer: <R = never, Self = never, D = never>(
    handler: (payload: P, context: JobWorkers.JobContext) => Effect.Effect<A, E, R>,
    options?: JobWorkers.Options<Self, D>
  ) => JobWorkers.WorkersLayer<R, Self, D>
}

type Fields = { readonly [name: string]: Schema.Codec<unknown, unknown> }

type TypeOf<S, Default> =
  S extends Schema.Codec<infer T, infer _> ? T : S extends Fields ? Schema.Struct<S>["Type"] : Default

// The fields ask for no services, which the struct of unknown fields does not know.
const structOf = (fields: Fields) => Schema.Struct(fields) as unknown as Schema.Codec<unknown, unknown>

/**
 * Declares a job. The name is that of its queue: letters, digits, `_`, `-`, `.` and `/`. What is left out of the schemas
 * travels as nothing (`payload`, `success`: `void`; `error`: `never`).
 *
 * Throws `InvalidConfig` where an option is out of range.
 *
 * **Example** (Enqueued, run, and waited for)
 *
 * ```ts import.meta.vitest
 * import { Effect, Layer, Schema } from "effect"
 * import { Job, Jobs } from "@lemmings/durable"
 *
 * const Greet = Job.make("Greet", { payload: { name: Schema.String }, success: Schema.String })
 *
 * const Greeting = Greet.toLayer(({ name }) => Effect.succeed(`Hello, ${name}`))
 *
 * const program = Jobs.execute(Greet({ name: "Ada" }))
 *
 * const live = Greeting.pipe(Layer.provideMerge(Jobs.layerMemory()))
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => "Hello, Ada"
 * ```
 *
 * @category constructors
 * @since 0.4.0
 */
export const make = <
  const Name extends string,
  P extends Side | Fields = undefined,
  A extends Side = undefined,
  E extends Side = undefined
>(
  name: Name,
  options: {
    readonly payload?: P
    readonly success?: A
    readonly error?: E
  } & Options<TypeOf<P, void>, TypeOf<E, never>> = {}
): Job<Name, TypeOf<P, void>, TypeOf<A, void>, TypeOf<E, never>> => {
  const { error, payload, success } = options
  const most = sizesOf(options)
  const side =
    payload === undefined || Schema.isSchema(payload)
      ? codecOf(payload, false, most.payload)
      : codecOf(structOf(payload), false, most.payload)
  const request = (value: unknown): Request => ({
    job: declared,
    payload: value,
    "~types": { success: undefined, error: undefined }
  })
  Object.defineProperty(request, "name", { value: name })
  const declared = Object.assign(request, {
    codecs: {
      payload: side,
      success: codecOf(success, false, most.result),
      error: codecOf(error, true, most.result)
    },
    settings: settingsOf(name, options as Options<never, never>),
    "~types": { payload: undefined, success: undefined, error: undefined },
    toLayer: (handler: never, given: never): unknown => JobWorkers.layer(declared as never, handler, given)
  }) as unknown as Job<Name, TypeOf<P, void>, TypeOf<A, void>, TypeOf<E, never>>
  return declared
}
