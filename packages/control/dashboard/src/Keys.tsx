// What keys do.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks"

const keys: ReadonlyArray<readonly [string, string]> = [
  ["/", "filter herds and queues"],
  ["j  k", "the next, the one before"],
  ["Enter", "open it"],
  ["Esc", "back, or clear the filter"],
  ["g h", "herds"],
  ["g q", "queues"],
  ["?", "this list"]
]

export const Help = ({ close }: { close: () => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} aria-labelledby="keys-title" onClose={close} data-testid="keys-help">
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div class="buttons end">
        <button autofocus onClick={close}>
          Close
        </button>
      </div>
    </dialog>
  )
}

const focusOn = (id: string) => {
  const found = document.getElementById(id)
  found?.scrollIntoView({ block: "start" })
  found?.focus({ preventScroll: true })
}

/** Goes to the overview, and then to a part of it. */
const goTo = (id: string) => {
  if (location.hash !== "" && location.hash !== "#/") location.hash = "#/"
  setTimeout(() => focusOn(id), 50)
}

const step = (by: number) => {
  const all = [...document.querySelectorAll<HTMLElement>("#main [data-nav]")]
  const at = all.findIndex((one) => one === document.activeElement)
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))
  all[next]?.focus()
}

interface Place {
  readonly filter: string
  readonly setFilter: (filter: string) => void
  readonly help: () => void
}

export const useKeys = (place: Place): void => {
  const latest = useRef(place)
  latest.current = place
  useEffect(() => {
    let g = false
    const pressed = (event: KeyboardEvent) => {
      const { key, target } = event
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null)
        return
      const typing = target instanceof HTMLInputElement && target.type !== "checkbox"
      const { filter, help, setFilter } = latest.current
      if (key === "Escape") {
        if (filter !== "") setFilter("")
        else if (typing) target.blur()
        else if (location.hash.length > 2) location.hash = "#/"
        return
      }
      if (typing) return
      const after = g
      g = key === "g"
      if (after && key === "h") goTo("herds-title")
      else if (after && key === "q") goTo("queues-title")
      else if (key === "/") goTo("filter")
      else if (key === "?") help()
      else if (key === "j") step(1)
      else if (key === "k") step(-1)
      else return
      event.preventDefault()
    }
    addEventListener("keydown", pressed)
    return () => removeEventListener("keydown", pressed)
  }, [])
}
