// The stream of frames: connects, reconnects, and says how it stands.
import type { Frame } from "../../src/model/ControlModel.ts"
import { backoff, merge, type View } from "./model.ts"

export interface Feed {
  readonly view: View | undefined
  readonly live: boolean
  /** When the last frame came, on the page's clock. */
  readonly seen: number
}

/** Calls `changed` at most once a frame of the screen and ten times a second. */
export const connect = (changed: (feed: Feed) => void): void => {
  let feed: Feed = { view: undefined, live: false, seen: performance.now() }
  let attempt = 0
  let drawn = 0
  let scheduled = false

  const draw = () => {
    if (scheduled) return
    scheduled = true
    const wait = Math.max(0, drawn + 100 - performance.now())
    setTimeout(() => {
      requestAnimationFrame(() => {
        scheduled = false
        drawn = performance.now()
        changed(feed)
      })
    }, wait)
  }

  const open = () => {
    const source = new EventSource(new URL("frames?rate=4", document.baseURI))
    let first = true
    // A connection that is silent for longer than this is dead, whatever the socket says.
    let silence = 0
    const watch = () => {
      clearTimeout(silence)
      silence = window.setTimeout(again, 5000)
    }
    const again = () => {
      clearTimeout(silence)
      source.close()
      feed = { ...feed, live: false }
      draw()
      setTimeout(open, backoff(attempt++))
    }
    source.addEventListener("frame", (event) => {
      const frame: Frame = JSON.parse(event.data)
      feed = { view: merge(feed.view, frame, first), live: true, seen: performance.now() }
      first = false
      attempt = 0
      watch()
      draw()
    })
    // EventSource gives up after an answer that is no stream, so each attempt is one of ours.
    source.addEventListener("error", again)
    watch()
  }
  open()
}
