// What the buttons ask of the API.

/** Why the API said no, in words for the person who asked. */
class Refused extends Error {}

const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
  const response = await fetch(new URL(path, document.baseURI), {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
  }).catch(() => {
    throw new Refused("The server cannot be reached. It may be restarting.")
  })
  if (response.ok) return
  const answer = await response.json().catch(() => ({}))
  throw new Refused(String(answer.message ?? `The server answered ${response.status}.`))
}

const herd = (id: string): string => `herds/${encodeURIComponent(id)}`

export const change = (id: string, what: object): Promise<void> => ask("PATCH", herd(id), what)

export const call = (id: string, action: "pause" | "resume" | "clear" | "drain"): Promise<void> =>
  ask("POST", `${herd(id)}/${action}`, action === "drain" ? {} : undefined)

export const interrupt = (id: string, task: string): Promise<void> =>
  ask("DELETE", `${herd(id)}/tasks/${encodeURIComponent(task)}`)

const queue = (id: string): string => `queues/${encodeURIComponent(id)}`

export const callQueue = (id: string, action: "pause" | "resume"): Promise<void> =>
  ask("POST", `${queue(id)}/${action}`)

/** All of the dead letters, or those with these ids. */
export const letters = (id: string, action: "replay" | "purge", ids?: ReadonlyArray<string>): Promise<void> =>
  ask("POST", `${queue(id)}/dead-letters/${action}`, ids === undefined ? { all: true } : { ids })
