/** What a condition is: when it holds, what is said of it, and the rule that Prometheus has for it. */
import type { HerdMetrics, HerdStats } from "lemmings/HerdStats"
import type { KeyUse } from "lemmings/HerdFlow"
import type { ProcessFrame, QueueSnapshot } from "../model/ControlModel.ts"
import type { Remedy, Severity } from "../model/Problem.ts"

/** What is said while a condition holds. */
export interface Said {
  readonly sentence: string
  readonly detail?: string
  /** Which error belongs to it: the last of `onCreate`, the most frequent of tasks, the store's reason. */
  readonly error?: "create" | "tasks" | "store"
  /** Epoch milliseconds, where the snapshot says it. Otherwise since it was first seen. */
  readonly since?: number | undefined
  readonly remedy: Remedy
}

/** One thing that can be wrong with subjects of one kind. */
export interface Condition<Look> {
  /** Its name as an alert. */
  readonly alert: string
  /** In words. The heading of its entry in the runbook. */
  readonly title: string
  readonly severity: Severity
  /** Milliseconds for which it is still told when it no longer holds. */
  readonly calm: number
  /** Whether the process should get no work while it holds. */
  readonly unready?: boolean
  /** The alerts that say nothing more while this one is told. */
  readonly hides?: ReadonlyArray<string>
  /** `told`: whether it is told already. It then holds down to a lower mark. */
  readonly says: (look: Look, told: boolean) => Said | undefined
  /** The same for Prometheus. */
  readonly rule: {
    readonly expr: string
    readonly for?: string
    readonly summary: string
    /** The first thing to do. */
    readonly todo: string
  }
}

/** What happened in the last seconds: differences of the herd's counts. */
export interface Recent {
  readonly succeeded: number
  readonly failed: number
  readonly dropped: number
  readonly leaked: number
  /** Retries that the budget refused. */
  readonly refused: number
}

export interface HerdLook {
  readonly stats: Omit<HerdStats, "resources"> & {
    readonly resources: Omit<HerdStats["resources"], "lastCreateError">
  }
  /** As they were a second ago, at most. */
  readonly metrics: Pick<HerdMetrics, "failedRate">
  readonly recent: Recent
  /** Those with tasks that wait for a limit. */
  readonly keys: ReadonlyArray<KeyUse>
}

export interface QueueLook {
  readonly queue: Omit<QueueSnapshot, "queue">
  /** How many dead letters are there more than some minutes ago. */
  readonly newLetters: number
}

export type ProcessLook = ProcessFrame
