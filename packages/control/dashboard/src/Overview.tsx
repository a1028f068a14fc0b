// All herds and queues as tables: the worst first, the fine ones of many folded.
import { useState } from "preact/hooks"
import type { HerdOverview } from "../../src/model/FrameModel.ts"
import type { Problem } from "../../src/model/Problem.ts"
import { count, millis, percent, type Queue, rate, type View } from "./model.ts"
import { herdLink, queueLink } from "./route.ts"
import { type Column, lines, matches, type Sorting, stateOf, worst } from "./table.ts"
import { Mark } from "./ui.tsx"

const Spark = ({ values }: { values: ReadonlyArray<number> }) => {
  const width = 90
  const height = 20
  const top = Math.max(...values, 0)
  if (values.length < 2) return <span class="muted">–</span>
  const x = (i: number) => width - (values.length - 1 - i) * (width / 59)
  const y = (value: number) => height - 2 - (top === 0 ? 0 : (value / top) * (height - 4))
  const line = values
    .map((value, i) => `${i === 0 ? "M" : "L"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("")
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path d={`${line}L${width} ${height}L${x(0).toFixed(1)} ${height}Z`} class="area" />
      <path d={line} class="line" />
    </svg>
  )
}

const Bar = ({ busy, max, size }: { busy: number; max: number; size: number }) => {
  const part = (n: number) => `${max === 0 ? 0 : Math.min(100, (100 * n) / max)}%`
  return (
    <span class="bar" aria-hidden="true">
      <span class="fill size" style={{ width: part(size) }} />
      <span class="fill busy" style={{ width: part(busy) }} />
    </span>
  )
}

const workersOf = ({ busy, max, size, starting }: HerdOverview): string =>
  `${count(size)} of ${count(max)}${starting > 0 ? `, ${count(starting)} starting` : size > 0 ? `, ${count(busy)} busy` : ""}`
const oldestOf = (ms: number): string => (ms === 0 ? "–" : millis(ms))

const Row = ({
  herd,
  inGroup,
  problem
}: {
  herd: HerdOverview
  inGroup: boolean
  problem: Problem | undefined
}) => {
  const { level, word } = stateOf(herd, problem)
  const ended = herd.succeededRate + herd.failedRate
  const failed = ended === 0 ? "–" : percent(herd.failureRate)
  return (
    <tr data-testid="herd-row" data-herd={herd.id} class={inGroup ? "in-group" : ""}>
      <th scope="row" class="name">
        <a href={herdLink(herd.id)} data-nav title={herd.id}>
          {herd.id}
        </a>
        <span class="second">
          {workersOf(herd)} · {count(herd.waiting)} waiting
          {herd.oldestMillis > 0 ? ` for ${millis(herd.oldestMillis)}` : ""} · {rate(herd.succeededRate)}
          {herd.failureRate > 0 ? `, ${failed} failed` : ""}
        </span>
      </th>
      <td>
        <Mark level={level} word={word} />
      </td>
      <td class="wide-only">
        <span class="workers">
          {workersOf(herd)} <Bar {...herd} />
        </span>
      </td>
      <td class="number wide-only">{count(herd.waiting)}</td>
      <td class="number wide-only">{oldestOf(herd.oldestMillis)}</td>
      <td class={`number wide-only ${herd.failureRate > 0.1 ? "bad-text" : ""}`}>{failed}</td>
      <td class="number wide-only">{ended === 0 ? "–" : rate(herd.succeededRate).replace("/s", "")}</td>
      <td class="wider-only">
        <Spark values={herd.spark} />
      </td>
    </tr>
  )
}

const columns: ReadonlyArray<readonly [Column, string, string]> = [
  ["name", "Herd", ""],
  ["trouble", "State", ""],
  ["workers", "Workers", "wide-only"],
  ["waiting", "Waiting", "number wide-only"],
  ["oldest", "Oldest", "number wide-only"],
  ["failed", "Failed", "number wide-only"],
  ["done", "Done/s", "number wide-only"]
]

const Sort = ({
  column: [by, name, kind],
  set,
  sorting
}: {
  column: (typeof columns)[number]
  sorting: Sorting
  set: (sorting: Sorting) => void
}) => {
  const on = sorting.by === by
  return (
    <th scope="col" class={kind} aria-sort={on ? (sorting.down ? "descending" : "ascending") : "none"}>
      <button
        class="sort"
        data-testid={`sort-${by}`}
        onClick={() => set({ by, down: on ? !sorting.down : by !== "name" })}
      >
        {name}
        <span aria-hidden="true">{on ? (sorting.down ? " ▾" : " ▴") : ""}</span>
      </button>
    </th>
  )
}

const first: Sorting = { by: "trouble", down: false }

export const Overview = ({
  filter,
  setFilter,
  view
}: {
  filter: string
  setFilter: (filter: string) => void
  view: View
}) => {
  const [sorting, setSorting] = useState(first)
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set())
  const troubles = worst(view.problems, "herd")
  const shown = lines(view.herds, troubles, sorting, filter, unfolded)
  const found = shown.filter(({ kind }) => kind === "herd").length
  const toggle = (name: string) => {
    const next = new Set(unfolded)
    if (!next.delete(name)) next.add(name)
    setUnfolded(next)
  }
  return (
    <>
      <section aria-labelledby="herds-title" id="herds">
        <div class="table-head">
          <h2 id="herds-title" tabIndex={-1}>
            Herds <span class="muted">{count(view.herds.length)}</span>
          </h2>
          <span class="spacer" />
          <input
            id="filter"
            type="search"
            data-testid="filter"
            aria-label="Filter herds and queues by name, state or policy"
            placeholder="Filter: name, state, policy"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </div>
        <div class="panel flush">
          <table class="list">
            <thead>
              <tr>
                {columns.map((column) => (
                  <Sort key={column[0]} column={column} sorting={sorting} set={setSorting} />
                ))}
                <th scope="col" class="wider-only">
                  10 min
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.length === 0 && (
                <tr>
                  <td colSpan={8} class="empty">
                    {view.herds.length === 0 ? "None." : `No herd matches “${filter}”.`}
                  </td>
                </tr>
              )}
              {shown.map((line) =>
                line.kind === "herd" ? (
                  <Row
                    key={line.herd.id}
                    herd={line.herd}
                    inGroup={line.inGroup}
                    problem={troubles.get(line.herd.id)}
                  />
                ) : (
                  <tr key={`group ${line.name}`} class="group">
                    <th scope="row" colSpan={8}>
                      <button
                        class="plain"
                        data-nav
                        data-testid="group"
                        aria-expanded={line.unfolded}
                        onClick={() => toggle(line.name)}
                      >
                        <span aria-hidden="true">{line.unfolded ? "▾" : "▸"}</span> {line.name}
                        <span class="muted"> {count(line.size)} herds, all fine</span>
                      </button>
                    </th>
                  </tr>
                )
              )}
            </tbody>
          </table>
        </div>
        {filter !== "" && (
          <p class="note" role="status">
            {count(found)} of {count(view.herds.length)} herds
          </p>
        )}
      </section>
      {view.queues.length > 0 && <Queues filter={filter} view={view} />}
    </>
  )
}

const queueState = (queue: Queue, problem: Problem | undefined) => {
  if (problem !== undefined) return { level: problem.severity, word: problem.title } as const
  return { level: "fine", word: queue.stats?.paused === true ? "paused" : "running" } as const
}

const Queues = ({ filter, view }: { filter: string; view: View }) => {
  const troubles = worst(view.problems, "queue")
  const rank = (queue: Queue) => {
    const problem = troubles.get(queue.queue)
    return problem === undefined ? 2 : problem.severity === "critical" ? 0 : 1
  }
  const shown = view.queues
    .filter((queue) =>
      matches([queue.queue, queue.store, queueState(queue, troubles.get(queue.queue)).word], filter)
    )
    .toSorted((a, b) => rank(a) - rank(b))
  return (
    <section aria-labelledby="queues-title" id="queues">
      <div class="table-head">
        <h2 id="queues-title" tabIndex={-1}>
          Queues <span class="muted">{count(view.queues.length)}</span>
        </h2>
      </div>
      <div class="panel flush">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Queue</th>
              <th scope="col">State</th>
              <th scope="col" class="number wide-only">
                Waiting
              </th>
              <th scope="col" class="number wide-only">
                Oldest
              </th>
              <th scope="col" class="number wide-only">
                Running
              </th>
              <th scope="col" class="number wide-only">
                Dead letters
              </th>
              <th scope="col" class="wider-only">
                Store
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.length === 0 && (
              <tr>
                <td colSpan={7} class="empty">
                  No queue matches “{filter}”.
                </td>
              </tr>
            )}
            {shown.map((queue) => {
              const { level, word } = queueState(queue, troubles.get(queue.queue))
              const { stats } = queue
              const figure = (read: (known: NonNullable<typeof stats>) => string) =>
                stats === null ? "unknown" : read(stats)
              return (
                <tr key={queue.queue} data-testid="queue-row" data-queue={queue.queue}>
                  <th scope="row" class="name">
                    <a href={queueLink(queue.queue)} data-nav title={queue.queue}>
                      {queue.queue}
                    </a>
                    <span class="second">
                      {figure(
                        ({ deadLetters, waiting }) =>
                          `${count(waiting)} waiting · ${count(deadLetters)} dead letters`
                      )}
                    </span>
                  </th>
                  <td>
                    <Mark level={level} word={word} />
                  </td>
                  <td class="number wide-only">{figure(({ waiting }) => count(waiting))}</td>
                  <td class="number wide-only">{figure(({ oldestMillis }) => oldestOf(oldestMillis))}</td>
                  <td class="number wide-only">{figure(({ running }) => count(running))}</td>
                  <td class="number wide-only">{figure(({ deadLetters }) => count(deadLetters))}</td>
                  <td class="wider-only">{queue.store}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </section>
  )
}
