// The buttons of a herd: each asks once, says what went wrong beside it, and the dangerous ones ask back.
import { useLayoutEffect, useRef, useState } from "preact/hooks"
import { call, change } from "./api.ts"
import type { HerdView } from "./model.ts"

/** Something that a person has to confirm. */
export interface Action {
  readonly title: string
  readonly text: string
  readonly yes: string
  readonly run: () => Promise<void>
}

/** Asks a person, and does it. */
export type Act = (action: Action) => void

const Confirm = ({ action, close }: { action: Action; close: (confirmed: boolean) => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={() => close(false)}>
      <h2 id="confirm-title">{action.title}</h2>
      <p>{action.text}</p>
      <div class="buttons">
        <button data-testid="cancel" autofocus onClick={() => close(false)}>
          Cancel
        </button>
        <button data-testid="confirm" class="danger" onClick={() => close(true)}>
          {action.yes}
        </button>
      </div>
    </dialog>
  )
}

/** What a section does for its buttons: one thing at a time, asked back where that was wanted, and what went wrong. */
export const useActions = () => {
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const [action, setAction] = useState<Action>()
  const run = async (f: () => Promise<void>) => {
    setBusy(true)
    setError(undefined)
    try {
      await f()
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem))
    } finally {
      setBusy(false)
    }
  }
  const answered = (confirmed: boolean) => {
    setAction(undefined)
    if (confirmed && action !== undefined) void run(action.run)
  }
  const act: Act = (wanted) => setAction(wanted)
  const problem = error !== undefined && (
    <p class="problem" role="alert" data-testid="error">
      {error}
      <button class="small" onClick={() => setError(undefined)}>
        Dismiss
      </button>
    </p>
  )
  const question = action !== undefined && <Confirm action={action} close={answered} />
  return { act, busy, problem, question, run }
}

interface Props {
  readonly herd: HerdView
  readonly act: Act
  readonly run: (f: () => Promise<void>) => Promise<void>
  readonly busy: boolean
}

const numberOf = (form: HTMLFormElement, name: string): number => {
  const field = form.elements.namedItem(name)
  return field instanceof HTMLInputElement ? field.valueAsNumber : NaN
}

interface FieldProps {
  readonly label: string
  readonly name: string
  readonly test: string
  readonly disabled: boolean
  readonly value: string | number
  readonly set: (value: string) => void
}

const Field = ({ disabled, label, name, set, test, value }: FieldProps) => (
  <label>
    {label}
    <input
      name={name}
      type="number"
      min={0}
      step={1}
      data-testid={test}
      disabled={disabled}
      value={value}
      onInput={(event) => set(event.currentTarget.value)}
    />
  </label>
)

export const Controls = ({ act, busy, herd, run }: Props) => {
  const { paused, scaling, state, workers } = herd.frame.stats
  const [target, setTarget] = useState<string>()
  const [min, setMin] = useState<string>()
  const [max, setMax] = useState<string>()
  const ended = state === "closed" || state === "interrupting"
  const stopped = busy || ended

  const resize = (event: SubmitEvent) => {
    event.preventDefault()
    const wanted = numberOf(event.currentTarget as HTMLFormElement, "target")
    const done = () => change(herd.id, { target: wanted }).then(() => setTarget(undefined))
    if (wanted !== 0) return void run(done)
    act({
      title: `Resize ${herd.id} to 0?`,
      text: "Without a worker nothing is run: tasks wait until there is one again.",
      yes: "Resize to 0",
      run: done
    })
  }
  const bound = (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const bounds = { min: numberOf(form, "min"), max: numberOf(form, "max") }
    void run(() =>
      change(herd.id, { bounds }).then(() => {
        setMin(undefined)
        setMax(undefined)
      })
    )
  }
  return (
    <section class="panel controls" aria-label={`Controls of ${herd.id}`}>
      <form onSubmit={resize} noValidate>
        <Field
          label="Workers"
          name="target"
          test="resize-input"
          disabled={stopped}
          value={target ?? workers.target}
          set={setTarget}
        />
        <button data-testid="resize-apply" disabled={stopped}>
          Resize
        </button>
        <button
          type="button"
          data-testid="resize-auto"
          disabled={stopped || !scaling.pinned}
          onClick={() => void run(() => change(herd.id, { target: "auto" }))}
        >
          Auto<span class="hidden"> target by the policy {scaling.policy}</span>
        </button>
      </form>
      <form onSubmit={bound} noValidate>
        <Field
          label="Min"
          name="min"
          test="min-input"
          disabled={stopped}
          value={min ?? workers.min}
          set={setMin}
        />
        <Field
          label="Max"
          name="max"
          test="max-input"
          disabled={stopped}
          value={max ?? workers.max}
          set={setMax}
        />
        <button data-testid="bounds-apply" disabled={stopped}>
          Set bounds
        </button>
      </form>
      <div class="buttons">
        {paused ? (
          <button
            data-testid="resume"
            disabled={stopped}
            onClick={() => void run(() => call(herd.id, "resume"))}
          >
            Resume
          </button>
        ) : (
          <button
            data-testid="pause"
            disabled={stopped || state !== "running"}
            onClick={() => void run(() => call(herd.id, "pause"))}
          >
            Pause
          </button>
        )}
        <button
          data-testid="clear"
          class="danger"
          disabled={stopped}
          onClick={() =>
            act({
              title: `Clear the queue of ${herd.id}?`,
              text: "Every waiting task is dropped, and whoever waits for it is told so.",
              yes: "Clear the queue",
              run: () => call(herd.id, "clear")
            })
          }
        >
          Clear queue
        </button>
        <button
          data-testid="drain"
          class="danger"
          disabled={stopped || state !== "running"}
          onClick={() =>
            act({
              title: `Drain ${herd.id}?`,
              text: "It takes no more tasks, finishes those it has, and closes for good. This cannot be undone.",
              yes: "Drain",
              run: () => call(herd.id, "drain")
            })
          }
        >
          Drain
        </button>
      </div>
    </section>
  )
}
