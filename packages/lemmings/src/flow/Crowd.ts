/**
 * The state of overload of a line: who has waited too long, and whom it refuses.
 *
 * @since 0.5.0
 */
import type { Criticality, QueuedTask } from "../model/Task.ts"
import { type Flow, type Key, type Refusing, Standing } from "./Flows.ts"
import type { OverloadLaw } from "../model/Limits.ts"
import { pressure, refuses } from "./Overload.ts"

/**
 * @category models
 * @since 0.5.0
 */
export class Crowd {
  private readonly law: OverloadLaw
  private readonly perFlow: boolean
  private readonly gate: { readonly busySince: number | undefined }
  /** What is refused where flows do not count by themselves. */
  private readonly refusing: Refusing = { sheddable: false, normal: false, critical: false }

  constructor(law: OverloadLaw, perFlow: boolean, gate: { readonly busySince: number | undefined }) {
    this.law = law
    this.perFlow = perFlow
    this.gate = gate
  }

  private sinceEmpty(now: number): number {
    const { busySince } = this.gate
    return busySince === undefined ? 0 : now - busySince
  }

  private overloaded(flow: Flow, now: number): boolean {
    return (this.perFlow ? now - flow.emptyAt : this.sinceEmpty(now)) > this.law.after
  }

  /** Whether a task has waited too long to be started in an overload. */
  rotten(flow: Flow, oldest: QueuedTask, now: number): boolean {
    return this.overloaded(flow, now) && now - (oldest.waitingSince ?? oldest.enqueuedAt) > this.law.maxWait
  }
  newestFirst(flow: Flow, now: number): boolean {
    return this.law.order === "newestFirst" && this.overloaded(flow, now)
  }

  /** Whether a task of this criticality is refused when it comes. In fair order the flow that it would stand in counts. */
  refuses(
    criticality: Criticality = "normal",
    key: Key,
    level: number,
    fill: number,
    system: number,
    now: number
  ): boolean {
    const flow = this.perFlow ? key.flows.find((one) => one.level === level) : undefined
    const ownSince = flow === undefined || flow.standing === Standing.asleep ? 0 : now - flow.emptyAt
    const sinceEmptyMillis = this.perFlow ? ownSince : this.sinceEmpty(now)
    const hard = pressure({ fill, sinceEmptyMillis, system }, this.law.after)
    const refusing = this.perFlow
      ? (key.refusing ??= { sheddable: false, normal: false, critical: false })
      : this.refusing
    const refused = refuses(criticality, hard, refusing[criticality])
    refusing[criticality] = refused
    return refused
  }
}
