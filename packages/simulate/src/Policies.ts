/** The policies that are compared, each with its default parameters. */
import { ScalingPolicy } from "lemmings"

export const policies: ReadonlyArray<{
  readonly name: string
  /** `undefined`: as many workers as somebody who knows the load would choose. */
  readonly policy: (() => ScalingPolicy.ScalingPolicy) | undefined
}> = [
  { name: "fixed", policy: undefined },
  { name: "littlesLaw", policy: ScalingPolicy.littlesLaw },
  { name: "instant", policy: ScalingPolicy.instant },
  { name: "latency", policy: ScalingPolicy.latency },
  { name: "gradient", policy: () => ScalingPolicy.named(ScalingPolicy.gradient(), "gradient") },
  { name: "throughput", policy: ScalingPolicy.throughput },
  { name: "memory", policy: ScalingPolicy.memory },
  {
    name: "eventLoop",
    policy: () => ScalingPolicy.min(ScalingPolicy.littlesLaw(), ScalingPolicy.eventLoop())
  }
]
