// One herd: its state, its workers as a picture, its charts, lists and controls.
import { Chart, type Line } from "./Charts.tsx"
import { Controls, useActions } from "./Controls.tsx"
import { count, describe, figures, type HerdView, millis, percent, rate } from "./model.ts"
import { Failures, History, Queue, Running } from "./Tables.tsx"

const Workers = ({ herd }: { herd: HerdView }) => {
  const { workers } = herd.frame.stats
  const { all, each } = figures(workers)
  return (
    <section class="panel">
      <h3>
        Workers <b data-testid="workers-size">{workers.size}</b>
        <span class="muted">
          {" "}
          of {workers.min} to {workers.max}
        </span>
      </h3>
      <div class="crowd" role="img" aria-label={describe(workers)}>
        {all.map(({ burst, state }, index) => (
          <svg
            key={index}
            class={`lemming ${state}${burst ? " burst" : ""}`}
            viewBox="0 0 16 20"
            aria-hidden="true"
          >
            <circle cx="8" cy="5" r="4.2" class="hair" />
            <circle cx="8" cy="6" r="2.6" class="face" />
            <path d="M4 19 v-6 a4 4 0 0 1 8 0 v6 z" class="coat" />
            {burst && <path d="M8 0 l1.2 2 h-2.4 z" class="tip" />}
          </svg>
        ))}
      </div>
      <p class="legend">
        <span class="dot busy" /> <b data-testid="workers-busy">{workers.busy}</b> busy{" "}
        <span class="dot idle" /> <b>{workers.idle}</b> idle <span class="dot starting" />{" "}
        <b>{workers.starting}</b> starting{" "}
        {workers.stopping > 0 && (
          <>
            <span class="dot stopping" /> <b>{workers.stopping}</b> stopping{" "}
          </>
        )}
        {workers.burst > 0 && <span class="muted">▲ {workers.burst} beyond the minimum</span>}
        {each > 1 && <span class="muted"> one figure is {each} workers</span>}
      </p>
    </section>
  )
}

const rates: ReadonlyArray<Line> = [
  { label: "arrive", color: "--blue", value: (point) => point.arrivalRate },
  { label: "end", color: "--green", value: (point) => point.endedRate, dash: [5, 3] }
]
const waits: ReadonlyArray<Line> = [
  { label: "p50", color: "--green", value: (point) => point.waitP50 },
  { label: "p95", color: "--amber", value: (point) => point.waitP95, dash: [5, 3] },
  { label: "p99", color: "--red", value: (point) => point.waitP99, dash: [2, 2] }
]
const runs: ReadonlyArray<Line> = [
  { label: "p50", color: "--green", value: (point) => point.runP50 },
  { label: "p95", color: "--amber", value: (point) => point.runP95, dash: [5, 3] },
  { label: "p99", color: "--red", value: (point) => point.runP99, dash: [2, 2] }
]
const sizes: ReadonlyArray<Line> = [
  { label: "workers", color: "--violet", value: (point) => point.size },
  { label: "busy", color: "--green", value: (point) => point.busy, dash: [5, 3] },
  { label: "queued", color: "--amber", value: (point) => point.queued, dash: [2, 2] }
]

const Counters = ({ herd }: { herd: HerdView }) => {
  const { queue, resources, tasks, utilization } = herd.frame.stats
  const { metrics } = herd.frame
  const shown: ReadonlyArray<readonly [string, string, string?]> = [
    ["Queued", count(queue.depth), "queued"],
    ["Running", count(tasks.running)],
    ["Delayed", count(tasks.delayed)],
    ["Ending", rate(metrics.endedRate)],
    ["Wait p99", millis(metrics.wait.p99)],
    ["Busy", percent(utilization)],
    ["Succeeded", count(tasks.succeeded)],
    ["Failed", count(tasks.failed)],
    ["Interrupted", count(tasks.interrupted)],
    ["Shed", count(tasks.shed)],
    ["Rejected", count(tasks.rejected)],
    ["Retried", count(tasks.retried)]
  ]
  const owned: typeof shown =
    resources.created + resources.createFailures === 0
      ? []
      : [
          ["Resources", count(resources.alive)],
          ["Created", count(resources.created)],
          ["Create failures", count(resources.createFailures)],
          ["Leaked", count(resources.leaked)]
        ]
  return (
    <dl class="counters">
      {[...shown, ...owned].map(([name, value, test]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd {...(test === undefined ? {} : { "data-testid": test })}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

export const HerdSection = ({
  herd,
  readOnly,
  theme
}: {
  herd: HerdView
  readOnly: boolean
  theme: string
}) => {
  const { act, busy, problem, question, run } = useActions()
  const { paused, scaling, state } = herd.frame.stats

  const common = { points: herd.points, theme }

  return (
    <article
      class="herd"
      data-testid="herd"
      data-herd={herd.id}
      id={`herd-${herd.id}`}
      aria-labelledby={`title-${herd.id}`}
    >
      <header>
        <h2 id={`title-${herd.id}`}>{herd.id}</h2>
        <p class="badges" role="status">
          <span class={`badge ${state}`} data-testid="state">
            {state}
          </span>
          {(paused || scaling.paused) && <span class="badge paused">paused</span>}
          {scaling.pinned && <span class="badge">target pinned</span>}
          <span class="muted">policy {scaling.policy}</span>
        </p>
      </header>
      <Counters herd={herd} />
      {!readOnly && <Controls herd={herd} act={act} run={run} busy={busy} />}
      {problem}
      <div class="grid">
        <Workers herd={herd} />
        <Queue queue={herd.frame.queue} />
        <Chart title="Tasks a second" lines={rates} format={rate} {...common} />
        <Chart
          title="Workers and queue"
          lines={sizes}
          format={count}
          decisions={herd.decisions}
          {...common}
        />
        <Chart title="Waiting" lines={waits} format={millis} {...common} />
        <Chart title="Running" lines={runs} format={millis} {...common} />
        <Running herd={herd} act={act} readOnly={readOnly} />
        <History decisions={herd.decisions} />
        <Failures failures={herd.frame.failures} />
      </div>
      {question}
    </article>
  )
}
