/** The loads that the policies are compared on. */
import { Effect } from "effect"
import { Load, type SimulationOptions } from "lemmings/testing"
import { readFileSync } from "node:fs"

/** A load, and the herd that it meets. */
export interface Scene {
  readonly about: string
  readonly load: Load.Load
  /** The number of workers that somebody who knows the load would choose. */
  readonly tuned: number
  readonly max: number
  readonly service?: Load.ServiceTime
  readonly creation?: SimulationOptions["creation"]
  readonly between?: SimulationOptions["between"]
  readonly faults?: SimulationOptions["faults"]
}

const stepSquare = (name: string) =>
  Load.concat(
    name,
    Load.steps("step", [
      { lasts: "120 seconds", perSecond: 20 },
      { lasts: "120 seconds", perSecond: 200 },
      { lasts: "120 seconds", perSecond: 20 }
    ]),
    Load.squareWave({ name: "wave", duration: "120 seconds", period: "10 seconds", low: 20, high: 200 })
  )

const spike = (name: string) =>
  Load.spike({ name, before: "60 seconds", lasts: "20 seconds", after: "100 seconds", calm: 20, high: 200 })

export const scenes: ReadonlyArray<Scene> = [
  {
    about: "20, 200 and 20 tasks/s for two minutes each, then a square wave of 5 s",
    load: stepSquare("step-square"),
    tuned: 28,
    max: 64
  },
  { about: "a calm herd hit by ten times its load for 20 s", load: spike("spike"), tuned: 28, max: 64 },
  {
    about: "from 5 to 205 tasks/s and back in 400 s",
    load: Load.make({
      name: "ramp",
      duration: "400 seconds",
      peak: 205,
      rate: (millis) => 5 + (millis < 200_000 ? millis : 400_000 - millis) / 1000
    }),
    tuned: 26,
    max: 64
  },
  {
    about: "200 tasks/s, and nothing else",
    load: Load.steps("steady", [{ lasts: "300 seconds", perSecond: 200 }]),
    tuned: 26,
    max: 64
  },
  {
    about: "20 tasks/s whose length has a heavy tail (Pareto 1.5)",
    load: Load.steps("heavy-tail", [{ lasts: "300 seconds", perSecond: 20 }]),
    service: Load.pareto(200),
    tuned: 10,
    max: 64
  },
  {
    about: "5 tasks/s and bursts of 100, of lengths that nobody can foresee (Pareto 1.5)",
    load: Load.bursty({
      name: "bursty",
      duration: "480 seconds",
      low: 5,
      high: 100,
      calm: "20 seconds",
      busy: "8 seconds"
    }),
    tuned: 15,
    max: 64
  },
  {
    about: "the step-square load with resources that take 2 s to create",
    load: stepSquare("slow-creation"),
    creation: "2 seconds",
    tuned: 28,
    max: 64
  },
  {
    about: "the spike, while 2 % of the tasks kill their resource and none can be created from 65 to 70 s",
    load: spike("faults"),
    faults: { dying: 0.02, creationFails: { from: "65 seconds", until: "70 seconds" } },
    tuned: 28,
    max: 64
  },
  {
    about: "a day with a million tasks, four times as busy at noon as at midnight",
    load: Load.diurnal({ name: "day", tasks: 1_000_000, ratio: 4 }),
    tuned: 5,
    max: 64
  },
  {
    about: "a recorded trace: traces/requests.csv",
    load: Effect.runSync(
      Load.fromCsv("trace", readFileSync(new URL("../traces/requests.csv", import.meta.url), "utf8"))
    ),
    tuned: 8,
    max: 64
  },
  {
    about: "3,000 tasks of 5 ms, then 50 of 10 minutes at once",
    load: Load.fromArrivals(
      "long-after-short",
      Array.from({ length: 3_050 }, (_, i) =>
        i < 3_000 ? { at: i * 10, serviceMillis: 5 } : { at: 30_000, serviceMillis: 600_000 }
      ),
      "630 seconds"
    ),
    tuned: 50,
    max: 50
  },
  {
    about: "10 tasks/s of 10 ms on workers that need 500 ms after each",
    load: Load.steps("between-tasks", [{ lasts: "300 seconds", perSecond: 10 }]),
    service: Load.constant(10),
    between: "500 millis",
    tuned: 11,
    max: 32
  },
  {
    about: "60 callers in a loop, tasks of 20 ms",
    load: Load.closedLoop({ name: "closed-loop", duration: "60 seconds", callers: 60 }),
    service: Load.constant(20),
    tuned: 60,
    max: 64
  },
  {
    about: "20 tasks/s of which one in 20 takes 100 times as long (2 s)",
    load: Load.steps("mixed", [{ lasts: "300 seconds", perSecond: 20 }]),
    service: Load.mixed(Load.constant(20), Load.constant(2_000), 0.05),
    tuned: 10,
    max: 64
  }
]
