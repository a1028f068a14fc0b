/** The part of an average over `tau` that the newest of it makes up when it has held for so long: 63 % after `tau`. */
export const weightOf = (millis: number, tauMillis: number): number => -Math.expm1(-millis / tauMillis)

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
