/** A line for each host. */
import type { KeyUse } from "lemmings"
import { busiest, type Seen } from "./Crawler.ts"
import type { Host, Site } from "./Site.ts"

const bar = (done: number, of: number) => {
  const width = 20
  const full = Math.round((done / Math.max(1, of)) * width)
  return "█".repeat(full) + "░".repeat(width - full)
}

const why = (use: KeyUse | undefined): string => {
  if (use === undefined) return ""
  if (use.onHold) return `on hold for ${((use.opensInMillis ?? 0) / 1_000).toFixed(1)} s`
  return use.held > 0 ? `${use.held} held` : ""
}

/** What goes on now. At most 60 columns. */
export const live = (hosts: ReadonlyArray<Host>, seen: Seen, keys: ReadonlyArray<KeyUse>): string =>
  hosts
    .map(({ name, pages }) => {
      const use = keys.find(({ key }) => key === name)
      const done = seen.done.get(name) ?? 0
      return `${name.padEnd(11)} ${bar(done, pages)} ${String(done).padStart(3)}/${String(pages).padEnd(3)} ${why(use)}`
    })
    .join("\n")

/** What came of it: requests, refusals, the most requests begun in any second, and how near the rate of each host it ran. */
export const summary = (hosts: ReadonlyArray<Host>, seen: Seen, site: Site): string =>
  [
    "host        pages  429s  at once  begun/s  answered/s",
    ...hosts.map(({ name, perSecond }) => {
      const { atOnce = 0, inSecond = 0 } = site.most.get(name) ?? {}
      const near = `${inSecond} of ${perSecond} (${Math.round((inSecond / perSecond) * 100)} %)`
      return [
        name.padEnd(11),
        String(seen.done.get(name) ?? 0).padStart(5),
        String(seen.refused.get(name) ?? 0).padStart(5),
        String(atOnce).padStart(8),
        String(busiest(seen, name)).padStart(8),
        ` ${near}`
      ].join(" ")
    })
  ].join("\n")
