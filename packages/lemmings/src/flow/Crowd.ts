/** The state of overload of a line: who has waited too long, and whom it refuses. */
import type { Criticality, QueuedTask } from "../model/Task.ts"
import { type Flow, idle, type Key, type Refusing, Standing } from "./Flows.ts"
import type { OverloadLaw } from "../model/Limits.ts"
import { pressure, refuses } from "./Overload.ts"

/** What is remembered of an overload. */
interface Heat {
  hotUntil: number
  refusing: Refusing | undefined
}

export class Crowd {
  private readonly law: OverloadLaw
  private readonly perFlow: boolean
  private readonly gate: { readonly busySince: number | undefined }
  /** What is refused where flows do not count by themselves, and until when the line counts as overloaded. */
  private readonly whole: Heat = { hotUntil: -Infinity, refusing: undefined }

  constructor(law: OverloadLaw, perFlow: boolean, gate: { readonly busySince: number | undefined }) {
    this.law = law
    this.perFlow = perFlow
    this.gate = gate
  }

  private sinceEmpty(now: number): number {
    const { busySince } = this.gate
    return busySince === undefined ? 0 : now - busySince
  }

  private overloaded(sinceEmpty: number, { hotUntil }: Heat, now: number): boolean {
    return sinceEmpty > this.law.after || now - sinceEmpty < hotUntil
  }
  private isOverloaded(flow: Flow, now: number): boolean {
    return this.perFlow
      ? this.overloaded(now - flow.emptyAt, flow.key, now)
      : this.overloaded(this.sinceEmpty(now), this.whole, now)
  }

  /** Whether a task has waited too long to be started in an overload. */
  rotten(flow: Flow, oldest: QueuedTask, now: number): boolean {
    return now - (oldest.waitingSince ?? oldest.enqueuedAt) > this.law.maxWait && this.isOverloaded(flow, now)
  }
  newestFirst(flow: Flow, now: number): boolean {
    return this.law.order === "newestFirst" && this.isOverloaded(flow, now)
  }

  /**
   * Whether a task of this criticality is refused when it comes. In fair order the flow that it would stand in counts.
   *
   * A line that runs empty because it refuses tasks is not at ease: where it has work again within `after` of the last of
   * them, it is overloaded from then on until it is empty.
   */
  refuses(
    criticality: Criticality = "normal",
    key: Key,
    level: number,
    fill: number,
    system: number,
    now: number
  ): boolean {
    const heat: Heat = this.perFlow ? key : this.whole
    // Nobody is there, and nobody was refused for long enough: what was refused before no longer counts.
    if (this.perFlow && idle(key) && key.hotUntil <= now) key.refusing = undefined
    const flow = this.perFlow ? key.flows.find((one) => one.level === level) : undefined
    const ownSince = flow === undefined || flow.standing === Standing.asleep ? 0 : now - flow.emptyAt
    const sinceEmptyMillis = this.perFlow ? ownSince : this.sinceEmpty(now)
    const hard = pressure({ fill, sinceEmptyMillis, system }, this.law.after)
    const refusing = (heat.refusing ??= { sheddable: false, normal: false, critical: false })
    const refused = refuses(criticality, hard, refusing[criticality])
    refusing[criticality] = refused
    if (refused && this.overloaded(sinceEmptyMillis, heat, now)) heat.hotUntil = now + this.law.after
    return refused
  }
}
