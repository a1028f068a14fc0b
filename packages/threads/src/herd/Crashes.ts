/** Whether threads crash too often: the delay before the next one, and the circuit that opens. */
import * as Time from "lemmings/internal/Time"

/** In milliseconds. */
export interface CrashOptions {
  /** Crashes within `within` that open the circuit. `Infinity`: never. */
  readonly max: number
  readonly within: number
  /** How long the circuit stays open before one thread is tried. */
  readonly coolDown: number
}

const restarts = Time.backoff(10, 1_000)
// Starts that fail one after another, or for this long, open the circuit at any pace.
const failedStarts = 3
const failingMillis = 5000

/** The crashes of one herd. Plain state: time is given, in milliseconds of a clock that only goes forward. */
export class Crashes {
  total = 0
  last: unknown
  private readonly options: CrashOptions
  private times: Array<number> = []
  private streak = 0
  private starts = 0
  private failingSince = 0
  private openUntil: number | undefined

  constructor(options: CrashOptions) {
    this.options = options
  }

  /** A thread ended that should not have. */
  crashed(now: number, cause: unknown): void {
    this.total++
    this.streak++
    this.last = cause
    this.times = this.times.filter((at) => now - at < this.options.within)
    this.times.push(now)
    // Half open, one is enough.
    if (this.openUntil !== undefined || this.times.length >= this.options.max) this.open(now)
  }

  /** A thread that began to start at `began` does not serve. */
  failedStart(began: number, now: number, cause: unknown): void {
    if (this.starts++ === 0) this.failingSince = began
    this.crashed(now, cause)
    if (this.options.max === Infinity) return
    if (this.starts >= Math.min(failedStarts, this.options.max) || now - this.failingSince >= failingMillis)
      this.open(now)
  }

  /** A thread serves. */
  started(): void {
    this.starts = 0
  }

  private open(now: number): void {
    this.openUntil = now + this.options.coolDown
  }

  /** A task succeeded: threads can work. */
  succeeded(now: number): void {
    this.streak = 0
    if (this.openUntil === undefined || now < this.openUntil) return
    this.openUntil = undefined
    this.times = []
  }

  /** Whether the circuit is open, or half open. */
  get isOpen(): boolean {
    return this.openUntil !== undefined
  }

  /** Whether a success would change anything. */
  get watching(): boolean {
    return this.streak > 0 || this.openUntil !== undefined
  }

  /** Milliseconds until the circuit lets one thread be tried. 0: it is closed, or half open. */
  openFor(now: number): number {
    return this.openUntil === undefined ? 0 : Math.max(0, this.openUntil - now)
  }

  /** Milliseconds to wait before the next thread: 10 ms, doubling to a second, while no task succeeds. */
  get delay(): number {
    return restarts.after(this.streak)
  }
}
