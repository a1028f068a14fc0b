/**
 * What a task says of itself.
 *
 * @since 0.5.0
 */
import { Context } from "effect"
import { type Criticality, CurrentCriticality } from "../model/Task.ts"
import { Outcome } from "./Outcome.ts"
import type { TaskTerms } from "./TaskTerms.ts"

/**
 * A task by its terms, with an outcome.
 *
 * @category models
 * @since 0.5.0
 */
export abstract class Described extends Outcome {
  readonly terms: TaskTerms
  readonly sequence: number
  /** Of the submitter. Given up with the end. */
  protected context: Context.Context<never> | undefined

  constructor(terms: TaskTerms, sequence: number, context: Context.Context<never>) {
    super()
    this.terms = terms
    this.sequence = sequence
    this.context = context
  }

  get id(): string {
    return this.terms.id ?? String(this.sequence)
  }
  /** Stands for itself alone. */
  get tasks(): number {
    return 1
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
