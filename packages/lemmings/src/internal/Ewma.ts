/** The part of an average over `tau` that the newest of it makes up when it has held for so long: 63 % after `tau`. */
const weightOf = (millis: number, tauMillis: number): number => -Math.expm1(-millis / tauMillis)

/** A moving average as data, for whoever keeps no state: `null` before the first reading. */
export interface Average {
  readonly value: number | null
  readonly at: number
}

export const noAverage: Average = { value: null, at: 0 }

/** The average with one more reading. */
export const averaged = (
  { at, value }: Average,
  reading: number,
  now: number,
  tauMillis: number
): Average & { readonly value: number } => ({
  value: value === null ? reading : value + (reading - value) * weightOf(Math.max(0, now - at), tauMillis),
  at: now
})

/** A moving average that forgets exponentially with time, however unevenly it is fed. */
export class Ewma {
  value = 0
  private readonly tau: number

  constructor(tauMillis: number) {
    this.tau = tauMillis
  }

  /** Counts what `value` was over the last `millis`. */
  update(value: number, millis: number): void {
    this.value += (value - this.value) * weightOf(millis, this.tau)
  }
}
