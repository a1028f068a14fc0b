// The stream of frames: connects, reconnects, and says how it stands.
import type { Frame } from "../../src/model/FrameModel.ts"
import { backoff, merge, type View } from "./model.ts"

export interface Feed {
  readonly view: View | undefined
  readonly live: boolean
  /** When the last frame came, on the page's clock. */
  readonly seen: number
}

let feed: Feed = { view: undefined, live: false, seen: performance.now() }

/**
 * Reads frames with the details of a herd, until it is called again or what it returns is called. Calls `changed` at most once
 * a frame of the screen and ten times a second.
 */
export const connect = (herd: string | undefined, changed: (feed: Feed) => void): (() => void) => {
  let attempt = 0
  let drawn = 0
  let scheduled = false
  let closed = false
  let source: EventSource | undefined
  // A connection that is silent for longer than this is dead, whatever the socket says.
  let silence = 0
  let retry = 0

  const draw = () => {
    if (scheduled) return
    scheduled = true
    const wait = Math.max(0, drawn + 100 - performance.now())
    setTimeout(() => {
      scheduled = false
      drawn = performance.now()
      if (!closed) changed(feed)
    }, wait)
  }
  const again = () => {
    clearTimeout(silence)
    source?.close()
    feed = { ...feed, live: false }
    draw()
    retry = window.setTimeout(open, backoff(attempt++))
  }
  const watch = () => {
    clearTimeout(silence)
    silence = window.setTimeout(again, 5000)
  }
  const open = () => {
    const details = herd === undefined ? "" : `&herd=${encodeURIComponent(herd)}`
    source = new EventSource(new URL(`frames?rate=4${details}`, document.baseURI))
    source.addEventListener("frame", (event) => {
      const frame: Frame = JSON.parse(event.data)
      feed = { view: merge(feed.view, frame), live: true, seen: performance.now() }
      attempt = 0
      watch()
      draw()
    })
    // EventSource gives up after an answer that is no stream, so each attempt is one of ours.
    source.addEventListener("error", again)
    watch()
  }
  open()
  return () => {
    closed = true
    clearTimeout(silence)
    clearTimeout(retry)
    source?.close()
  }
}
