// What changes a herd: how many workers, and behind a fold what cannot be taken back.
import { useState } from "preact/hooks"
import { call, change } from "./api.ts"
import type { HerdView } from "./model.ts"
import { Do, useActions } from "./ui.tsx"

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

export const Controls = ({ herd }: { herd: HerdView }) => {
  const { ask, disabled, readOnly, run } = useActions()
  const { scaling, state, workers } = herd.detail.stats
  const [size, setSize] = useState<string>()
  const [min, setMin] = useState<string>()
  const [max, setMax] = useState<string>()
  if (readOnly) return null
  const ended = state === "closed" || state === "interrupting"
  const stopped = disabled || ended

  const resize = (event: SubmitEvent) => {
    event.preventDefault()
    const wanted = numberOf(event.currentTarget as HTMLFormElement, "size")
    const before = scaling.pinned ? workers.target : "auto"
    const done = () => change(herd.id, { target: wanted }).then(() => setSize(undefined))
    if (wanted !== 0) return run(done, `${wanted} workers wanted.`, () => change(herd.id, { target: before }))
    ask({
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
    const before = { min: workers.min, max: workers.max }
    run(
      () =>
        change(herd.id, { bounds }).then(() => {
          setMin(undefined)
          setMax(undefined)
        }),
      `${bounds.min} to ${bounds.max} workers allowed.`,
      () => change(herd.id, { bounds: before })
    )
  }
  return (
    <section class="panel controls" aria-label={`Controls of ${herd.id}`}>
      <form onSubmit={resize} noValidate>
        <Field
          label="Workers"
          name="size"
          test="resize-input"
          disabled={stopped}
          value={size ?? workers.target}
          set={setSize}
        />
        <Do test="resize-apply" off={ended}>
          Resize
        </Do>
        <Do
          test="resize-auto"
          off={ended || !scaling.pinned}
          onClick={() =>
            run(() => change(herd.id, { target: "auto" }), `The policy ${scaling.policy} chooses again.`)
          }
        >
          Auto<span class="hidden"> size by the policy {scaling.policy}</span>
        </Do>
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
        <Do test="bounds-apply" off={ended}>
          Set bounds
        </Do>
      </form>
      <span class="spacer" />
      <details>
        <summary data-testid="more">Clear or drain…</summary>
        <div class="buttons">
          <Do
            test="clear"
            class="danger"
            off={ended}
            onClick={() =>
              ask({
                title: `Clear the queue of ${herd.id}?`,
                text: "Every waiting task is dropped, and whoever waits for it is told so. This cannot be undone.",
                yes: "Clear the queue",
                run: () => call(herd.id, "clear")
              })
            }
          >
            Clear queue
          </Do>
          <Do
            test="drain"
            class="danger"
            off={state !== "running"}
            onClick={() =>
              ask({
                title: `Drain ${herd.id}?`,
                text: "It takes no more tasks, finishes those it has, and closes for good. This cannot be undone.",
                yes: "Drain",
                run: () => call(herd.id, "drain")
              })
            }
          >
            Drain
          </Do>
        </div>
      </details>
    </section>
  )
}
