/** What a task says of itself. */
import { Context, Effect } from "effect"
import type { AsyncContext } from "../internal/AsyncContext.ts"
import { type Criticality, CurrentCriticality } from "../model/Task.ts"
import { Outcome } from "./Outcome.ts"
import type { TaskTerms } from "./TaskTerms.ts"

/** A task by its terms, with an outcome. */
export abstract class Described extends Outcome {
  declare readonly terms: TaskTerms
  declare readonly sequence: number
  /** Executions begun. */
  declare begun: number
  /** Of the submitter. Given up with the end. */
  declare protected context: Context.Context<never> | undefined
  /** The async context of the submitter. `undefined`: it starts on the submitter's own stack. */
  declare protected from: AsyncContext

  constructor(terms: TaskTerms, sequence: number, context: Context.Context<never>, from: AsyncContext) {
    super()
    this.terms = terms
    this.sequence = sequence
    this.begun = 0
    this.context = context
    this.from = from
  }

  get id(): string {
    return this.terms.id ?? String(this.sequence)
  }
  /** Stands for itself alone. */
  get tasks(): number {
    return 1
  }
  get attempts(): Effect.Effect<number> {
    return Effect.sync(() => this.begun)
  }
  get key(): string | undefined {
    return this.terms.key
  }
  get weight(): number | undefined {
    return this.terms.weight
  }
  get label(): string | undefined {
    return this.terms.label
  }
  get criticality(): Criticality {
    return this.terms.criticality ?? Context.get(this.context ?? Context.empty(), CurrentCriticality)
  }
}
