// What a herd does in lists: running and waiting tasks, failures by error, decisions, keys, settings.
import { useRef, useState } from "preact/hooks"
import { explain, holdKey, interrupt, releaseKey } from "./api.ts"
import { clock, count, grouped, type HerdView, millis, percent, priority } from "./model.ts"
import { herdLink } from "./route.ts"
import { Do, Empty, Facts, Head, Scroll, useActions } from "./ui.tsx"

interface TabProps {
  readonly herd: HerdView
  readonly exposeErrors: boolean
}

const Running = ({ herd }: TabProps) => {
  const { ask, readOnly } = useActions()
  const { running, stats } = herd.detail
  const more = stats.tasks.running - running.length
  return (
    <>
      <Scroll label="Running tasks">
        <table>
          <Head
            names={[
              "Task",
              "Label",
              "Key",
              "Running for",
              "Attempt",
              "Priority",
              "Worker",
              ...(readOnly ? [] : ["Action"])
            ]}
          />
          <tbody>
            {running.length === 0 && <Empty columns={8} text="Nothing runs." />}
            {running.map((task) => (
              <tr key={task.id} data-testid="running-row">
                <th scope="row">{task.id}</th>
                <td>{task.label ?? "–"}</td>
                <td>{task.key ?? "–"}</td>
                <td class="number">{millis(task.runMillis ?? 0)}</td>
                <td class="number">{task.attempt}</td>
                <td>{priority(task.priority)}</td>
                <td class="number">{task.workerId ?? "–"}</td>
                {!readOnly && (
                  <td>
                    <Do
                      test="interrupt"
                      class="small"
                      onClick={() =>
                        ask({
                          title: `Interrupt task ${task.id}?`,
                          text: "It is interrupted where it is, and whoever waits for it is told.",
                          yes: "Interrupt",
                          run: () => interrupt(herd.id, task.id)
                        })
                      }
                    >
                      Interrupt<span class="hidden"> task {task.id}</span>
                    </Do>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {more > 0 && <p class="note">and {count(more)} more, which have run for a shorter time</p>}
    </>
  )
}

const Explained = ({ herd, id }: { herd: string; id: string }) => {
  const [text, setText] = useState<string>()
  const look = () =>
    void explain(herd, id).then(
      ({ sentence }) => setText(sentence),
      (problem: unknown) => setText(problem instanceof Error ? problem.message : String(problem))
    )
  return (
    <>
      <button class="small" data-testid="explain" onClick={look}>
        Why?<span class="hidden"> does task {id} wait</span>
      </button>{" "}
      <span role="status" data-testid="explanation">
        {text}
      </span>
    </>
  )
}

const Waiting = ({ herd }: TabProps) => {
  const { levels, stats, waiting } = herd.detail
  const most = Math.max(1, ...levels.levels.map(({ tasks }) => tasks))
  const more = stats.queue.depth - waiting.length
  return (
    <>
      <Scroll label="Waiting tasks">
        <table>
          <Head names={["Task", "Label", "Key", "Waits for", "Priority", "Why it waits"]} />
          <tbody>
            {waiting.length === 0 && <Empty columns={6} text="Nothing waits." />}
            {waiting.map((task) => (
              <tr key={task.id} data-testid="waiting-row">
                <th scope="row">{task.id}</th>
                <td>{task.label ?? "–"}</td>
                <td>{task.key ?? "–"}</td>
                <td class="number">{millis(task.ageMillis)}</td>
                <td>{priority(task.priority)}</td>
                <td class="reason">
                  <Explained herd={herd.id} id={task.id} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {more > 0 && <p class="note">and {count(more)} more after them</p>}
      {levels.levels.length > 1 && (
        <Scroll label="Waiting tasks by priority">
          <table class="levels">
            <Head
              names={[
                `Priority (${count(levels.levels.length)} levels${levels.estimated ? ", estimated" : ""})`,
                "Tasks",
                ""
              ]}
            />
            <tbody>
              {levels.levels.map(({ priority: level, tasks }) => (
                <tr key={level} data-testid="level-row">
                  <th scope="row">{priority(level)}</th>
                  <td class="number">{count(tasks)}</td>
                  <td class="meter">
                    <span style={{ width: `${(100 * tasks) / most}%` }} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  )
}

const kinds = {
  failure: "failed",
  defect: "defect",
  timeout: "timed out",
  deadline: "missed its deadline",
  acquireTimeout: "found no worker"
}

const Failures = ({ exposeErrors, herd }: TabProps) => {
  const groups = grouped(
    herd.failures,
    ({ error, kind }) => `${kinds[kind]}${error === undefined ? "" : `: ${error.split("\n")[0]}`}`,
    ({ at }) => at
  )
  return (
    <>
      {!exposeErrors && (
        <p class="note">
          Errors are hidden: the option <code>exposeErrors: true</code> of <code>Control</code> shows them
          here.
        </p>
      )}
      {groups.length === 0 && <p class="empty">None.</p>}
      {groups.map(({ all, first, key, last }) => (
        <details key={key} class="failure-group" data-testid="failure-group">
          <summary>
            <b>{count(all.length)}×</b> <span class="error-text">{key}</span>{" "}
            <span class="muted">
              {clock(first)}
              {last === first ? "" : ` to ${clock(last)}`}
            </span>
          </summary>
          <Scroll label={`Failures: ${key}`}>
            <table>
              <Head names={["Time", "Task", "Label", "Key", "Priority", "Attempt", "Then"]} />
              <tbody>
                {all.toReversed().map((failure) => (
                  <tr key={`${failure.at} ${failure.id} ${failure.attempt}`} data-testid="failure-row">
                    <td class="number">{clock(failure.at)}</td>
                    <th scope="row">{failure.id}</th>
                    <td>{failure.label ?? "–"}</td>
                    <td>{failure.key ?? "–"}</td>
                    <td>{priority(failure.priority)}</td>
                    <td class="number">{failure.attempt}</td>
                    <td>{failure.again ? "tried again" : "gave up"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
          {all[0]?.error !== undefined && (
            <pre tabIndex={0} role="group" aria-label={`Text of the error: ${key}`}>
              {all.at(-1)?.error}
            </pre>
          )}
        </details>
      ))}
    </>
  )
}

const History = ({ herd: { decisions } }: TabProps) => (
  <Scroll label="Scaling history">
    <table>
      <Head names={["Time", "Workers", "By", "Reason"]} />
      <tbody>
        {decisions.length === 0 && <Empty columns={4} text="The number of workers has not changed." />}
        {decisions.toReversed().map((decision, index) => (
          <tr key={decisions.length - index} data-testid="decision-row">
            <td class="number">{clock(decision.at)}</td>
            <td class="number">
              <span class={decision.to >= decision.from ? "up" : "down"} aria-hidden="true">
                {decision.to >= decision.from ? "▲" : "▼"}
              </span>{" "}
              {count(decision.from)} → {count(decision.to)}
            </td>
            <td>{decision.by}</td>
            <td class="reason">{decision.reason}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
)

const Keys = ({ herd }: TabProps) => {
  const { run } = useActions()
  const { keys } = herd.detail
  if (keys === undefined)
    return (
      <p class="empty">
        This herd has no flow control. The options <code>limits</code>, <code>overload</code> and{" "}
        <code>queue.order</code> bring it.
      </p>
    )
  return (
    <Scroll label="Keys">
      <table>
        <Head names={["Key", "Ready", "Held", "Running", "Share used", "Opens in", "Action"]} />
        <tbody>
          {keys.length === 0 && <Empty columns={7} text="No key has a task." />}
          {keys.map((use) => {
            const { concurrency, held, key, onHold, opensInMillis, ready, running, share, used } = use
            return (
              <tr key={key ?? ""} data-testid="key-row" data-key={key ?? ""}>
                <th scope="row">{key ?? "without a key"}</th>
                <td class="number">{count(ready)}</td>
                <td class="number">{count(held)}</td>
                <td class="number">
                  {count(running)}
                  {concurrency === undefined ? "" : ` of ${count(concurrency)}`}
                </td>
                <td class="number">
                  {percent(used)} <span class="muted">share {share}</span>
                </td>
                <td class="number">
                  {onHold ? "on hold" : ""}
                  {onHold && opensInMillis !== undefined ? ", " : ""}
                  {opensInMillis === undefined ? (onHold ? "" : "–") : millis(opensInMillis)}
                </td>
                <td>
                  {key !== undefined &&
                    (onHold ? (
                      <Do
                        test="release"
                        class="small"
                        onClick={() => run(() => releaseKey(herd.id, key), `The key ${key} is released.`)}
                      >
                        Release<span class="hidden"> {key}</span>
                      </Do>
                    ) : (
                      <Do
                        test="hold"
                        class="small"
                        onClick={() =>
                          run(
                            () => holdKey(herd.id, key, "5 minutes"),
                            `The key ${key} is held for 5 minutes.`,
                            () => releaseKey(herd.id, key)
                          )
                        }
                      >
                        Hold 5 min<span class="hidden"> {key}</span>
                      </Do>
                    ))}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </Scroll>
  )
}

const Settings = ({ herd }: TabProps) => {
  const { metrics, stats } = herd.detail
  const { queue, resources, scaling, tasks, workers } = stats
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["Workers", `${count(workers.min)} to ${count(workers.max)}, most so far ${count(workers.peak)}`],
    ["Policy", scaling.policy + (scaling.pinned ? ", but the size is pinned" : "")],
    ["Queue", queue.capacity === null ? "unbounded" : `room for ${count(queue.capacity)}`],
    ["Window of rates", millis(metrics.windowMillis)],
    ["Tasks accepted", count(tasks.submitted)],
    ["Interrupted", count(tasks.interrupted)],
    ["Dropped", count(tasks.shed)],
    ["Refused", count(tasks.rejected)],
    ["Attempts repeated", `${count(tasks.retried)} by a schedule, ${count(tasks.requeued)} for a new worker`],
    [
      "Resources",
      `${count(resources.alive)} alive, ${count(resources.created)} created, ${count(resources.leaked)} left behind`
    ],
    ["Failures of onCreate", count(resources.createFailures)],
    ["Failures of onDestroy", count(resources.destroyFailures)]
  ]
  return (
    <Scroll label="Settings and totals">
      <Facts rows={rows} />
    </Scroll>
  )
}

const tabs = [
  ["running", "Running", Running],
  ["waiting", "Waiting", Waiting],
  ["failures", "Failures", Failures],
  ["scaling", "Scaling", History],
  ["keys", "Keys", Keys],
  ["settings", "Settings", Settings]
] as const

export const Tabs = ({ exposeErrors, herd, tab }: TabProps & { readonly tab: string | undefined }) => {
  const list = useRef<HTMLDivElement>(null)
  const [id, , Shown] = tabs.find(([name]) => name === tab) ?? tabs[0]
  const { stats } = herd.detail
  const numbers: { readonly [name: string]: number } = {
    running: stats.tasks.running,
    waiting: stats.queue.depth,
    failures: herd.failures.length,
    keys: herd.detail.keys?.length ?? 0
  }
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const at = tabs.findIndex(([name]) => name === id)
    const next = tabs[(at + step + tabs.length) % tabs.length]?.[0] ?? id
    location.replace(herdLink(herd.id, next))
    list.current?.querySelector<HTMLElement>(`#tab-${next}`)?.focus()
  }
  return (
    <section class="panel flush">
      <div class="tabs" role="tablist" aria-label={`Lists of ${herd.id}`} ref={list} onKeyDown={move}>
        {tabs.map(([name, word]) => (
          <button
            key={name}
            id={`tab-${name}`}
            data-testid={`tab-${name}`}
            role="tab"
            aria-selected={name === id}
            aria-controls="tab-panel"
            tabIndex={name === id ? 0 : -1}
            onClick={() => location.replace(herdLink(herd.id, name))}
          >
            {word}
            {(numbers[name] ?? 0) > 0 && <span class="muted"> {count(numbers[name] ?? 0)}</span>}
          </button>
        ))}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${id}`} class="tab-panel">
        <Shown exposeErrors={exposeErrors} herd={herd} />
      </div>
    </section>
  )
}
