/**
 * A moving average that forgets exponentially with time, however unevenly it is fed.
 *
 * After `tau` milliseconds without news of it, 63 % of an old value is forgotten.
 */
export class Ewma {
  value = 0
  private readonly tau: number

  constructor(tauMillis: number) {
    this.tau = tauMillis
  }

  /** Counts what `value` was over the last `millis`. */
  update(value: number, millis: number): void {
    this.value += (value - this.value) * -Math.expm1(-millis / this.tau)
  }
}
