/** The conditions as a file of rules for Prometheus. */
import { conditions } from "./Watch.ts"

/** As the formatter of this repository has it. */
const quoted = (text: string): string =>
  text.includes('"') && !text.includes("'") ? `'${text}'` : JSON.stringify(text)

/** The text of `prometheus/alerts.yml`. */
export const rules = (): string =>
  [
    "# Alerts for herds and queues. Add this file to rule_files, and change the limits to what your service has promised.",
    "# Written by `pnpm build:alerts`. Each alert has an entry of the same title in docs/runbook.md.",
    "groups:",
    "  - name: lemmings",
    "    rules:",
    ...conditions.flatMap(({ alert, rule, severity, title }) => [
      `      - alert: ${alert}`,
      `        expr: ${quoted(rule.expr)}`,
      ...(rule.for === undefined ? [] : [`        for: ${rule.for}`]),
      `        labels: { severity: ${severity} }`,
      `        annotations:`,
      `          title: ${quoted(title)}`,
      `          summary: ${quoted(rule.summary)}`,
      `          runbook: ${quoted(rule.todo)}`
    ])
  ].join("\n") + "\n"
