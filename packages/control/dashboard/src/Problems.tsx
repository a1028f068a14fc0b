// What is wrong, worst first: one sentence each, and one button that helps or does no harm.
import { useState } from "preact/hooks"
import type { Problem } from "../../src/model/Problem.ts"
import { call, callQueue, change, releaseKey } from "./api.ts"
import { clock, verdict, type View } from "./model.ts"
import { herdLink, queueLink } from "./route.ts"
import { Do, Mark, useActions } from "./ui.tsx"

const linkOf = ({ id, kind }: Problem["subject"], tab?: string): string =>
  kind === "herd" ? herdLink(id, tab) : kind === "queue" ? queueLink(id) : "#/"

/** Where the reason stands. */
const tabs: { readonly [alert: string]: string } = {
  LemmingsMostTasksFail: "failures",
  LemmingsTasksFail: "failures",
  LemmingsNothingFinishes: "running",
  LemmingsKeyOnHold: "keys",
  LemmingsSaturated: "running"
}

const Remedy = ({ here, problem }: { here: boolean; problem: Problem }) => {
  const { readOnly, run } = useActions()
  const {
    remedy: { key, kind },
    subject: { id, kind: of }
  } = problem
  const pause = () => (of === "queue" ? callQueue(id, "pause") : call(id, "pause"))
  const resume = () => (of === "queue" ? callQueue(id, "resume") : call(id, "resume"))
  if (!readOnly) {
    if (kind === "pause")
      return (
        <Do test="remedy" onClick={() => run(pause, `${id} is paused.`, resume)}>
          Pause<span class="hidden"> {id}</span>
        </Do>
      )
    if (kind === "resume")
      return (
        <Do test="remedy" class="main" onClick={() => run(resume, `${id} goes on.`, pause)}>
          Resume<span class="hidden"> {id}</span>
        </Do>
      )
    if (kind === "auto")
      return (
        <Do
          test="remedy"
          class="main"
          onClick={() =>
            run(() => change(id, { target: "auto" }), `The policy chooses the workers of ${id} again.`)
          }
        >
          Auto<span class="hidden"> size of {id}</span>
        </Do>
      )
    if (kind === "release" && key !== undefined)
      return (
        <Do test="remedy" onClick={() => run(() => releaseKey(id, key), `The key ${key} is released.`)}>
          Release<span class="hidden"> the key {key}</span>
        </Do>
      )
  }
  if (here || of === "process") return null
  return (
    <a class="button" data-testid="remedy" href={linkOf(problem.subject, tabs[problem.alert])}>
      {kind === "review" ? "Review" : "Open"}
      <span class="hidden"> {id}</span>
    </a>
  )
}

const words = { critical: "PROBLEM", warning: "WARNING" } as const

const One = ({ exposeErrors, here, problem }: { exposeErrors: boolean; here: boolean; problem: Problem }) => (
  <li class="problem" data-testid="problem" data-alert={problem.alert}>
    <Mark level={problem.severity} word={words[problem.severity]} />
    <div class="why">
      <p data-testid="sentence">
        {problem.subject.kind === "process" ? (
          <b>The process</b>
        ) : here ? (
          <b>{problem.subject.id}</b>
        ) : (
          <a href={linkOf(problem.subject)} data-nav>
            {problem.subject.id}
          </a>
        )}{" "}
        {problem.sentence}
      </p>
      <p class="muted">
        since {clock(problem.since)}
        {problem.detail !== "" && ` · ${problem.detail}`}
      </p>
      {problem.error !== undefined && <p class="error-line">{problem.error}</p>}
      {problem.error === undefined && !exposeErrors && /Fail|NoWorkers|StoreAway/.test(problem.alert) && (
        <p class="muted">
          The error is hidden: the option <code>exposeErrors: true</code> shows it here.
        </p>
      )}
    </div>
    <div class="remedy">
      <Remedy here={here} problem={problem} />
    </div>
  </li>
)

// More would hide the herds.
const most = 6

export const Problems = ({
  all,
  exposeErrors,
  here = false
}: {
  all: ReadonlyArray<Problem>
  exposeErrors: boolean
  here?: boolean
}) => {
  const [more, setMore] = useState(false)
  if (all.length === 0) return null
  const shown = more ? all : all.slice(0, most)
  return (
    <section aria-label="Problems" class="panel flush">
      <ul class="problems">
        {shown.map((problem) => (
          <One
            key={`${problem.alert} ${problem.subject.kind} ${problem.subject.id}`}
            exposeErrors={exposeErrors}
            here={here}
            problem={problem}
          />
        ))}
      </ul>
      {all.length > most && (
        <button class="plain" data-testid="more-problems" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? "Show the worst alone" : `Show ${all.length - most} more`}
        </button>
      )}
    </section>
  )
}

const signs = { critical: "✕", warning: "▲", fine: "✓" } as const

export const Verdict = ({ view }: { view: View }) => {
  const { level, rest, words: said } = verdict(view)
  return (
    <div class={`verdict ${level}`} role="status" data-testid="verdict">
      <b>
        <span aria-hidden="true">{signs[level]}</span> {said}
      </b>
      <span>{rest}</span>
    </div>
  )
}
