// What all parts of the page share: questions asked back, what was done, what went wrong, and small pieces.
import { type ComponentChildren, createContext } from "preact"
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"

/** Something that a person has to confirm. */
export interface Question {
  readonly title: string
  readonly text: string
  readonly yes: string
  /** To be typed before it is done. */
  readonly type?: string
  readonly run: () => Promise<unknown>
}

export interface Actions {
  /** Whether nothing may be pressed: somebody else's figures, an action under way, or a page that is out of date. */
  readonly disabled: boolean
  readonly readOnly: boolean
  /** Does it, and says so; with a way back where there is one. */
  readonly run: (f: () => Promise<unknown>, done?: string, undo?: () => Promise<unknown>) => void
  readonly ask: (question: Question) => void
}

const Place = createContext<Actions>({ disabled: true, readOnly: true, run: () => {}, ask: () => {} })
export const useActions = (): Actions => useContext(Place)

const Confirm = ({ close, question }: { question: Question; close: (confirmed: boolean) => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const [typed, setTyped] = useState("")
  useLayoutEffect(() => dialog.current?.showModal(), [])
  const { text, title, type, yes } = question
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={() => close(false)}>
      <h2 id="confirm-title">{title}</h2>
      <p>{text}</p>
      {type !== undefined && (
        <label>
          Type {type} to go on
          <input data-testid="type" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
      )}
      <div class="buttons end">
        <button data-testid="cancel" autofocus onClick={() => close(false)}>
          Cancel
        </button>
        <button
          data-testid="confirm"
          class="danger"
          disabled={type !== undefined && typed.trim() !== type}
          onClick={() => close(true)}
        >
          {yes}
        </button>
      </div>
    </dialog>
  )
}

interface Note {
  readonly text: string
  readonly undo: (() => Promise<unknown>) | undefined
}

export const Acting = ({
  children,
  live,
  readOnly
}: {
  children: ComponentChildren
  live: boolean
  readOnly: boolean
}) => {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string>()
  const [note, setNote] = useState<Note>()
  const [question, setQuestion] = useState<Question>()
  useEffect(() => {
    if (note === undefined) return
    const timer = setTimeout(() => setNote(undefined), 8000)
    return () => clearTimeout(timer)
  }, [note])
  const run: Actions["run"] = (f, done, undo) => {
    setBusy(true)
    setError(undefined)
    setNote(undefined)
    f()
      .then(
        () => done !== undefined && setNote({ text: done, undo }),
        (problem: unknown) => setError(problem instanceof Error ? problem.message : String(problem))
      )
      .finally(() => setBusy(false))
  }
  const answered = (confirmed: boolean) => {
    setQuestion(undefined)
    if (confirmed && question !== undefined) run(question.run, `${question.yes}: done.`)
  }
  return (
    <Place.Provider value={{ disabled: busy || !live, readOnly, run, ask: setQuestion }}>
      {children}
      <div class="toasts">
        {error !== undefined && (
          <p class="toast bad" role="alert" data-testid="error">
            <span>{error}</span>
            <button class="small" onClick={() => setError(undefined)}>
              Dismiss
            </button>
          </p>
        )}
        <div role="status">
          {note !== undefined && (
            <p class="toast" data-testid="note">
              <span>{note.text}</span>
              {note.undo !== undefined && (
                <button
                  class="small"
                  data-testid="undo"
                  onClick={() => note.undo && run(note.undo, "Undone.")}
                >
                  Undo
                </button>
              )}
            </p>
          )}
        </div>
      </div>
      {question !== undefined && <Confirm question={question} close={answered} />}
    </Place.Provider>
  )
}

/** A button that does something: not there where nothing may be done. */
export const Do = ({
  children,
  class: kind = "",
  off = false,
  onClick,
  test
}: {
  children: ComponentChildren
  class?: string
  off?: boolean
  onClick?: () => void
  test: string
}) => {
  const { disabled, readOnly } = useActions()
  if (readOnly) return null
  return (
    <button
      data-testid={test}
      class={kind}
      disabled={disabled || off}
      type={onClick === undefined ? "submit" : "button"}
      {...(onClick === undefined ? {} : { onClick })}
    >
      {children}
    </button>
  )
}

const marks = { critical: "✕", warning: "▲", fine: "●", quiet: "○" } as const
export type Level = keyof typeof marks

/** A mark and a word, never colour alone. */
export const Mark = ({ level, word }: { level: Level; word: string }) => (
  <span class={`mark ${level}`}>
    <span aria-hidden="true">{marks[level]}</span> {word}
  </span>
)

export const Head = ({ names }: { names: ReadonlyArray<string> }) => (
  <thead>
    <tr>
      {names.map((name) => (
        <th key={name} scope="col">
          {name}
        </th>
      ))}
    </tr>
  </thead>
)

export const Empty = ({ columns, text }: { columns: number; text: string }) => (
  <tr>
    <td colSpan={columns} class="empty">
      {text}
    </td>
  </tr>
)

/** A table that is wider than its place scrolls there, also by keyboard. */
export const Scroll = ({ children, label }: { children: ComponentChildren; label: string }) => (
  <div class="scroll" tabIndex={0} role="group" aria-label={label}>
    {children}
  </div>
)

/** Names and what they are, a row each. */
export const Facts = ({ rows }: { rows: ReadonlyArray<readonly [name: string, value: string]> }) => (
  <table>
    <tbody>
      {rows.map(([name, value]) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td class="reason">{value}</td>
        </tr>
      ))}
    </tbody>
  </table>
)

export interface FigureProps {
  readonly name: string
  readonly value: string
  readonly test?: string
  readonly level?: Level | undefined
  readonly note?: string
}

export const Figures = ({ all }: { all: ReadonlyArray<FigureProps> }) => (
  <dl class="figures">
    {all.map(({ level, name, note, test, value }) => (
      <div key={name} class={level ?? ""}>
        <dt>{name}</dt>
        <dd {...(test === undefined ? {} : { "data-testid": test })}>{value}</dd>
        {note !== undefined && <dd class="muted">{note}</dd>}
      </div>
    ))}
  </dl>
)
