// One queue of durable jobs: what its store has, and its dead letters.
import type { QueueFrame } from "../../src/model/ControlModel.ts"
import { callQueue, letters } from "./api.ts"
import { type Act, useActions } from "./Controls.tsx"
import { count, millis } from "./model.ts"
import { clock, Empty, Head } from "./Tables.tsx"

type Letter = QueueFrame["letters"][number]

const Counters = ({ stats }: { stats: QueueFrame["stats"] }) => {
  const figure = (read: (known: NonNullable<typeof stats>) => string) => (stats === null ? "–" : read(stats))
  const shown: ReadonlyArray<readonly [string, string, string]> = [
    ["Waiting", figure(({ waiting }) => count(waiting)), "queue-waiting"],
    ["Delayed", figure(({ delayed }) => count(delayed)), "queue-delayed"],
    ["Running", figure(({ running }) => count(running)), "queue-running"],
    ["Oldest waits", figure(({ oldestMillis }) => millis(oldestMillis)), "queue-oldest"],
    ["Dead letters", figure(({ deadLetters }) => count(deadLetters)), "queue-dead"],
    ["Completed, last minute", figure(({ lastMinute }) => count(lastMinute.completed)), "queue-completed"],
    ["Failed", figure(({ lastMinute }) => count(lastMinute.failed)), "queue-failed"],
    ["Attempts", figure(({ lastMinute }) => count(lastMinute.attempts)), "queue-attempts"]
  ]
  return (
    <dl class="counters">
      {shown.map(([name, value, test]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd data-testid={test}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

const reasons: { readonly [reason: string]: string } = {
  failed: "failed",
  undecodable: "does not fit its schema",
  interrupted: "interrupted",
  defect: "defect",
  timeout: "timed out",
  lost: "lost with its process"
}

const Row = ({
  act,
  letter,
  name,
  readOnly
}: {
  act: Act
  letter: Letter
  name: string
  readOnly: boolean
}) => (
  <tr data-testid="letter-row">
    <td class="number">{clock(letter.diedAt)}</td>
    <th scope="row">{letter.jobId}</th>
    <td class="number">{letter.attempts}</td>
    <td>{reasons[letter.reason] ?? letter.reason}</td>
    <td class="error-text" title={letter.error}>
      {letter.error?.split("\n")[0] ?? "not exposed"}
    </td>
    {!readOnly && (
      <td class="buttons">
        <button
          data-testid="replay"
          class="small"
          onClick={() =>
            act({
              title: `Replay the job ${letter.jobId}?`,
              text: "It runs again as a new job, with all its attempts.",
              yes: "Replay",
              run: () => letters(name, "replay", [letter.id])
            })
          }
        >
          Replay<span class="hidden"> {letter.jobId}</span>
        </button>
        <button
          data-testid="purge"
          class="small danger"
          onClick={() =>
            act({
              title: `Purge the job ${letter.jobId}?`,
              text: "The job is forgotten. This cannot be undone.",
              yes: "Purge",
              run: () => letters(name, "purge", [letter.id])
            })
          }
        >
          Purge<span class="hidden"> {letter.jobId}</span>
        </button>
      </td>
    )}
  </tr>
)

const DeadLetters = ({ act, queue, readOnly }: { act: Act; queue: QueueFrame; readOnly: boolean }) => {
  const all = queue.stats?.deadLetters ?? queue.letters.length
  const more = all - queue.letters.length
  return (
    <section class="panel wide">
      <h3>Dead letters</h3>
      <div class="scroll" tabIndex={0} role="group" aria-label={`Dead letters of ${queue.queue}`}>
        <table>
          <Head names={["Died", "Job", "Attempts", "What", "Error", ...(readOnly ? [] : ["Action"])]} />
          <tbody>
            {queue.letters.length === 0 && <Empty columns={6} text="None." />}
            {queue.letters.map((letter) => (
              <Row key={letter.id} act={act} letter={letter} name={queue.queue} readOnly={readOnly} />
            ))}
          </tbody>
        </table>
      </div>
      {more > 0 && <p class="note">and {count(more)} more, which died later</p>}
    </section>
  )
}

export const QueueSection = ({ queue, readOnly }: { queue: QueueFrame; readOnly: boolean }) => {
  const { act, busy, problem, question, run } = useActions()
  const { queue: name, ready, stats, store } = queue
  const none = busy || stats === null || stats.deadLetters === 0
  return (
    <article
      class="herd"
      data-testid="queue"
      data-queue={name}
      id={`queue-${name}`}
      aria-labelledby={`queue-title-${name}`}
    >
      <header>
        <h2 id={`queue-title-${name}`}>{name}</h2>
        <p class="badges" role="status">
          <span class={`badge ${ready ? "running" : "paused"}`} data-testid="queue-store">
            {ready ? "ready" : "unavailable"}
          </span>
          {stats?.paused === true && <span class="badge paused">paused</span>}
          <span class="muted">jobs in {store}</span>
        </p>
      </header>
      <Counters stats={stats} />
      {!readOnly && (
        <section class="panel controls" aria-label={`Controls of ${name}`}>
          <div class="buttons">
            {stats?.paused === true ? (
              <button
                data-testid="queue-resume"
                disabled={busy}
                onClick={() => void run(() => callQueue(name, "resume"))}
              >
                Resume
              </button>
            ) : (
              <button
                data-testid="queue-pause"
                disabled={busy || stats === null}
                onClick={() => void run(() => callQueue(name, "pause"))}
              >
                Pause
              </button>
            )}
            <button
              data-testid="replay-all"
              disabled={none}
              onClick={() =>
                act({
                  title: `Replay all dead letters of ${name}?`,
                  text: "Each runs again as a new job, with all its attempts.",
                  yes: "Replay all",
                  run: () => letters(name, "replay")
                })
              }
            >
              Replay all
            </button>
            <button
              data-testid="purge-all"
              class="danger"
              disabled={none}
              onClick={() =>
                act({
                  title: `Purge all dead letters of ${name}?`,
                  text: "Their jobs are forgotten. This cannot be undone.",
                  yes: "Purge all",
                  run: () => letters(name, "purge")
                })
              }
            >
              Purge all
            </button>
          </div>
        </section>
      )}
      {problem}
      <DeadLetters act={act} queue={queue} readOnly={readOnly} />
      {question}
    </article>
  )
}
