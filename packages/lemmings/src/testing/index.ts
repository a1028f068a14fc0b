/**
 * The kit for tests of a herd: virtual time, seeded orders of events, interruption at every step, and assertions.
 * Needs nothing but `effect`, and goes with any test runner.
 *
 * @since 0.1.0
 */
export { assertConserved } from "./Conservation.ts"
export { interruptEverywhere } from "./Interruption.ts"
export * as Load from "./Load.ts"
export { forEverySeed, runSeeded, seededScheduler } from "./Seeds.ts"
export type { KeyPoint, KeyReport } from "./Served.ts"
export {
  type Change,
  type Faults,
  type Point,
  simulate,
  type SimulatedFlow,
  type SimulationOptions,
  type SimulationReport
} from "./Simulation.ts"
export { virtual, VirtualTime } from "./VirtualTime.ts"
