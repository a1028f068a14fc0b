// A herd with flow control that lives as long as the test.
import { Context, Effect, Layer } from "effect"
import { Herd } from "../../src/index.ts"

export class Flow extends Herd.Service<Flow>()("test/Flow", { sheds: true }) {}
export class Strict extends Herd.Service<Strict>()("test/Strict", { sheds: true, limits: "reject" }) {}

class Thing extends Context.Service<Thing, string>()("test/flow/Thing") {}
export class Owning extends Herd.Service<Owning>()("test/Owning", { resource: Thing }) {}

type Options = Herd.CommonOptions<"suspend">

const ends = { drain: 0, interrupt: 0, destroy: 0 }

export const flow = (options: Options = {}) =>
  Effect.map(Layer.build(Flow.layer({ scaling: "fixed", ...options, shutdown: ends })), Context.get(Flow))
export const owning = (
  options: Options & {
    readonly onCreate: Effect.Effect<string>
    readonly validate?: () => Effect.Effect<boolean>
  }
) =>
  Effect.map(Layer.build(Owning.layer({ scaling: "fixed", ...options, shutdown: ends })), Context.get(Owning))
export const strict = (options: Options = {}) =>
  Effect.map(Layer.build(Strict.layer({ scaling: "fixed", ...options, shutdown: ends })), Context.get(Strict))
