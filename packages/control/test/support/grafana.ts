/** The dashboard for Grafana that the package carries. */
import { readFileSync } from "node:fs"

export const dashboard: {
  readonly uid: string
  readonly panels: ReadonlyArray<{
    readonly id: number
    readonly title: string
    readonly targets?: ReadonlyArray<{ readonly expr: string }>
  }>
} = JSON.parse(readFileSync(new URL("../../grafana/lemmings.json", import.meta.url), "utf8"))

/** Every question that its panels ask. */
export const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
