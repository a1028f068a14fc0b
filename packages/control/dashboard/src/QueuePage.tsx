// One queue of durable jobs: what its store has, and its dead letters by reason.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import type { QueueJob, QueueLetter } from "lemmings/QueueRegistry"
import { callQueue, job as readJob, letters as change, page as readPage } from "./api.ts"
import { clock, count, grouped, millis, type Queue, type View } from "./model.ts"
import { Problems } from "./Problems.tsx"
import { Do, Empty, Facts, Figures, Head, Mark, Scroll, useActions } from "./ui.tsx"

const reasons: { readonly [reason: string]: string } = {
  failed: "failed",
  undecodable: "does not fit its schema",
  interrupted: "interrupted",
  defect: "defect",
  timeout: "timed out",
  lost: "lost with its process"
}

const saysOf = ({ error, reason }: QueueLetter): string =>
  `${reasons[reason] ?? reason}${error === undefined ? "" : `: ${error.split("\n")[0]}`}`

/** One job, with what is known of it. */
const Drawer = ({ close, letter, queue }: { close: () => void; letter: QueueLetter; queue: string }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const [job, setJob] = useState<QueueJob>()
  useLayoutEffect(() => dialog.current?.showModal(), [])
  useEffect(() => void readJob(queue, letter.jobId).then(setJob, () => {}), [letter.jobId])
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["Enqueued", clock(letter.enqueuedAt)],
    ["Attempts", count(letter.attempts)],
    ["Failed for good", clock(letter.diedAt)],
    ["Reason", saysOf(letter)],
    ...(job === undefined
      ? []
      : [["State now", job.state] as const, ["Priority", String(job.priority)] as const])
  ]
  return (
    <dialog ref={dialog} class="drawer" aria-labelledby="drawer-title" onClose={close} data-testid="drawer">
      <h2 id="drawer-title">Job {letter.jobId}</h2>
      <Facts rows={rows} />
      {letter.error !== undefined && (
        <pre tabIndex={0} role="group" aria-label="Text of the error">
          {letter.error}
        </pre>
      )}
      {letter.payload !== undefined && (
        <pre tabIndex={0} role="group" aria-label="What the job works on">
          {JSON.stringify(letter.payload, null, 2)}
        </pre>
      )}
      <div class="buttons end">
        <button autofocus onClick={close}>
          Close
        </button>
      </div>
    </dialog>
  )
}

/** The letters that were read, again whenever their number changes. */
const useLetters = (queue: string, number: number | undefined) => {
  const [read, setRead] = useState<{
    readonly all: ReadonlyArray<QueueLetter>
    readonly next: string | undefined
  }>({
    all: [],
    next: undefined
  })
  const [problem, setProblem] = useState<string>()
  const load = (after: string | undefined, before: ReadonlyArray<QueueLetter>) =>
    readPage(queue, after).then(
      ({ letters, next }) => {
        setProblem(undefined)
        setRead({ all: [...before, ...letters], next })
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error))
    )
  useEffect(() => {
    if (number === 0) setRead({ all: [], next: undefined })
    else if (number !== undefined) void load(undefined, [])
  }, [queue, number])
  return { ...read, problem, more: () => void load(read.next, read.all) }
}

const Letters = ({ queue }: { queue: Queue }) => {
  const { ask, readOnly, run } = useActions()
  const name = queue.queue
  const number = queue.stats?.deadLetters
  const { all, more, next, problem } = useLetters(name, number)
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [drawer, setDrawer] = useState<QueueLetter>()
  const groups = grouped(all, saysOf, ({ diedAt }) => diedAt)
  const ids = all.filter(({ id }) => chosen.has(id)).map(({ id }) => id)
  // What is chosen, or else all there are.
  const some = ids.length > 0
  const size = some ? ids.length : (number ?? 0)
  const which = some ? ids : undefined
  const choose = (some: ReadonlyArray<QueueLetter>, on: boolean) => {
    const after = new Set(chosen)
    for (const { id } of some)
      if (on) after.add(id)
      else after.delete(id)
    setChosen(after)
  }
  const replay = () => change(name, "replay", which).then(() => setChosen(new Set()))
  return (
    <section class="panel" aria-labelledby="letters-title">
      <div class="table-head">
        <h3 id="letters-title">
          Dead letters <b data-testid="queue-dead">{number === undefined ? "unknown" : count(number)}</b>
        </h3>
        <span class="spacer" />
        {!readOnly && (
          <div class="buttons apart">
            <Do
              test="replay-all"
              class="main"
              off={size === 0}
              onClick={() =>
                size === 1
                  ? run(replay, "The job runs again.")
                  : ask({
                      title: `Replay ${count(size)} dead letters of ${name}?`,
                      text: "Each runs again as a new job, with all its attempts.",
                      yes: `Replay ${count(size)}`,
                      run: replay
                    })
              }
            >
              Replay {size === 0 ? "" : count(size)}
            </Do>
            <Do
              test="purge-all"
              class="danger"
              off={size === 0}
              onClick={() =>
                ask({
                  title: `Purge ${count(size)} dead letters of ${name}?`,
                  text: "Their jobs are forgotten. This cannot be undone.",
                  yes: `Purge ${count(size)}`,
                  type: String(size),
                  run: () => change(name, "purge", which).then(() => setChosen(new Set()))
                })
              }
            >
              Purge {size === 0 ? "" : count(size)}…
            </Do>
          </div>
        )}
      </div>
      {problem !== undefined && <p class="notice">{problem}</p>}
      {number === 0 && <p class="empty">None.</p>}
      {number === undefined && <p class="empty">Unknown while the store is away.</p>}
      {groups.map(({ all: some, first, key, last }) => (
        <details key={key} class="failure-group" open={groups.length === 1} data-testid="letter-group">
          <summary>
            {!readOnly && (
              <input
                type="checkbox"
                aria-label={`Choose the ${count(some.length)}: ${key}`}
                checked={some.every(({ id }) => chosen.has(id))}
                onClick={(event) => event.stopPropagation()}
                onChange={(event) => choose(some, event.currentTarget.checked)}
              />
            )}{" "}
            <b>{count(some.length)}×</b> <span class="error-text">{key}</span>{" "}
            <span class="muted">
              {clock(first)}
              {last === first ? "" : ` to ${clock(last)}`}
            </span>
          </summary>
          <Scroll label={`Dead letters: ${key}`}>
            <table>
              <Head names={[...(readOnly ? [] : ["Chosen"]), "Job", "Died", "Enqueued", "Attempts"]} />
              <tbody>
                {some.length === 0 && <Empty columns={5} text="None." />}
                {some.map((letter) => (
                  <tr key={letter.id} data-testid="letter-row">
                    {!readOnly && (
                      <td>
                        <input
                          type="checkbox"
                          aria-label={`Choose ${letter.jobId}`}
                          data-testid="choose"
                          checked={chosen.has(letter.id)}
                          onChange={(event) => choose([letter], event.currentTarget.checked)}
                        />
                      </td>
                    )}
                    <th scope="row">
                      <button class="plain link" data-testid="letter" onClick={() => setDrawer(letter)}>
                        {letter.jobId}
                      </button>
                    </th>
                    <td class="number">{clock(letter.diedAt)}</td>
                    <td class="number">{clock(letter.enqueuedAt)}</td>
                    <td class="number">{letter.attempts}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </details>
      ))}
      {next !== undefined && (
        <p class="note">
          The oldest {count(all.length)} are shown.{" "}
          <button class="small" data-testid="more-letters" onClick={more}>
            Show more
          </button>
        </p>
      )}
      {drawer !== undefined && <Drawer queue={name} letter={drawer} close={() => setDrawer(undefined)} />}
    </section>
  )
}

export const QueuePage = ({ queue, view }: { queue: Queue; view: View }) => {
  const { run } = useActions()
  const { queue: name, ready, stats, store } = queue
  const problems = view.problems.filter(({ subject }) => subject.kind === "queue" && subject.id === name)
  const figure = (read: (known: NonNullable<typeof stats>) => string) =>
    stats === null ? "unknown" : read(stats)
  const pause = () => callQueue(name, "pause")
  const resume = () => callQueue(name, "resume")
  return (
    <article data-testid="queue" data-queue={name} aria-labelledby="title">
      <header class="title">
        <a href="#/" class="back" data-testid="back">
          ← All queues
        </a>
        <h2 id="title" tabIndex={-1}>
          {name}
        </h2>
        <p class="badges">
          <span data-testid="queue-store">
            {ready ? (
              <Mark
                level={stats?.paused === true ? "warning" : "fine"}
                word={stats?.paused === true ? "paused" : "ready"}
              />
            ) : (
              <Mark level="critical" word="unavailable" />
            )}
          </span>
          <span class="muted">
            jobs in {store} · since {clock(queue.since)}
          </span>
        </p>
        <span class="spacer" />
        {stats?.paused === true ? (
          <Do test="queue-resume" class="main" onClick={() => run(resume, `${name} goes on.`, pause)}>
            Resume
          </Do>
        ) : (
          <Do
            test="queue-pause"
            off={stats === null}
            onClick={() => run(pause, `${name} is paused, in all processes.`, resume)}
          >
            Pause
          </Do>
        )}
      </header>
      <Problems all={problems} exposeErrors={view.exposeErrors} here />
      <Figures
        all={[
          { name: "Waiting", value: figure(({ waiting }) => count(waiting)), test: "queue-waiting" },
          {
            name: "Oldest waits",
            value: figure(({ oldestMillis }) => (oldestMillis === 0 ? "–" : millis(oldestMillis))),
            test: "queue-oldest"
          },
          { name: "Delayed", value: figure(({ delayed }) => count(delayed)), test: "queue-delayed" },
          { name: "Running", value: figure(({ running }) => count(running)), test: "queue-running" },
          {
            name: "Done, last minute",
            value: figure(({ lastMinute }) => count(lastMinute.completed)),
            test: "queue-completed"
          },
          {
            name: "Failed, last minute",
            value: figure(({ lastMinute }) => count(lastMinute.failed)),
            test: "queue-failed",
            level: (stats?.lastMinute.failed ?? 0) > 0 ? "critical" : undefined
          }
        ]}
      />
      <Letters queue={queue} />
    </article>
  )
}
