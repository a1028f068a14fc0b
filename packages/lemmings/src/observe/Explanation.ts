/** Why a task does not run, in one sentence for people. */
import type { Obstacle } from "../model/HerdFlow.ts"

/** What is known of a task that waits or runs. */
export interface Known {
  readonly status: "queued" | "delayed" | "running"
  readonly key: string | undefined
  readonly ahead: number | undefined
  readonly blockedBy: ReadonlyArray<Obstacle>
  readonly opensInMillis: number | undefined
}

const inTime = (millis: number | undefined): string =>
  millis === undefined
    ? ""
    : millis < 1_000
      ? ` It opens in ${Math.ceil(millis)} ms.`
      : ` It opens in ${(millis / 1_000).toFixed(1)} s.`

const others = (ahead: number): string => (ahead === 1 ? "1 task is" : `${ahead} tasks are`)

/** The cause that is worth saying: the first. */
const because = (obstacle: Obstacle, key: string, ahead: number): string => {
  switch (obstacle) {
    case "paused":
      return "Dispatch is paused: nothing starts until somebody resumes it."
    case "closing":
      return "The herd is closing and starts no more tasks."
    case "worker":
      return "No worker is free."
    case "order":
      return ahead === 0
        ? "Tasks of other keys or levels are next."
        : `${others(ahead)} before it in its flow.`
    case "room":
      return "The queue is full: it waits for room."
    case "hold":
      return `${key} is on hold.`
    case "probe":
      return `${key} was on hold, and one task is trying whether it may go on.`
    case "turn":
      return `Tasks of ${key} run one after the other, and the one before has not ended.`
    case "concurrency":
      return `${key} runs as much as it may at one time.`
    case "keyRate":
      return `${key} has started as much as its rate allows for now.`
    case "weight":
      return "The herd runs as much weight as it may."
    case "rate":
      return "The herd has started as much as its rate allows for now."
    case "delay":
      return "An attempt failed, and the next one waits for its time."
  }
}

/** One sentence, or two with the time when it opens. */
export const sentenceOf = ({ ahead = 0, blockedBy, key, opensInMillis, status }: Known): string => {
  if (status === "running") return "It runs."
  const first = blockedBy[0]
  if (first === undefined) return "It is next."
  const named = key === undefined ? "What has no key" : `Key ${JSON.stringify(key)}`
  return `${because(first, named, ahead)}${inTime(opensInMillis)}`
}
