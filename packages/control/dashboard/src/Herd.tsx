// One herd: why it is as it is, six figures, one axis of time, and what can be done.
import { call } from "./api.ts"
import { Chart, type Line } from "./Charts.tsx"
import { Controls } from "./Controls.tsx"
import { Tabs } from "./HerdTabs.tsx"
import { clock, count, describe, figures, type HerdView, millis, percent, rate, type View } from "./model.ts"
import { Problems } from "./Problems.tsx"
import { Do, Figures, type Level, Mark, useActions } from "./ui.tsx"

const Workers = ({ herd }: { herd: HerdView }) => {
  const { workers } = herd.detail.stats
  const all = figures(workers)
  const sum = workers.busy + workers.idle + workers.starting + workers.stopping
  const states = ["busy", "idle", "starting", "stopping"] as const
  return (
    <section class="panel" aria-labelledby="workers-title">
      <h3 id="workers-title">
        Workers <b data-testid="workers-size">{count(workers.size)}</b>
        <span class="muted">
          {" "}
          of {count(workers.min)} to {count(workers.max)}
        </span>
      </h3>
      {all === undefined ? (
        <div class="stack" role="img" aria-label={describe(workers)} data-testid="stack">
          {states.map((state) => (
            <span key={state} class={state} style={{ width: `${(100 * workers[state]) / sum}%` }} />
          ))}
        </div>
      ) : (
        <div class="crowd" role="img" aria-label={describe(workers)}>
          {all.map(({ burst, state }, index) => (
            <svg key={index} class={`lemming ${state}`} viewBox="0 0 16 20" aria-hidden="true">
              <circle cx="8" cy="5" r="4.2" class="hair" />
              <circle cx="8" cy="6" r="2.6" class="face" />
              <path d="M4 19 v-6 a4 4 0 0 1 8 0 v6 z" class="coat" />
              {burst && <path d="M8 0 l1.2 2 h-2.4 z" class="tip" />}
            </svg>
          ))}
        </div>
      )}
      <p class="legend">
        {states
          .filter((state) => state !== "stopping" || workers.stopping > 0)
          .map((state) => (
            <span key={state}>
              <span class={`dot ${state}`} /> <b data-testid={`workers-${state}`}>{count(workers[state])}</b>{" "}
              {state}
            </span>
          ))}
        {workers.burst > 0 && <span class="muted">{count(workers.burst)} beyond the minimum</span>}
      </p>
    </section>
  )
}

const Why = ({ herd }: { herd: HerdView }) => {
  const last = herd.decisions.slice(-3).toReversed()
  const [newest] = last
  const { scaling, workers } = herd.detail.stats
  return (
    <section class="panel" aria-labelledby="why-title">
      <h3 id="why-title">Why so many workers</h3>
      <p data-testid="why">
        {newest === undefined
          ? `${count(workers.target)} wanted, as it began.`
          : `${count(newest.to)} wanted since ${clock(newest.at)}: ${newest.reason}.`}{" "}
        <span class="muted">
          {scaling.pinned ? "Pinned: no policy changes it." : `Policy ${scaling.policy}.`}
        </span>
      </p>
      {last.length > 1 && (
        <ol class="decisions">
          {last.slice(1).map((decision) => (
            <li key={`${decision.at} ${decision.to}`}>
              <span class="muted">{clock(decision.at)}</span> {count(decision.from)} → {count(decision.to)}{" "}
              <span class="muted">{decision.reason}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}

const charts: ReadonlyArray<readonly [string, ReadonlyArray<Line>, (value: number) => string]> = [
  [
    "Workers",
    [
      { label: "all", color: "--violet", of: "size" },
      { label: "busy", color: "--green", of: "busy", dash: [5, 3] }
    ],
    count
  ],
  ["Waiting tasks", [{ label: "wait", color: "--amber", of: "queued" }], count],
  [
    "A second",
    [
      { label: "arrive", color: "--blue", of: "arrivalRate" },
      { label: "succeed", color: "--green", of: "succeededRate", dash: [5, 3] },
      { label: "fail", color: "--red", of: "failedRate", dash: [2, 2] }
    ],
    rate
  ],
  [
    "Waits",
    [
      { label: "now, oldest", color: "--amber", of: "oldest" },
      { label: "p50", color: "--green", of: "waitP50", dash: [5, 3] },
      { label: "p99", color: "--red", of: "waitP99", dash: [2, 2] }
    ],
    millis
  ],
  [
    "Runs",
    [
      { label: "p50", color: "--green", of: "runP50" },
      { label: "p99", color: "--red", of: "runP99", dash: [2, 2] }
    ],
    millis
  ]
]

const stateMark = (herd: HerdView): readonly [Level, string] => {
  const { paused, scaling, state } = herd.detail.stats
  if (state !== "running") return ["quiet", state]
  return paused || scaling.paused ? ["warning", "paused"] : ["fine", "running"]
}

export const Herd = ({
  herd,
  tab,
  theme,
  view
}: {
  herd: HerdView
  tab: string | undefined
  theme: string
  view: View
}) => {
  const { run } = useActions()
  const { metrics, stats } = herd.detail
  const { queue, scaling, tasks } = stats
  const problems = view.problems.filter(({ subject }) => subject.kind === "herd" && subject.id === herd.id)
  const [level, word] = stateMark(herd)
  const pause = () => call(herd.id, "pause")
  const resume = () => call(herd.id, "resume")
  const ended = metrics.succeededRate + metrics.failedRate
  return (
    <article data-testid="herd" data-herd={herd.id} aria-labelledby="title">
      <header class="title">
        <a href="#/" class="back" data-testid="back">
          ← All herds
        </a>
        <h2 id="title" tabIndex={-1}>
          {herd.id}
        </h2>
        <p class="badges">
          <span data-testid="state">
            <Mark level={level} word={word} />
          </span>
          {scaling.pinned && <span class="badge">size pinned</span>}
          <span class="muted">
            policy {scaling.policy} · since {clock(stats.since)}
          </span>
        </p>
        <span class="spacer" />
        {stats.paused ? (
          <Do test="resume" class="main" onClick={() => run(resume, `${herd.id} goes on.`, pause)}>
            Resume
          </Do>
        ) : (
          <Do
            test="pause"
            off={stats.state !== "running"}
            onClick={() => run(pause, `${herd.id} is paused.`, resume)}
          >
            Pause
          </Do>
        )}
      </header>
      {stats.state === "closed" && (
        <p class="notice">Drained: it takes no more tasks. It is here as long as its layer is.</p>
      )}
      <Problems all={problems} exposeErrors={view.exposeErrors} here />
      <Figures
        all={[
          {
            name: "Waiting",
            value: count(queue.depth),
            test: "queued",
            note:
              tasks.held > 0
                ? `${count(tasks.held)} for a limit`
                : tasks.delayed > 0
                  ? `${count(tasks.delayed)} between attempts`
                  : queue.capacity === null
                    ? ""
                    : `room for ${count(queue.capacity)}`
          },
          {
            name: "Oldest waits",
            value: queue.depth === 0 ? "–" : millis(queue.oldestMillis),
            test: "oldest"
          },
          {
            name: "Running",
            value: count(tasks.running),
            note: tasks.running === 0 ? "" : `longest ${millis(stats.longestRunMillis)}`
          },
          {
            name: "Failed",
            value: ended === 0 ? "–" : percent(metrics.failureRate),
            test: "failed",
            level: metrics.failureRate > 0.1 ? "critical" : undefined,
            note: `${count(tasks.failed)} in all`
          },
          { name: "Done", value: rate(metrics.succeededRate), note: `${count(tasks.succeeded)} in all` },
          {
            name: "Wait p99",
            value: metrics.wait.count === 0 ? "–" : millis(metrics.wait.p99),
            note: "of those that began"
          }
        ]}
      />
      <div class="two">
        <Why herd={herd} />
        <Workers herd={herd} />
      </div>
      <Controls herd={herd} />
      <section class="panel charts" aria-label="The last ten minutes">
        {charts.map(([title, all, format], index) => (
          <Chart
            key={title}
            title={title}
            lines={all}
            format={format}
            points={herd.points}
            decisions={herd.decisions}
            theme={theme}
            times={index === charts.length - 1}
          />
        ))}
      </section>
      <Tabs exposeErrors={view.exposeErrors} herd={herd} tab={tab} />
    </article>
  )
}
