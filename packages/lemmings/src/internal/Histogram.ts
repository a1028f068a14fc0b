/**
 * A histogram of durations in bounded memory.
 *
 * **Details**
 *
 * Buckets are log-linear: each power of two from 2^-10 ms (about 1 µs) to
 * 2^31 ms (about 25 days) is split into 16 buckets of equal width, so a bucket
 * is at most 1/16 of its values wide and its middle is within 1/32 of them. One
 * more bucket counts everything below, as zero, and one everything above. That
 * is 658 counters, 5 KiB, whatever is recorded.
 *
 * Counters are doubles, exact to 2^53: a 32-bit one would overflow within a
 * day of a busy task.
 */

const subBucketBits = 4

// The top 16 bits of a double above its 48 lower mantissa bits: exponent and sub-bucket, an integer that grows with the
// value. Finding a bucket is then a shift, where a logarithm would cost ten times more.
const highShift = 20 - subBucketBits

const floorExponent = -10
const ceilingExponent = 31
const ceiling = 2 ** ceilingExponent

const firstHigh = (1023 + floorExponent) << subBucketBits
const bucketCount = ((ceilingExponent - floorExponent) << subBucketBits) + 2

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
const highWord = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** Counts durations in milliseconds. */
export class Histogram {
  // By bucket: durations recorded.
  private readonly counts: Float64Array = new Float64Array(bucketCount)
  private recorded = 0
  private total = 0
  private lowest = Infinity
  private highest = -Infinity

  /** Durations recorded. */
  get count(): number {
    return this.recorded
  }

  /** Sum of the durations, in ms. */
  get sum(): number {
    return this.total
  }

  /** Shortest duration, in ms, exact; 0 when empty. */
  get min(): number {
    return this.recorded === 0 ? 0 : this.lowest
  }

  /** Longest duration, in ms, exact; 0 when empty. */
  get max(): number {
    return this.recorded === 0 ? 0 : this.highest
  }

  /** Mean duration, in ms; 0 when empty. */
  get mean(): number {
    return this.recorded === 0 ? 0 : this.total / this.recorded
  }

  /**
   * Counts a duration. `NaN` and negative durations count as 0, since clocks go
   * backwards, and an infinite one as 2^31 ms.
   */
  record(millis: number): void {
    let value = millis > 0 ? millis : 0
    if (value === Infinity) value = ceiling
    const bucket = bucketOf(value)
    this.counts[bucket] = this.counts[bucket]! + 1
    this.recorded++
    this.total += value
    if (value < this.lowest) this.lowest = value
    if (value > this.highest) this.highest = value
  }

  /**
   * The nearest-rank quantile for `q` in `[0, 1]`, in ms: the shortest duration
   * that at least `q` of those recorded do not exceed. 0 when empty.
   *
   * Within 1/32 of the exact quantile for durations from 2^-10 to 2^31 ms. It
   * never leaves the range from `min` to `max`, and is exact for 0 and 1.
   */
  quantile(q: number): number {
    if (this.recorded === 0) return 0
    if (!(q > 0)) return this.lowest
    if (q >= 1) return this.highest
    let rank = Math.ceil(q * this.recorded)
    // The product may round up past an integer: 0.07 * 100 is more than 7.
    if ((rank - 1) / this.recorded >= q) rank--
    const counts = this.counts
    let bucket = 0
    let seen = counts[0]!
    while (seen < rank) seen += counts[++bucket]!
    if (bucket === bucketCount - 1) return this.highest
    return Math.min(Math.max(middleOf(bucket), this.lowest), this.highest)
  }

  /** Adds what `other` recorded to this histogram. */
  merge(other: Histogram): void {
    if (other.recorded === 0) return
    const counts = this.counts
    const added = other.counts
    for (let bucket = 0; bucket < bucketCount; bucket++) counts[bucket] = counts[bucket]! + added[bucket]!
    this.recorded += other.recorded
    this.total += other.total
    if (other.lowest < this.lowest) this.lowest = other.lowest
    if (other.highest > this.highest) this.highest = other.highest
  }

  /** Forgets everything recorded. */
  reset(): void {
    if (this.recorded === 0) return
    this.counts.fill(0)
    this.recorded = 0
    this.total = 0
    this.lowest = Infinity
    this.highest = -Infinity
  }

  /**
   * For each of `bounds`, in ms and ascending, the durations recorded that are
   * at most that long, as a cumulative Prometheus histogram wants them.
   *
   * **Details**
   *
   * Every duration up to a bound is counted. So are those above it that share
   * its bucket, which are less than 1/16 longer.
   */
  cumulativeAtMost(bounds: ReadonlyArray<number>): Array<number> {
    const result: Array<number> = []
    let next = 0
    let seen = 0
    for (const bound of bounds) {
      if (bound >= this.max) {
        result.push(this.recorded)
        continue
      }
      if (!(bound >= this.lowest)) {
        result.push(0)
        continue
      }
      // The sign of a negative zero would read as the largest exponent.
      const last = bucketOf(Math.max(0, bound))
      if (last < next - 1) {
        next = 0
        seen = 0
      }
      while (next <= last) seen += this.counts[next++]!
      result.push(seen)
    }
    return result
  }
}

/** The bucket of a finite, non-negative duration. */
const bucketOf = (millis: number): number => {
  double[0] = millis
  const bucket = (words[highWord]! >>> highShift) - firstHigh + 1
  return bucket < 0 ? 0 : bucket < bucketCount ? bucket : bucketCount - 1
}

/** The middle of a bucket, in ms; 0 for the bucket below the floor. */
const middleOf = (bucket: number): number => {
  if (bucket === 0) return 0
  const offset = bucket - 1
  const octave = 2 ** (floorExponent + (offset >> subBucketBits))
  const width = octave / (1 << subBucketBits)
  return octave + ((offset & ((1 << subBucketBits) - 1)) + 0.5) * width
}
