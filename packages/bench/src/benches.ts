import type { Bench } from "./Race.ts"

/** How each bench is loaded, in the order in which they run. */
const loads = {
  dispatch: () => import("./dispatch.ts").then(({ dispatch }) => dispatch),
  backlog: () => import("./backlog.ts").then(({ backlog }) => backlog),
  latency: () => import("./latency.ts").then(({ latency }) => latency),
  pool: () => import("./pool.ts").then(({ pool }) => pool),
  cancel: () => import("./cancel.ts").then(({ cancel }) => cancel),
  turns: () => import("./turns.ts").then(({ turns }) => turns),
  timeouts: () => import("./timeouts.ts").then(({ timeouts }) => timeouts),
  flow: () => import("./flow.ts").then(({ flow }) => flow),
  soak: () => import("./soak.ts").then(({ soak }) => soak),
  control: () => import("./control.ts").then(({ control }) => control),
  threads: () => import("./threads.ts").then(({ threads }) => threads),
  durable: () => import("./durable.ts").then(({ durable }) => durable)
}

/** Every bench. */
export const allBenches = (): Promise<ReadonlyArray<Bench>> =>
  Promise.all(Object.values<() => Promise<Bench>>(loads).map((load) => load()))

/** The bench of a race, without the libraries of the others: what they load would slow every contestant down. */
export const benchOf = (race: string): Promise<Bench> | undefined => {
  const name = Object.keys(loads).find((one) => race.startsWith(`${one}/`))
  return name === undefined ? undefined : loads[name as keyof typeof loads]()
}
