/**
 * What a caller said about a task: read once, at the call, and checked as a whole before anything is taken.
 *
 * Whoever changes its options afterwards, or reuses one object for many tasks, changes nothing.
 */
import { Effect, Schedule, Schema } from "effect"
import * as Durations from "../model/Durations.ts"
import { InvalidConfig } from "../model/HerdError.ts"
import { Criticality, priorityLevel, type TaskOptions } from "../model/Task.ts"
import { placeHere, watching } from "./TaskPlace.ts"

type Predicate = (error: unknown) => boolean

/** What few tasks say. */
interface Rare {
  readonly timeout: number | undefined
  readonly deadline: number | undefined
  readonly acquireTimeout: number | undefined
  readonly retry: Schedule.Schedule<unknown> | false | undefined
  readonly while: Predicate | undefined
  readonly once: boolean
  readonly criticality: Criticality | undefined
  readonly submittedAt: string | undefined
}

/** Everything that can be said. */
interface Said extends Rare {
  readonly level: number
  readonly key: string | undefined
  readonly id: string | undefined
  readonly label: string | undefined
  readonly weight: number | undefined
}

/** `undefined`: nothing of it was said. */
const rareOf = ({
  acquireTimeout,
  criticality,
  deadline,
  once,
  retry,
  submittedAt,
  timeout,
  while: wanted
}: Said): Rare | undefined =>
  !once &&
  timeout === undefined &&
  deadline === undefined &&
  acquireTimeout === undefined &&
  retry === undefined &&
  wanted === undefined &&
  criticality === undefined &&
  submittedAt === undefined
    ? undefined
    : { timeout, deadline, acquireTimeout, retry, while: wanted, once, criticality, submittedAt }

/**
 * The options of a task after decoding, with times in milliseconds.
 *
 * A waiting task has terms of its own where it has a key: what few say stands in another object, so that they stay small.
 */
export class TaskTerms implements Said {
  declare readonly level: number
  declare readonly key: string | undefined
  declare readonly id: string | undefined
  declare readonly label: string | undefined
  declare readonly weight: number | undefined
  declare private readonly rare: Rare | undefined

  constructor(said: Said) {
    this.level = said.level
    this.key = said.key
    this.id = said.id
    this.label = said.label
    this.weight = said.weight
    this.rare = rareOf(said)
  }

  get timeout(): number | undefined {
    return this.rare?.timeout
  }
  get deadline(): number | undefined {
    return this.rare?.deadline
  }
  get acquireTimeout(): number | undefined {
    return this.rare?.acquireTimeout
  }
  get retry(): Schedule.Schedule<unknown> | false | undefined {
    return this.rare?.retry
  }
  get while(): Predicate | undefined {
    return this.rare?.while
  }
  get once(): boolean {
    return this.rare !== undefined && this.rare.once
  }
  get criticality(): Criticality | undefined {
    return this.rare?.criticality
  }
  /** Where the call was, while somebody looks for leaks. */
  get submittedAt(): string | undefined {
    return this.rare?.submittedAt
  }

  /** The same, changed in some places. */
  but(changes: Partial<Said>): TaskTerms {
    const { id, key, label, level, rare = unsaid, weight } = this
    return new TaskTerms({ ...rare, level, key, id, label, weight, ...changes })
  }
}

const unsaid: Rare = {
  timeout: undefined,
  deadline: undefined,
  acquireTimeout: undefined,
  retry: undefined,
  while: undefined,
  once: false,
  criticality: undefined,
  submittedAt: undefined
}

const invalid = (field: string, value: unknown, rule: string) => new InvalidConfig({ field, value, rule })

const millisOf = (field: string, value: TaskOptions["timeout"]): number | undefined => {
  return value === undefined ? undefined : Durations.decodeUnsafe(field, value)
}

const textOf = (field: string, value: string | undefined): string | undefined => {
  if (value !== undefined && typeof value !== "string") throw invalid(field, value, "a string")
  return value
}

const plain = (level: number): TaskTerms =>
  new TaskTerms({ ...unsaid, level, key: undefined, id: undefined, label: undefined, weight: undefined })

/** The terms of a task about which nothing was said. */
export const none: TaskTerms = plain(priorityLevel(undefined))

// Most tasks that say something say a priority and nothing else: they share their terms.
const levels = Array.from({ length: 32 }, (_, level) => plain(level))

/** Reads each option once. Throws `InvalidConfig` for the first that is wrong. */
const read = (options: TaskOptions): TaskTerms => {
  const { acquireTimeout, criticality, deadline, id, key, label, once, priority, retry, timeout, weight } =
    options
  // Its parameter is the task's own error, whose type only the caller knows.
  const wanted = options.while as Predicate | undefined
  const level = priorityLevel(priority)
  const submittedAt = watching() ? placeHere() : undefined
  if (
    timeout === undefined &&
    deadline === undefined &&
    acquireTimeout === undefined &&
    retry === undefined &&
    wanted === undefined &&
    once === undefined &&
    key === undefined &&
    id === undefined &&
    label === undefined &&
    weight === undefined &&
    criticality === undefined &&
    submittedAt === undefined
  ) {
    return levels[level] ?? plain(level)
  }
  if (retry !== undefined && retry !== false && !Schedule.isSchedule(retry))
    throw invalid("retry", retry, "a Schedule, or false")
  if (wanted !== undefined && typeof wanted !== "function") throw invalid("while", wanted, "a function")
  if (once !== undefined && typeof once !== "boolean") throw invalid("once", once, "true or false")
  if (weight !== undefined && !(typeof weight === "number" && weight > 0 && weight < Infinity))
    throw invalid("weight", weight, "a finite number above 0")
  if (criticality !== undefined && !Schema.is(Criticality)(criticality))
    throw invalid("criticality", criticality, `"critical", "normal" or "sheddable"`)
  return new TaskTerms({
    level,
    timeout: millisOf("timeout", timeout),
    deadline: millisOf("deadline", deadline),
    acquireTimeout: millisOf("acquireTimeout", acquireTimeout),
    retry: retry as Schedule.Schedule<unknown> | false | undefined,
    while: wanted,
    once: once === true,
    key: textOf("key", key),
    id: textOf("id", id),
    label: textOf("label", label),
    weight,
    criticality,
    submittedAt
  })
}

/**
 * Reads options, at the call. Options that are wrong are the defect of whoever runs the effect that comes back: a call
 * throws nothing. Terms come back as they are.
 */
export const decode = (options: TaskOptions | TaskTerms | undefined): TaskTerms | Effect.Effect<never> => {
  if (options instanceof TaskTerms) return options
  try {
    if (options !== undefined) return read(options)
    return watching() ? none.but({ submittedAt: placeHere() }) : none
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** Reads options, and goes on with what they say. */
export const decoded = <A, E, R>(
  options: TaskOptions | TaskTerms | undefined,
  f: (terms: TaskTerms) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const terms = decode(options)
  return terms instanceof TaskTerms ? f(terms) : terms
}

/** Stands for a task that is none: a hole in an array, or `undefined` from a caller without types. */
export const notATask = (field: string, value: unknown): Effect.Effect<never> =>
  Effect.suspend(() => Effect.die(invalid(field, value, "an effect")))
