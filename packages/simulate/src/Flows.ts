/** The loads that show who is served when there is more work than workers: what is compared are not policies. */
import { Schedule } from "effect"
import { Load, type SimulationOptions, type SimulationReport } from "lemmings/testing"
import type { Panel } from "./Picture.ts"

/** One way to run a load. */
interface Variant {
  readonly name: string
  readonly options: Omit<SimulationOptions, "seed">
}

/** A load, and the ways to run it that are compared. */
interface FlowScene {
  readonly name: string
  readonly about: string
  readonly variants: ReadonlyArray<Variant>
  /** What is drawn of it over time, and what is said of each way. */
  readonly picture?: {
    readonly panels: ReadonlyArray<Panel>
    readonly legend: (report: SimulationReport) => string
  }
}

const perSecond = (name: string, rate: number, lasts = 60) =>
  Load.steps(name, [{ lasts: lasts * 1000, perSecond: rate }])
const atOnce = (name: string, at: number, tasks: number) =>
  Load.fromArrivals(
    name,
    Array.from({ length: tasks }, () => ({ at }))
  )
const hundred = Load.constant(100)
const rounded = (n: number) => Math.round(n).toLocaleString("en-US")

// 8 workers do 80 tasks a second.
const eight = {
  points: 120,
  policy: "fixed",
  workers: { min: 8, max: 8 },
  service: hundred
} as const

const twoTenants: FlowScene = {
  name: "two-tenants",
  about: "one tenant sends 5,000 tasks at 10 s, another 10 each second",
  variants: (["arrival", "fair"] as const).map((order) => ({
    name: order === "fair" ? "in fair order" : "in order of arrival",
    options: {
      ...eight,
      load: Load.together("two-tenants", [
        { key: "large", load: atOnce("large", 10_000, 5_000) },
        { key: "small", load: perSecond("small", 10) }
      ]),
      flow: { queue: { order } }
    }
  })),
  picture: {
    panels: [
      {
        title: "tasks of the small tenant that wait",
        of: ({ keys }) => keys["small"]?.waiting ?? 0
      },
      {
        title: "tasks of the small tenant begun, in each half second",
        of: ({ keys }) => keys["small"]?.started ?? 0
      },
      {
        title: "tasks of the large tenant begun, in each half second",
        of: ({ keys }) => keys["large"]?.started ?? 0
      }
    ],
    legend: ({ keys, policy }) => {
      const small = keys.find(({ key }) => key === "small")
      return `${policy}: the small tenant waits ${rounded(small?.waitP99Millis ?? 0)} ms (p99)`
    }
  }
}

/** The first has 40 tasks waiting, the last 2,000, and the even ones are heavy. */
const manyTenants: FlowScene = {
  name: "many-tenants",
  about: "50 tenants with 40 to 2,000 tasks at once, every other of weight 2",
  variants: (["arrival", "fair"] as const).map((order) => ({
    name: order === "fair" ? "in fair order" : "in order of arrival",
    options: {
      ...eight,
      load: Load.together("many-tenants", [
        ...Array.from({ length: 50 }, (_, n) => ({
          key: `tenant-${50 - n}`,
          weight: n % 2 === 0 ? 2 : 1,
          load: atOnce("tenant", 0, (50 - n) * 40)
        })),
        // As long as it lasts, everybody wants more than he gets.
        { load: Load.fromArrivals("end", [], "25 seconds") }
      ]),
      flow: {
        queue: { order },
        limits: { weight: 16, perKey: { share: (key) => (Number(key.slice(7)) % 2 === 0 ? 2 : 1) } }
      }
    }
  })),
  picture: {
    panels: [
      { title: "tasks of the tenant with the most begun", of: ({ keys }) => keys["tenant-50"]?.started ?? 0 },
      { title: "tasks of the tenant with the least begun", of: ({ keys }) => keys["tenant-1"]?.started ?? 0 },
      {
        title: "tenants of whom one began",
        of: ({ keys }) => Object.values(keys).filter(({ started }) => started > 0).length
      }
    ],
    legend: ({ jain, policy }) => `${policy}: fairness (Jain) ${jain.toFixed(3)}`
  }
}

const retrying = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))

const backendDown: FlowScene = {
  name: "backend-down",
  about: "100 tasks a second, and a backend that is down for a minute",
  variants: [undefined, { ratio: 0.2, perSecond: 10 }].map((retryBudget) => ({
    name: retryBudget === undefined ? "without a retry budget" : "with a retry budget",
    options: {
      policy: "fixed",
      workers: { min: 64, max: 64 },
      service: hundred,
      load: perSecond("backend-down", 100, 120),
      faults: { tasksFail: { from: "30 seconds", until: "90 seconds" } },
      options: () => ({ retry: retrying }),
      flow: { retryBudget }
    }
  })),
  picture: {
    panels: [
      { title: "tasks that come, per second", of: ({ arrivalRate }) => arrivalRate, once: true },
      { title: "attempts, per second", of: ({ attemptRate }) => attemptRate }
    ],
    legend: ({ attempts, policy, tasks }) => `${policy}: ${(attempts / tasks).toFixed(2)} attempts a task`
  }
}

const rateLimited: FlowScene = {
  name: "rate-limited",
  about: "three hosts, 10 requests a second each and 30 in all, asked for three times as many",
  variants: (["gcra", "sliding"] as const).map((window) => {
    const rate = (limit: number) =>
      window === "gcra"
        ? ({ limit, per: "1 second", burst: 5, window } as const)
        : ({ limit, per: "1 second", window } as const)
    return {
      name: window === "gcra" ? "even (gcra)" : "exact (sliding window)",
      options: {
        policy: "fixed",
        workers: { min: 64, max: 64 },
        service: hundred,
        load: Load.together(
          "rate-limited",
          ["one", "two", "three"].map((key, n) => ({
            key,
            weight: n === 2 ? 2 : 1,
            load: perSecond(key, 30)
          }))
        ),
        flow: { queue: { order: "fair" }, limits: { rate: rate(30), perKey: { rate: rate(10) } } }
      }
    }
  }),
  picture: {
    panels: [
      { title: "requests that come, per second", of: ({ arrivalRate }) => arrivalRate, once: true },
      { title: "requests that start, per second", of: ({ attemptRate }) => attemptRate }
    ],
    legend: ({ policy, rateError }) => `${policy}: rate error ${(rateError * 100).toFixed(2)} %`
  }
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
  twoTenants,
  manyTenants,
  {
    name: "overload",
    about: "0.9 to 3 times what 8 workers can do, with a deadline of 1 s",
    variants: (["fixed", "exponential"] as const).flatMap((service) =>
      overloads.flatMap((factor) => [
        overload(factor, service, "predicted"),
        overload(factor, service, "expired")
      ])
    )
  },
  backendDown,
  rateLimited
]
