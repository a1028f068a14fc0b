/**
 * Tasks that were handed over together, read at the call: an iterable, or a record whose keys the results get.
 */
import { Effect } from "effect"
import { InvalidConfig } from "../model/HerdError.ts"

type Task = Effect.Effect<unknown, unknown>

/** The tasks in order, and what becomes of their results. */
export class Many {
  /** May have holes, each of which is a task that dies. */
  readonly list: ReadonlyArray<Task>
  /** The names of the tasks. `undefined`: they have none. */
  private readonly keys: ReadonlyArray<string> | undefined

  constructor(list: ReadonlyArray<Task>, keys?: ReadonlyArray<string>) {
    this.list = list
    this.keys = keys
  }

  /** The results in the form of the tasks. */
  shaped(results: Array<unknown>): unknown {
    const { keys } = this
    return keys === undefined
      ? results
      : Object.fromEntries(results.map((result, index) => [keys[index] ?? "", result]))
  }
}

/** What a caller without types may hand over. */
export type Tasks = Iterable<Task> | { readonly [name: string]: Task } | Many

const isIterable = (tasks: object): tasks is Iterable<Task> => Symbol.iterator in tasks

/**
 * Reads the tasks, at the call. An iterable that throws, and what is neither an iterable nor a record, is the defect of
 * whoever runs the effect that comes back.
 */
export const read = (tasks: Tasks): Many | Effect.Effect<never> => {
  if (tasks instanceof Many) return tasks
  try {
    if (Array.isArray(tasks)) return new Many((tasks as ReadonlyArray<Task>).slice())
    if (typeof tasks !== "object" || tasks === null)
      throw new InvalidConfig({ field: "tasks", value: tasks, rule: "an iterable or a record of effects" })
    if (isIterable(tasks)) return new Many(Array.from(tasks))
    return new Many(Object.values(tasks), Object.keys(tasks))
  } catch (defect) {
    return Effect.die(defect)
  }
}
