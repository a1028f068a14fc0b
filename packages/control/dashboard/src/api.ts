// What the buttons ask of the API.
import type { TaskExplanation } from "lemmings/HerdFlow"
import type { QueueJob, QueueLetter } from "lemmings/QueueRegistry"

/** Why the API said no, in words for the person who asked. */
class Refused extends Error {}

const ask = async <A = unknown>(method: string, path: string, body?: unknown): Promise<A> => {
  const response = await fetch(new URL(path, document.baseURI), {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
  }).catch(() => {
    throw new Refused("The server cannot be reached. It may be restarting.")
  })
  const answer = await response.json().catch(() => ({}))
  if (response.ok) return answer
  throw new Refused(String(answer.message ?? `The server answered ${response.status}.`))
}

const herd = (id: string): string => `herds/${encodeURIComponent(id)}`
const task = (id: string, one: string): string => `${herd(id)}/tasks/${encodeURIComponent(one)}`
const hold = (id: string, key: string): string => `${herd(id)}/keys/${encodeURIComponent(key)}/hold`

export const change = (id: string, what: object): Promise<unknown> => ask("PATCH", herd(id), what)

export const call = (id: string, action: "pause" | "resume" | "clear" | "drain"): Promise<unknown> =>
  ask("POST", `${herd(id)}/${action}`, action === "drain" ? {} : undefined)

export const interrupt = (id: string, one: string): Promise<unknown> => ask("DELETE", task(id, one))

export const explain = (id: string, one: string): Promise<TaskExplanation> =>
  ask("GET", `${task(id, one)}/explain`)

export const holdKey = (id: string, key: string, duration: string): Promise<unknown> =>
  ask("PUT", hold(id, key), { duration })

export const releaseKey = (id: string, key: string): Promise<unknown> => ask("DELETE", hold(id, key))

const queue = (id: string): string => `queues/${encodeURIComponent(id)}`

export const callQueue = (id: string, action: "pause" | "resume"): Promise<unknown> =>
  ask("POST", `${queue(id)}/${action}`)

/** All of the dead letters, or those with these ids. */
export const letters = (
  id: string,
  action: "replay" | "purge",
  ids?: ReadonlyArray<string>
): Promise<unknown> =>
  ask("POST", `${queue(id)}/dead-letters/${action}`, ids === undefined ? { all: true } : { ids })

export interface Page {
  readonly letters: ReadonlyArray<QueueLetter>
  readonly next?: string
}

export const page = (id: string, after: string | undefined): Promise<Page> =>
  ask(
    "GET",
    `${queue(id)}/dead-letters?limit=100${after === undefined ? "" : `&after=${encodeURIComponent(after)}`}`
  )

export const job = (id: string, one: string): Promise<QueueJob> =>
  ask("GET", `${queue(id)}/jobs/${encodeURIComponent(one)}`)
