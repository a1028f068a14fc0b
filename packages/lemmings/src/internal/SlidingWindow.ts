/**
 * What a task did lately: arrivals, outcomes, wait times and run times over the
 * last so many milliseconds, in bounded memory.
 *
 * **Details**
 *
 * The window is a ring of buckets of equal width. The newest fills as time goes
 * on, and the oldest is forgotten whole, so a snapshot covers between
 * `buckets - 1` and `buckets` widths and says exactly how much. Wait and run
 * times are kept as a `Histogram` per bucket, 5 KiB each, allocated when first
 * needed and reused for the life of the window.
 *
 * Times are milliseconds on any one clock. A clock that jumps backwards is read
 * as standing still until it catches up.
 */
import { Histogram } from "./Histogram.ts"

/** Durations of one kind, in ms. All zero when `count` is. */
export interface Summary {
  /** Durations recorded in the window. */
  readonly count: number
  /** Exact. */
  readonly mean: number
  /** Exact. */
  readonly min: number
  /** Exact. */
  readonly max: number
  /** Nearest rank, within 1/32, as are `p95` and `p99`. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** What happened in the last `spanMillis`. */
export interface WindowSnapshot {
  /**
   * Time covered, in ms: at most the window, at least 1 so that rates can be
   * divided by it, and less than the window while the task is younger than it.
   */
  readonly spanMillis: number
  /** Submissions. */
  readonly arrivals: number
  /** Runs that ended in success. */
  readonly successes: number
  /** Runs that ended otherwise. */
  readonly failures: number
  /** From submission to start, counted when a run starts. */
  readonly wait: Summary
  /** From start to end, counted when a run ends, however it ends. */
  readonly run: Summary
}

// Snapshots are synchronous, so every window can merge into the same one.
const merged = new Histogram()

/** Figures over the last `windowMillis`. */
export class SlidingWindow {
  private readonly created: number
  private readonly width: number
  private readonly buckets: number
  private readonly arrivals: Float64Array
  private readonly successes: Float64Array
  private readonly failures: Float64Array
  private readonly waits: Array<Histogram | undefined>
  private readonly runs: Array<Histogram | undefined>
  private latest: number
  // Buckets begun since creation, less one.
  private tick = 0
  // Ring index of the newest bucket.
  private newest = 0
  // Time at which the newest bucket ends.
  private boundary: number

  /**
   * Throws a `RangeError` unless `windowMillis` is finite and above 0 and
   * `buckets` is an integer of at least 2.
   */
  constructor(windowMillis: number, now: number, buckets = 12) {
    if (!(windowMillis > 0 && windowMillis < Infinity)) {
      throw new RangeError(`SlidingWindow: windowMillis must be finite and above 0, got ${windowMillis}`)
    }
    if (!(Number.isInteger(buckets) && buckets >= 2)) {
      throw new RangeError(`SlidingWindow: buckets must be an integer >= 2, got ${buckets}`)
    }
    this.created = now
    this.latest = now
    this.width = windowMillis / buckets
    this.boundary = now + this.width
    this.buckets = buckets
    this.arrivals = new Float64Array(buckets)
    this.successes = new Float64Array(buckets)
    this.failures = new Float64Array(buckets)
    this.waits = Array.from({ length: buckets }, () => undefined)
    this.runs = Array.from({ length: buckets }, () => undefined)
  }

  /** Counts submissions. */
  arrival(now: number, count = 1): void {
    this.advance(now)
    this.arrivals[this.newest]! += count
  }

  /** Counts a start, after `waitMillis` of waiting. */
  started(now: number, waitMillis: number): void {
    this.advance(now)
    const wait = (this.waits[this.newest] ??= new Histogram())
    wait.record(waitMillis)
  }

  /** Counts an end, after `runMillis` of running. */
  finished(now: number, runMillis: number, success: boolean): void {
    this.advance(now)
    if (success) this.successes[this.newest]!++
    else this.failures[this.newest]!++
    const run = (this.runs[this.newest] ??= new Histogram())
    run.record(runMillis)
  }

  /** The figures of the window that ends now. */
  snapshot(now: number): WindowSnapshot {
    this.advance(now)
    const oldest = this.created + Math.max(0, this.tick - this.buckets + 1) * this.width
    return {
      spanMillis: Math.max(1, this.latest - oldest),
      arrivals: total(this.arrivals),
      successes: total(this.successes),
      failures: total(this.failures),
      wait: summarize(this.waits),
      run: summarize(this.runs)
    }
  }

  private advance(now: number): void {
    if (now > this.latest && now < Infinity) {
      this.latest = now
      if (now >= this.boundary) this.roll(now)
    }
  }

  /** Begins the bucket that holds `now`, forgetting those it and the skipped ones replace. */
  private roll(now: number): void {
    const tick = Math.max(this.tick, Math.floor((now - this.created) / this.width))
    const expired = Math.min(tick - this.tick, this.buckets)
    this.tick = tick
    this.boundary = this.created + (tick + 1) * this.width
    this.newest = tick % this.buckets
    for (let age = 0; age < expired; age++) {
      const bucket = (this.newest - age + this.buckets) % this.buckets
      this.arrivals[bucket] = 0
      this.successes[bucket] = 0
      this.failures[bucket] = 0
      this.waits[bucket]?.reset()
      this.runs[bucket]?.reset()
    }
  }
}

const total = (counts: Float64Array): number => {
  let sum = 0
  for (let bucket = 0; bucket < counts.length; bucket++) sum += counts[bucket]!
  return sum
}

const summarize = (histograms: ReadonlyArray<Histogram | undefined>): Summary => {
  merged.reset()
  for (const histogram of histograms) if (histogram !== undefined) merged.merge(histogram)
  return {
    count: merged.count,
    mean: merged.mean,
    min: merged.min,
    max: merged.max,
    p50: merged.quantile(0.5),
    p95: merged.quantile(0.95),
    p99: merged.quantile(0.99)
  }
}
