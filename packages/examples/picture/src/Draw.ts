/** Turns events into an SVG: a lane a worker, a bar an attempt, and the queue below. */
import type { HerdEvent } from "lemmings"

const width = 960
const left = 92
const lane = 30
const top = 64
const second = 51

const colours = [
  { least: 20, name: "critical", fill: "#c0392b" },
  { least: 10, name: "high", fill: "#e67e22" },
  { least: 5, name: "normal", fill: "#2e86c1" },
  { least: -Infinity, name: "low", fill: "#7f8c8d" }
] as const

const colour = (priority: number) => colours.find(({ least }) => priority >= least)?.fill ?? "#7f8c8d"

interface Bar {
  readonly workerId: number
  readonly from: number
  readonly to: number
  readonly priority: number
  readonly label: string
  readonly bad: boolean
}

const barsOf = (events: ReadonlyArray<HerdEvent>): ReadonlyArray<Bar> =>
  events.flatMap((event) =>
    event._tag === "TaskFinished"
      ? [
          {
            workerId: event.workerId,
            from: event.at - event.runMillis,
            to: event.at,
            priority: event.priority,
            label: event.label ?? "",
            bad: event.outcome !== "succeeded"
          }
        ]
      : []
  )

/** Queue depth after each event that changes it. */
const depthOf = (
  events: ReadonlyArray<HerdEvent>
): ReadonlyArray<{ readonly at: number; readonly depth: number }> => {
  let depth = 0
  const steps: Array<{ at: number; depth: number }> = [{ at: 0, depth }]
  const delayed = new Set<string>()
  for (const event of events) {
    if (event._tag === "TaskAccepted" || event._tag === "TaskRequeued") depth++
    else if (event._tag === "TaskRetried") delayed.add(event.taskId)
    else if (event._tag === "TaskStarted") {
      // A delayed task passes through the queue within one instant.
      if (!delayed.delete(event.taskId)) depth--
    } else continue
    steps.push({ at: event.at, depth })
  }
  return steps
}

const text = (x: number, y: number, words: string, extra = "") =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${extra}>${words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`

export const draw = (events: ReadonlyArray<HerdEvent>): string => {
  const bars = barsOf(events)
  const depth = depthOf(events)
  const end = Math.max(...events.map(({ at }) => at))
  const x = (at: number) => left + (at / 1000) * second
  const workers = [
    ...new Set(events.flatMap((event) => (event._tag === "WorkerStarted" ? [event.workerId] : [])))
  ].toSorted((a, b) => a - b)
  const y = (workerId: number) => top + workers.indexOf(workerId) * lane
  const floor = top + workers.length * lane + 84
  const deepest = Math.max(1, ...depth.map((step) => step.depth))
  const level = (n: number) => floor - (n / deepest) * 60

  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${floor + 54}" font-family="system-ui, sans-serif" font-size="12" fill="#34495e">`,
    `<rect width="100%" height="100%" fill="#fdfefe"/>`,
    text(left, 24, "Seventeen seconds of a herd, in virtual time", `font-size="16" font-weight="600"`)
  ]
  colours.slice(0, 3).forEach(({ fill, name }, i) => {
    out.push(
      `<rect x="${left + i * 80}" y="34" width="12" height="12" rx="2" fill="${fill}"/>`,
      text(left + 18 + i * 80, 45, name)
    )
  })
  out.push(
    text(left + 260, 45, "✕ failed, timed out or found its worker unhealthy"),
    text(left + 580, 45, "◆ worker ready or replaced  ◇ gone")
  )
  for (let at = 0; at <= end; at += 5000) {
    out.push(
      `<line x1="${x(at)}" x2="${x(at)}" y1="${top - 6}" y2="${floor}" stroke="#d5d8dc"/>`,
      text(x(at), floor + 16, `${at / 1000} s`, `text-anchor="middle"`)
    )
  }
  for (const workerId of workers)
    out.push(text(left - 12, y(workerId) + 19, `worker ${workerId}`, `text-anchor="end"`))
  for (const event of events) {
    if (event._tag === "WorkerStarted" || event._tag === "WorkerReplaced") {
      out.push(text(x(event.at) - 4, y(event.workerId) + 18, "◆", `fill="#27ae60"`))
    }
    if (event._tag === "WorkerStopped" && event.at < end - 100) {
      out.push(text(x(event.at) + 2, y(event.workerId) + 18, "◇", `fill="#27ae60"`))
    }
    if (event._tag === "Resized") {
      out.push(
        `<line x1="${x(event.at)}" x2="${x(event.at)}" y1="${top - 6}" y2="${floor}" stroke="#8e44ad" stroke-dasharray="4 3"/>`,
        text(x(event.at) + 4, top + workers.length * lane + 10, `resize(${event.to})`, `fill="#8e44ad"`)
      )
    }
  }
  for (const bar of bars) {
    const wide = Math.max(2, x(bar.to) - x(bar.from) - 2)
    out.push(
      `<rect x="${x(bar.from).toFixed(1)}" y="${y(bar.workerId) + 4}" width="${wide.toFixed(1)}" height="${lane - 10}" rx="3" fill="${colour(bar.priority)}"${bar.bad ? ` opacity="0.55"` : ""}/>`,
      text(x(bar.from) + 5, y(bar.workerId) + 18, wide > 34 ? bar.label : "", `fill="#fff" font-size="11"`)
    )
    if (bar.bad) out.push(text(x(bar.to) - 12, y(bar.workerId) + 19, "✕", `fill="#922b21" font-weight="700"`))
  }
  const points = depth.flatMap(({ at, depth: n }, i) => {
    const before = depth[i - 1]?.depth ?? 0
    return [`${x(at).toFixed(1)},${level(before).toFixed(1)}`, `${x(at).toFixed(1)},${level(n).toFixed(1)}`]
  })
  out.push(
    `<polygon points="${x(0)},${floor} ${points.join(" ")} ${x(end).toFixed(1)},${floor}" fill="#aed6f1" stroke="#2e86c1"/>`,
    text(left - 12, floor - 24, "waiting", `text-anchor="end"`),
    text(left - 12, level(deepest) + 4, String(deepest), `text-anchor="end"`),
    text(left - 12, floor + 4, "0", `text-anchor="end"`),
    text(
      left,
      floor + 40,
      "Waiting tasks are taken by priority; a retry delay holds no worker; a worker that lost its connection gets a new one first.",
      `fill="#7f8c8d"`
    ),
    `</svg>`
  )
  return `${out.join("\n")}\n`
}
