/** The last ten minutes of a herd, a look a second. */
import type { HerdMetrics, HerdStats } from "lemmings/HerdStats"
import type { Points } from "../model/FrameModel.ts"

// Points that are kept, and how many of them one stretch of a spark has.
const kept = 600
const stretch = 10

/** Three digits are more than a chart shows. */
const short = (n: number): number => (n === 0 ? 0 : Number(n.toPrecision(3)))

/** What a point has, in this order. */
export const columns = [
  "at",
  "arrivalRate",
  "succeededRate",
  "failedRate",
  "waitP50",
  "waitP99",
  "runP50",
  "runP99",
  "oldest",
  "size",
  "busy",
  "queued"
] as const

export class Past {
  readonly #rows: Array<ReadonlyArray<number>> = []
  readonly #spark: Array<number> = []
  #sum = 0
  #count = 0
  metrics: HerdMetrics

  constructor(metrics: HerdMetrics) {
    this.metrics = metrics
  }

  /** How many points there have been. */
  get total(): number {
    return this.#count
  }

  add(at: number, { queue, workers }: HerdStats, metrics: HerdMetrics): void {
    this.metrics = metrics
    if (this.#rows.length === kept) this.#rows.shift()
    this.#rows.push([
      at,
      short(metrics.arrivalRate),
      short(metrics.succeededRate),
      short(metrics.failedRate),
      short(metrics.wait.p50),
      short(metrics.wait.p99),
      short(metrics.run.p50),
      short(metrics.run.p99),
      short(queue.oldestMillis),
      workers.size,
      workers.busy,
      queue.depth
    ])
    this.#count++
    this.#sum += metrics.succeededRate
    if (this.#count % stretch > 0) return
    if (this.#spark.length === kept / stretch) this.#spark.shift()
    this.#spark.push(short(this.#sum / stretch))
    this.#sum = 0
  }

  /** What succeeded per second, in stretches of ten seconds. */
  spark(): ReadonlyArray<number> {
    return this.#spark
  }

  /** The points after so many. */
  after(seen: number): Points {
    const rows = this.#rows.slice(Math.max(0, this.#rows.length - (this.#count - seen)))
    const of = (column: (typeof columns)[number]) => rows.map((row) => row[columns.indexOf(column)] ?? 0)
    return {
      at: of("at"),
      arrivalRate: of("arrivalRate"),
      succeededRate: of("succeededRate"),
      failedRate: of("failedRate"),
      waitP50: of("waitP50"),
      waitP99: of("waitP99"),
      runP50: of("runP50"),
      runP99: of("runP99"),
      oldest: of("oldest"),
      size: of("size"),
      busy: of("busy"),
      queued: of("queued")
    }
  }
}
