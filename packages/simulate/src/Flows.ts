/** The loads that show who is served when there is more work than workers: what is compared are not policies. */
import { Load, type SimulationOptions } from "lemmings/testing"

/** One way to run a load. */
interface Variant {
  readonly name: string
  readonly options: Omit<SimulationOptions, "seed">
}

/** A load, and the ways to run it that are compared. */
export interface FlowScene {
  readonly name: string
  readonly about: string
  readonly variants: ReadonlyArray<Variant>
}

const workers = 8
const capacity = (workers * 1000) / 100
const services = { fixed: Load.constant(100), exponential: Load.exponential(100) }

/** What comes, in parts of what the workers can do. */
export const overloads: ReadonlyArray<number> = [0.9, 1.1, 1.5, 3]

const overload = (
  factor: number,
  service: keyof typeof services,
  dropping: "predicted" | "expired"
): Variant => ({
  name: `${factor} x, ${service}, ${dropping}`,
  options: {
    load: Load.steps("overload", [{ lasts: "60 seconds", perSecond: factor * capacity }]),
    policy: "fixed",
    workers: { min: workers, max: workers },
    service: services[service],
    interruptible: false,
    // Nothing is expected of a label that no task had before.
    options: (task) => ({ deadline: "1 second", label: dropping === "expired" ? `${task}` : "work" })
  }
})

export const flowScenes: ReadonlyArray<FlowScene> = [
  {
    name: "overload",
    about: "0.9 to 3 times what 8 workers can do, with a deadline of 1 s",
    variants: (["fixed", "exponential"] as const).flatMap((service) =>
      overloads.flatMap((factor) => [
        overload(factor, service, "predicted"),
        overload(factor, service, "expired")
      ])
    )
  }
]
