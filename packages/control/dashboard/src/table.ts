// Which herds are shown, in which order, and which of them together. No DOM.
import type { HerdOverview } from "../../src/model/FrameModel.ts"
import type { Problem } from "../../src/model/Problem.ts"

export type Column = "trouble" | "name" | "workers" | "waiting" | "oldest" | "failed" | "done"

export interface Sorting {
  readonly by: Column
  readonly down: boolean
}

/** As many are folded into groups. */
const many = 12

/** The state of a herd in one word, and how bad it is: 0 is worst. */
export const stateOf = (herd: HerdOverview, problem: Problem | undefined) => {
  if (problem?.severity === "critical") return { rank: 0, level: "critical", word: problem.title } as const
  if (problem !== undefined) return { rank: 1, level: "warning", word: problem.title } as const
  if (herd.state === "closed") return { rank: 4, level: "quiet", word: "closed" } as const
  if (herd.state !== "running") return { rank: 2, level: "quiet", word: herd.state } as const
  return { rank: 3, level: "fine", word: herd.paused ? "paused" : "running" } as const
}

/** The worst problem of each herd or queue. */
export const worst = (problems: ReadonlyArray<Problem>, kind: Problem["subject"]["kind"]) => {
  const found = new Map<string, Problem>()
  for (const problem of problems)
    if (problem.subject.kind === kind && !found.has(problem.subject.id))
      found.set(problem.subject.id, problem)
  return found
}

const value = (herd: HerdOverview, by: Column): number => {
  switch (by) {
    case "workers":
      return herd.size
    case "waiting":
      return herd.waiting
    case "oldest":
      return herd.oldestMillis
    case "failed":
      return herd.failureRate
    case "done":
      return herd.succeededRate
    default:
      return 0
  }
}

const names = new Intl.Collator("en", { numeric: true })

const sorted = (
  herds: ReadonlyArray<HerdOverview>,
  troubles: ReadonlyMap<string, Problem>,
  { by, down }: Sorting
): ReadonlyArray<HerdOverview> => {
  const sign = down ? -1 : 1
  return herds.toSorted((a, b) => {
    if (by === "name") return sign * names.compare(a.id, b.id)
    if (by === "trouble")
      return (
        stateOf(a, troubles.get(a.id)).rank - stateOf(b, troubles.get(b.id)).rank || names.compare(a.id, b.id)
      )
    return sign * (value(a, by) - value(b, by)) || names.compare(a.id, b.id)
  })
}

export const matches = (words: ReadonlyArray<string | undefined>, filter: string): boolean => {
  const wanted = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
  const text = words.join(" ").toLowerCase()
  return wanted.every((word) => text.includes(word))
}

export type Line =
  | { readonly kind: "herd"; readonly herd: HerdOverview; readonly inGroup: boolean }
  | { readonly kind: "group"; readonly name: string; readonly size: number; readonly unfolded: boolean }

/** Those in trouble stand alone. Of many, the fine ones of one prefix before `/` are one line that unfolds. */
export const lines = (
  herds: ReadonlyArray<HerdOverview>,
  troubles: ReadonlyMap<string, Problem>,
  sorting: Sorting,
  filter: string,
  unfolded: ReadonlySet<string>
): ReadonlyArray<Line> => {
  const found = herds.filter((herd) =>
    matches(
      [herd.id, stateOf(herd, troubles.get(herd.id)).word, herd.policy, herd.paused ? "paused" : ""],
      filter
    )
  )
  const order = sorted(found, troubles, sorting)
  if (herds.length <= many || filter.trim() !== "" || sorting.by !== "trouble")
    return order.map((herd) => ({ kind: "herd", herd, inGroup: false }))
  const prefixOf = ({ id }: HerdOverview) => (id.includes("/") ? id.slice(0, id.indexOf("/")) : "")
  const groups = new Map<string, Array<HerdOverview>>()
  const alone: Array<Line> = []
  for (const herd of order) {
    const prefix = prefixOf(herd)
    if (troubles.has(herd.id) || prefix === "") alone.push({ kind: "herd", herd, inGroup: false })
    else groups.set(prefix, [...(groups.get(prefix) ?? []), herd])
  }
  const folded: Array<Line> = []
  for (const [name, some] of groups) {
    if (some.length === 1) {
      folded.push(...some.map((herd) => ({ kind: "herd" as const, herd, inGroup: false })))
      continue
    }
    folded.push({ kind: "group", name, size: some.length, unfolded: unfolded.has(name) })
    if (unfolded.has(name))
      folded.push(...some.map((herd) => ({ kind: "herd" as const, herd, inGroup: true })))
  }
  return [...alone, ...folded]
}
