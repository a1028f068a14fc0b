// The page: every herd of the process, live.
import { render } from "preact"
import { useEffect, useState } from "preact/hooks"
import { connect, type Feed } from "./feed.ts"
import { HerdSection } from "./HerdSection.tsx"
import { QueueSection } from "./QueueSection.tsx"
import { bytes, count, millis, percent, rate, type View } from "./model.ts"

const dark = matchMedia("(prefers-color-scheme: dark)")
const remembered = (): string | null => {
  try {
    return localStorage.getItem("lemmings-theme")
  } catch {
    return null
  }
}

/** Light or dark: as the system has it, until somebody chooses. */
const useTheme = (): readonly [string, () => void] => {
  const [theme, setTheme] = useState(remembered() ?? (dark.matches ? "dark" : "light"))
  document.documentElement.dataset["theme"] = theme
  const toggle = () => {
    const next = theme === "dark" ? "light" : "dark"
    try {
      localStorage.setItem("lemmings-theme", next)
    } catch {
      // Not kept where the browser keeps nothing.
    }
    setTheme(next)
  }
  return [theme, toggle]
}

const Process = ({ process }: { process: View["process"] }) => (
  <p class="process">
    process {process.pid}, up {millis(process.uptimeSeconds * 1000)} · cpu {percent(process.cpu)} · memory{" "}
    {bytes(process.memoryUsed)} of {bytes(process.memoryLimit)} · heap {bytes(process.heapUsed)} · event loop{" "}
    {percent(process.eventLoopUtilization)} busy, {millis(process.eventLoopDelayMillis)} late
  </p>
)

const Overview = ({ view }: { view: View }) => (
  <nav class="overview" aria-label="Herds and queues">
    {view.herds.map(({ frame: { metrics, stats }, id }) => (
      <a key={id} href={`#herd-${id}`} class={`card ${stats.state}`}>
        <b>{id}</b>
        <span>
          {stats.workers.busy} of {stats.workers.size} busy · {count(stats.queue.depth)} queued
        </span>
        <span>
          {rate(metrics.endedRate)} · {stats.paused ? "paused" : stats.state}
        </span>
      </a>
    ))}
    {view.queues.map(({ queue, stats, store }) => (
      <a key={queue} href={`#queue-${queue}`} class="card">
        <b>{queue}</b>
        <span>
          {stats === null
            ? "unavailable"
            : `${count(stats.waiting)} waiting · ${count(stats.running)} running`}
        </span>
        <span>
          jobs in {store} · {stats === null ? "–" : count(stats.deadLetters)} dead
        </span>
      </a>
    ))}
  </nav>
)

const App = () => {
  const [feed, setFeed] = useState<Feed>()
  const [theme, toggle] = useTheme()
  useEffect(() => connect(setFeed), [])
  // The age of what is shown goes on while nothing comes.
  const [, tick] = useState(0)
  const live = feed?.live === true
  useEffect(() => {
    if (live) return
    const timer = setInterval(() => tick((n) => n + 1), 1000)
    return () => clearInterval(timer)
  }, [live])

  const view = feed?.view
  const old = feed === undefined ? 0 : performance.now() - feed.seen
  return (
    <>
      <header class="top">
        <h1>Lemmings</h1>
        <p class={`connection ${live ? "live" : "lost"}`} role="status" data-testid="connection">
          {live ? "live" : view === undefined ? "connecting" : "reconnecting"}
        </p>
        {!live && view !== undefined && (
          <p class="muted">shown as of {millis(Math.round(old / 1000) * 1000)} ago</p>
        )}
        {view?.readOnly === true && <p class="badge">read-only</p>}
        <span class="spacer" />
        <a href="docs">API</a>
        <a href="metrics">Metrics</a>
        <button class="small" onClick={toggle}>
          {theme === "dark" ? "Light" : "Dark"}
        </button>
      </header>
      <main class={live ? "" : "stale"}>
        {view !== undefined && <Process process={view.process} />}
        {view !== undefined && view.herds.length + view.queues.length > 1 && <Overview view={view} />}
        {view !== undefined && view.herds.length === 0 && (
          <p class="nothing">
            No herd is there. A herd appears here as soon as its layer is built: provide{" "}
            <code>LemmingsLive</code>, or the <code>live</code> layer of a herd of your own.
          </p>
        )}
        {view?.herds.map((herd) => (
          <HerdSection key={herd.id} herd={herd} readOnly={view.readOnly} theme={theme} />
        ))}
        {view?.queues.map((queue) => (
          <QueueSection key={queue.queue} queue={queue} readOnly={view.readOnly} />
        ))}
      </main>
    </>
  )
}

const place = document.getElementById("app")
if (place !== null) render(<App />, place)
