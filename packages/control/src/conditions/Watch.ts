/** Which conditions hold, told steadily: one that comes and goes within its calm is told all the time. Synchronous. */
import type { HerdStats } from "lemmings/HerdStats"
import type { Problem, Subject } from "../model/Problem.ts"
import type { Condition, HerdLook, ProcessLook, QueueLook, Recent, Said } from "./Condition.ts"
import { herdConditions } from "./HerdConditions.ts"
import { processConditions, queueConditions } from "./QueueConditions.ts"

/** All conditions. */
export const conditions: ReadonlyArray<Condition<never>> = [
  ...herdConditions,
  ...queueConditions,
  ...processConditions
]

/** One condition that is told, and which error belongs to it. */
export interface Told extends Omit<Problem, "error"> {
  readonly error: Said["error"]
}

/** What happened is counted over this many milliseconds, and new dead letters over so many. */
const recentMillis = 10_000
const lettersMillis = 300_000

interface Held {
  readonly condition: Condition<never>
  said: Said
  readonly since: number
  /** When it last ceased to hold, on the monotonic clock. */
  lostAt: number | undefined
}

interface Mark {
  readonly now: number
  readonly counts: Recent
}

const countsOf = ({ resources, tasks }: Pick<HerdLook["stats"], "resources" | "tasks">): Recent => ({
  succeeded: tasks.succeeded,
  failed: tasks.failed,
  dropped: tasks.shed + tasks.rejected,
  leaked: resources.leaked,
  refused: tasks.retriesRefused
})

/** Drops the marks that a later one makes superfluous: the first is the last one that is old enough. */
const trim = (marks: Array<{ readonly now: number }>, now: number, millis: number): void => {
  while (marks.length > 1 && now - (marks[1]?.now ?? now) >= millis) marks.shift()
}

/** What is known of one herd, queue or process over time. */
class Place {
  readonly held = new Map<string, Held>()
  readonly marks: Array<Mark> = []
  readonly letters: Array<{ readonly now: number; readonly count: number }> = []

  /** Notes counts at most every half second, and says what happened lately. */
  recent(stats: Pick<HerdStats, "resources" | "tasks">, now: number): Recent {
    const counts = countsOf(stats)
    trim(this.marks, now, recentMillis)
    // What was before the first look is no news.
    const first = this.marks[0]?.counts ?? counts
    const last = this.marks.at(-1)
    if (last === undefined || now - last.now >= 500) this.marks.push({ now, counts })
    return {
      succeeded: counts.succeeded - first.succeeded,
      failed: counts.failed - first.failed,
      dropped: counts.dropped - first.dropped,
      leaked: counts.leaked - first.leaked,
      refused: counts.refused - first.refused
    }
  }

  /** How many dead letters are new. The first look knows of none. */
  newLetters(count: number | undefined, now: number): number {
    if (count === undefined) return 0
    trim(this.letters, now, lettersMillis)
    const last = this.letters.at(-1)
    if (last === undefined || now - last.now >= 10_000 || count < last.count)
      this.letters.push({ now, count })
    // What was replayed or purged is no news.
    const least = this.letters.reduce((least, mark) => Math.min(least, mark.count), count)
    return count - least
  }

  step<Look>(all: ReadonlyArray<Condition<Look>>, look: Look, now: number, at: number): void {
    for (const condition of all) {
      const known = this.held.get(condition.alert)
      const said = condition.says(look, known !== undefined)
      if (said !== undefined) {
        if (known === undefined)
          this.held.set(condition.alert, { condition, said, since: at, lostAt: undefined })
        else {
          known.said = said
          known.lostAt = undefined
        }
      } else if (known !== undefined) {
        known.lostAt ??= now
        if (now - known.lostAt >= condition.calm) this.held.delete(condition.alert)
      }
    }
  }

  told(subject: Subject): Array<Told> {
    if (this.held.size === 0) return []
    const hidden = new Set([...this.held.values()].flatMap(({ condition }) => condition.hides ?? []))
    return [...this.held.values()]
      .filter(({ condition }) => !hidden.has(condition.alert))
      .map(({ condition, said, since }) => ({
        alert: condition.alert,
        title: condition.title,
        severity: condition.severity,
        subject,
        sentence: said.sentence,
        detail: said.detail ?? "",
        since: said.since ?? since,
        remedy: said.remedy,
        error: said.error
      }))
  }
}

/** What is watched. `now`: milliseconds on a monotonic clock; `at`: epoch milliseconds. */
export class Watch {
  readonly #herds = new Map<string, Place>()
  readonly #queues = new Map<string, Place>()
  readonly #process = new Place()

  /** Looks at a herd, and returns what is told of it, worst first. */
  herd(id: string, look: Omit<HerdLook, "recent">, now: number, at: number): ReadonlyArray<Told> {
    const place = this.#herds.get(id) ?? new Place()
    this.#herds.set(id, place)
    const recent = place.recent(look.stats, now)
    place.step(herdConditions, { ...look, recent }, now, at)
    return place.told({ kind: "herd", id })
  }

  queue(id: string, queue: QueueLook["queue"], now: number, at: number): ReadonlyArray<Told> {
    const place = this.#queues.get(id) ?? new Place()
    this.#queues.set(id, place)
    const newLetters = place.newLetters(queue.stats?.deadLetters, now)
    place.step(queueConditions, { queue, newLetters }, now, at)
    return place.told({ kind: "queue", id })
  }

  process(look: ProcessLook, now: number, at: number): ReadonlyArray<Told> {
    this.#process.step(processConditions, look, now, at)
    return this.#process.told({ kind: "process", id: "" })
  }

  /** Forgets what is no longer there. */
  keep(herds: ReadonlySet<string>, queues: ReadonlySet<string>): void {
    for (const id of this.#herds.keys()) if (!herds.has(id)) this.#herds.delete(id)
    for (const id of this.#queues.keys()) if (!queues.has(id)) this.#queues.delete(id)
  }
}

const weight = { critical: 0, warning: 1 } as const
const order = new Map(conditions.map(({ alert }, index) => [alert, index]))

/** Worst first, then as conditions stand in their lists, then the oldest. */
export const worstFirst = (problems: ReadonlyArray<Told>): ReadonlyArray<Told> =>
  problems.toSorted(
    (a, b) =>
      weight[a.severity] - weight[b.severity] ||
      (order.get(a.alert) ?? 0) - (order.get(b.alert) ?? 0) ||
      a.since - b.since
  )

/** Whether the process should get work, and if not, why: decided at once, without calm. */
export const unready = (
  stopping: boolean,
  herds: ReadonlyArray<{ readonly id: string; readonly state: string }>,
  queues: ReadonlyArray<{ readonly id: string; readonly queue: QueueLook["queue"] }>
): ReadonlyArray<string> => [
  ...(stopping ? ["the process was told to stop"] : []),
  ...herds.filter(({ state }) => state !== "running").map(({ id, state }) => `${id} is ${state}`),
  ...queues.flatMap(({ id, queue }) =>
    queueConditions
      .filter((condition) => condition.unready === true)
      .flatMap((condition) => {
        const said = condition.says({ queue, newLetters: 0 }, false)
        return said === undefined ? [] : [`${id} ${said.sentence}`]
      })
  )
]
