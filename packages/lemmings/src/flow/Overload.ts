/**
 * When a herd has more work than it can do, and who is then dropped or refused. Pure.
 *
 * **Details**
 *
 * A line is overloaded when it has not been without a ready task for `after` (ACM Queue, "Fail at Scale", 2015). It does
 * not ask how long tasks wait, because newest-first makes those waits short while the old ones rot.
 */
import type { Criticality } from "../model/Task.ts"

/** What the pressure on a line is made of. */
export interface Load {
  /** Part of the queue's capacity that is taken, 0 to 1. 0 where it is unbounded. */
  readonly fill: number
  /** Milliseconds since the line was last without a ready task. 0 when it is. */
  readonly sinceEmptyMillis: number
  /** Pressure of the process, 0 to 1: memory or event loop. */
  readonly system: number
}

/**
 * How hard pressed a line is: 0 at ease, 1 and above full. The largest of the queue's fill beyond half, the time since it
 * was empty in parts of four times `after`, and the pressure of the process.
 */
export const pressure = ({ fill, sinceEmptyMillis, system }: Load, after: number): number =>
  Math.max(0, (fill - 0.5) * 2, sinceEmptyMillis / (4 * after), system)

const thresholds: { readonly [_ in Criticality]: number } = {
  sheddable: 0.5,
  normal: 0.8,
  critical: Infinity
}
const hysteresis = 0.1

/**
 * Whether tasks of a criticality are refused at this pressure, given whether they were until now: sheddable ones above
 * 0.5, normal ones above 0.8, critical ones never; accepted again 0.1 below.
 */
export const refuses = (criticality: Criticality, level: number, refusing: boolean): boolean =>
  level > thresholds[criticality] - (refusing ? hysteresis : 0)
