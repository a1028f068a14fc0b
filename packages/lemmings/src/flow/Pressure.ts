/** How hard pressed the process is, as part of what an overload is made of. Pure. */
import { memoryFraction, type SystemReading } from "../model/SystemMetrics.ts"

/** Memory that may be used before it counts. */
const easy = 0.8

/**
 * 0 at ease, 1 full: the larger of the memory that is used beyond four fifths, and of how late timers are in parts of the
 * longest wait that a task may have.
 */
export const ofProcess = (reading: SystemReading, maxWait: number): number => {
  const memory = (memoryFraction(reading) - easy) / (1 - easy)
  const late = maxWait > 0 ? reading.eventLoopDelayMillis / maxWait : 0
  return Math.max(0, memory, late)
}
