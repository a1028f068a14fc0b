// The page: what is wrong with the herds and queues of the process, and all of them, live.
import { render } from "preact"
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import { connect, type Feed } from "./feed.ts"
import { Herd } from "./Herd.tsx"
import { Help, useKeys } from "./Keys.tsx"
import { bytes, millis, percent, verdict, type View } from "./model.ts"
import { Overview } from "./Overview.tsx"
import { Problems, Verdict } from "./Problems.tsx"
import { QueuePage } from "./QueuePage.tsx"
import { type Route, useRoute } from "./route.ts"
import { Acting } from "./ui.tsx"

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
  <footer class="process">
    Process {process.pid} · up {millis(process.uptimeSeconds * 1000)} · cpu {percent(process.cpu)} · memory{" "}
    {bytes(process.memoryUsed)} of {bytes(process.memoryLimit)} · heap {bytes(process.heapUsed)} · event loop{" "}
    {percent(process.eventLoopUtilization)} busy, {millis(process.eventLoopDelayMillis)} late
  </footer>
)

const Skeleton = () => (
  <div class="skeleton" aria-hidden="true" data-testid="skeleton">
    <span class="line tall" />
    <span class="line" />
    <span class="line" />
    <span class="line short" />
  </div>
)

const Nothing = () => (
  <section class="panel nothing" data-testid="nothing">
    <h2>No herd is there yet</h2>
    <p>A herd appears here as soon as its layer is built. Three lines are enough:</p>
    <pre>{`import { Effect } from "effect"
import { Lemmings, LemmingsLive } from "lemmings"
const program = Lemmings.run(Effect.log("working")).pipe(Effect.provide(LemmingsLive))`}</pre>
  </section>
)

const Gone = ({ kind, view, id }: { kind: "herd" | "queue"; view: View; id: string }) => (
  <section class="panel nothing" data-testid="gone">
    <h2>
      No {kind} has the name {id}
    </h2>
    <p>
      It has closed, or it is in another process. <a href="#/">All {view.herds.length} herds</a>
    </p>
  </section>
)

const Content = ({
  filter,
  route,
  setFilter,
  theme,
  view
}: {
  filter: string
  route: Route
  setFilter: (filter: string) => void
  theme: string
  view: View
}) => {
  if (route.at === "herd") {
    const { open } = view
    if (open !== undefined && open.id === route.id)
      return <Herd key={open.id} herd={open} tab={route.tab} theme={theme} view={view} />
    return view.herds.some(({ id }) => id === route.id) ? (
      <Skeleton />
    ) : (
      <Gone kind="herd" view={view} id={route.id} />
    )
  }
  if (route.at === "queue") {
    const queue = view.queues.find((one) => one.queue === route.id)
    return queue === undefined ? (
      <Gone kind="queue" view={view} id={route.id} />
    ) : (
      <QueuePage key={queue.queue} queue={queue} view={view} />
    )
  }
  return (
    <>
      <Problems all={view.problems} exposeErrors={view.exposeErrors} />
      {view.herds.length + view.queues.length === 0 ? (
        <Nothing />
      ) : (
        <Overview filter={filter} setFilter={setFilter} view={view} />
      )}
      <Process process={view.process} />
    </>
  )
}

const App = () => {
  const [feed, setFeed] = useState<Feed>()
  const [theme, toggle] = useTheme()
  const [filter, setFilter] = useState("")
  const [help, setHelp] = useState(false)
  const route = useRoute()
  const herd = route.at === "herd" ? route.id : undefined
  useEffect(() => connect(herd, setFeed), [herd])
  useKeys({ filter, setFilter, help: () => setHelp(true) })
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
  const name = view?.service ?? "Lemmings"
  const { number = 0 } = view === undefined ? {} : verdict(view)
  document.title = `${live || view === undefined ? "" : "○ "}${number > 0 ? `(${number}) ` : ""}${
    route.at === "all" ? "" : `${route.id} · `
  }${name}`

  // Whoever opens something by keyboard goes on from there.
  const place = route.at === "all" ? "" : `${route.at} ${route.id}`
  const before = useRef(place)
  const shown = view !== undefined && (route.at !== "herd" || view.open?.id === route.id)
  useLayoutEffect(() => {
    if (!shown || before.current === place) return
    before.current = place
    document.getElementById(place === "" ? "herds-title" : "title")?.focus({ preventScroll: true })
  }, [place, shown])

  return (
    <Acting live={live} readOnly={view?.readOnly === true}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById("main")?.focus()
        }}
      >
        Skip to the herds
      </a>
      <header class="top">
        <h1>
          <a href="#/">Lemmings</a>
          {view?.service !== undefined && <span> · {view.service}</span>}
        </h1>
        {view !== undefined && (
          <p class="muted about">
            {view.version !== undefined && `${view.version} · `}
            {location.host} · up {millis(Math.floor(view.process.uptimeSeconds / 10) * 10_000)}
          </p>
        )}
        <span class="spacer" />
        <p class={`connection ${live ? "live" : "lost"}`} role="status" data-testid="connection">
          {live ? "live" : view === undefined ? "connecting" : "reconnecting"}
        </p>
        {view?.readOnly === true && <p class="badge">read-only</p>}
        <nav aria-label="Elsewhere">
          <button class="plain key-hint" data-testid="help" onClick={() => setHelp(true)}>
            <kbd>?</kbd> Keys
          </button>
          <a href="docs">API</a>
          <a href="metrics">Metrics</a>
          <button class="plain" data-testid="theme" onClick={toggle}>
            {theme === "dark" ? "Light" : "Dark"}
          </button>
        </nav>
      </header>
      <main id="main" tabIndex={-1} class={live || view === undefined ? "" : "stale"}>
        {!live && view !== undefined && (
          <p class="notice" data-testid="stale">
            Shown as of {millis(Math.round(old / 1000) * 1000)} ago: the server does not answer. Nothing can
            be changed until it does.
          </p>
        )}
        {view === undefined ? (
          <Skeleton />
        ) : (
          <>
            <Verdict view={view} />
            <Content filter={filter} route={route} setFilter={setFilter} theme={theme} view={view} />
          </>
        )}
      </main>
      {help && <Help close={() => setHelp(false)} />}
    </Acting>
  )
}

const place = document.getElementById("app")
if (place !== null) render(<App />, place)
