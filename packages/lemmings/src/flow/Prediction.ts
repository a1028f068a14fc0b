/**
 * How long a task is expected to run, by what tasks with the same label took.
 *
 * The expectation is the smaller of the median of the last 31 runs and of a moving average, from 10 runs on: one task that
 * takes a hundred times as long says nothing of the next. A run that a limit has ended would have taken longer, and counts as
 * at least what was expected: else only short runs were remembered. It costs nothing until somebody asks.
 */

export interface Prediction {
  /** Milliseconds that a task with this label is expected to run. `undefined`: nobody knows. */
  readonly expected: (label: string | undefined) => number | undefined
  /** A task with this label ran for so long. */
  readonly ran: (label: string | undefined, millis: number) => void
  /** A task with this label was ended by its timeout or its deadline after so long. */
  readonly cut: (label: string | undefined, millis: number) => void
}

const remembered = 31
const enough = 10
/** Weight of the newest run in the moving average. */
const newest = 0.1
// Labels that are remembered. The one that came first goes.
const mostLabels = 1_000

class Runs {
  private readonly last = new Float64Array(remembered)
  private count = 0
  private average = 0
  private median: number | undefined

  add(millis: number): void {
    this.last[this.count % remembered] = millis
    this.count++
    this.average = this.count === 1 ? millis : this.average + newest * (millis - this.average)
    this.median = undefined
  }
  get expected(): number | undefined {
    if (this.count < enough) return undefined
    if (this.median === undefined) {
      const known = this.last.slice(0, Math.min(this.count, remembered)).toSorted()
      this.median = known[known.length >> 1]!
    }
    return Math.min(this.median, this.average)
  }
}

/** Knows nothing yet. */
export const make = (): Prediction => {
  const labels = new Map<string | undefined, Runs>()
  let asked = false
  const remember = (label: string | undefined, millis: number) => {
    let runs = labels.get(label)
    if (runs === undefined) {
      if (labels.size >= mostLabels) {
        for (const first of labels.keys()) {
          labels.delete(first)
          break
        }
      }
      labels.set(label, (runs = new Runs()))
    }
    runs.add(millis)
  }
  return {
    expected: (label) => {
      asked = true
      return labels.get(label)?.expected
    },
    ran: (label, millis) => {
      if (asked) remember(label, millis)
    },
    cut: (label, millis) => {
      if (asked) remember(label, Math.max(millis, labels.get(label)?.expected ?? 0))
    }
  }
}
