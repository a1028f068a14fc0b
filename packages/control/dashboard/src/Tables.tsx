// Lists that people read: the queue, what runs, what failed, and why the number of workers changed.
import type { HerdFrame } from "../../src/model/ControlModel.ts"
import type { Act } from "./Controls.tsx"
import { interrupt } from "./api.ts"
import { count, type HerdView, millis, priority } from "./model.ts"

export const clock = (at: number): string => new Date(at).toLocaleTimeString("en-GB")

export const Empty = ({ columns, text }: { columns: number; text: string }) => (
  <tr>
    <td colSpan={columns} class="empty">
      {text}
    </td>
  </tr>
)

export const Queue = ({ queue }: { queue: HerdFrame["queue"] }) => {
  const most = Math.max(1, ...queue.levels.map(({ tasks }) => tasks))
  return (
    <section class="panel">
      <h3>Queue by priority{queue.estimated ? " (estimated)" : ""}</h3>
      {queue.levels.length === 0 ? (
        <p class="empty">Nothing waits.</p>
      ) : (
        <table class="bars">
          <caption class="hidden">Waiting tasks by priority</caption>
          <tbody>
            {queue.levels.slice(0, 12).map((level) => (
              <tr key={level.priority}>
                <th scope="row">{priority(level.priority)}</th>
                <td class="bar">
                  <meter min={0} max={most} value={level.tasks} aria-hidden="true" />
                </td>
                <td class="number">{count(level.tasks)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

const columns = ["Task", "Label", "Key", "Priority", "Attempt"]

export const Head = ({ names }: { names: ReadonlyArray<string> }) => (
  <thead>
    <tr>
      {names.map((name) => (
        <th scope="col" key={name}>
          {name}
        </th>
      ))}
    </tr>
  </thead>
)

export const Running = ({ act, herd, readOnly }: { act: Act; herd: HerdView; readOnly: boolean }) => {
  const { running, stats } = herd.frame
  const more = stats.tasks.running - running.length
  return (
    <section class="panel wide">
      <h3>Running tasks</h3>
      <div class="scroll" tabIndex={0} role="group" aria-label="Running tasks">
        <table>
          <Head names={[...columns, "Age", "Running for", "Worker", ...(readOnly ? [] : ["Action"])]} />
          <tbody>
            {running.length === 0 && <Empty columns={9} text="Nothing runs." />}
            {running.map((task) => (
              <tr key={task.id} data-testid="running-row">
                <th scope="row">{task.id}</th>
                <td>{task.label ?? "–"}</td>
                <td>{task.key ?? "–"}</td>
                <td>{priority(task.priority)}</td>
                <td class="number">{task.attempt}</td>
                <td class="number">{millis(task.ageMillis)}</td>
                <td class="number">{millis(task.runMillis ?? 0)}</td>
                <td class="number">{task.workerId ?? "–"}</td>
                {!readOnly && (
                  <td>
                    <button
                      data-testid="interrupt"
                      class="small"
                      onClick={() =>
                        act({
                          title: `Interrupt task ${task.id}?`,
                          text: "It is interrupted where it is, and whoever waits for it is told.",
                          yes: "Interrupt",
                          run: () => interrupt(herd.id, task.id)
                        })
                      }
                    >
                      Interrupt<span class="hidden"> task {task.id}</span>
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {more > 0 && <p class="note">and {count(more)} more, which have run for a shorter time</p>}
    </section>
  )
}

const kinds = {
  failure: "failed",
  defect: "defect",
  timeout: "timed out",
  deadline: "missed its deadline",
  acquireTimeout: "found no worker"
}

export const Failures = ({ failures }: { failures: HerdFrame["failures"] }) => (
  <section class="panel wide">
    <h3>Recent failures</h3>
    <div class="scroll" tabIndex={0} role="group" aria-label="Recent failures">
      <table>
        <Head names={["Time", ...columns, "What", "Error"]} />
        <tbody>
          {failures.length === 0 && <Empty columns={8} text="None." />}
          {failures.map((failure) => (
            <tr key={`${failure.at} ${failure.id} ${failure.attempt}`} data-testid="failure-row">
              <td class="number">{clock(failure.at)}</td>
              <th scope="row">{failure.id}</th>
              <td>{failure.label ?? "–"}</td>
              <td>{failure.key ?? "–"}</td>
              <td>{priority(failure.priority)}</td>
              <td class="number">{failure.attempt}</td>
              <td>
                {kinds[failure.kind]}
                {failure.again ? ", tried again" : ""}
              </td>
              <td class="error-text" title={failure.error}>
                {failure.error?.split("\n")[0] ?? "not exposed"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  </section>
)

export const History = ({ decisions }: { decisions: HerdView["decisions"] }) => (
  <section class="panel wide">
    <h3>Scaling history</h3>
    <div class="scroll" tabIndex={0} role="group" aria-label="Scaling history">
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
                {decision.from} → {decision.to}
              </td>
              <td>{decision.by}</td>
              <td class="reason">{decision.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  </section>
)
