import type { Run } from "./compare.ts"

/** A run in one line of at most 60 characters, for up to 99,999 files. */
export const line = (where: string, { files, megabytes, seconds, stuckMillis }: Run): string =>
  `${where.padEnd(13)}${files} files, ${megabytes.toFixed(1)} MB, ${seconds.toFixed(2)} s, blocked ${stuckMillis.toFixed(0)} ms`

/** Whether threads paid, and why. */
export const verdict = (main: Run, others: Run, threads: number): string => {
  const times = main.seconds / others.seconds
  const each = (1000 * main.seconds) / main.files
  const why = () => {
    if (main.seconds < 1) return "The work was over before the threads had started."
    if (each < 0.5) return `A file takes ${each.toFixed(2)} ms, no more than to send it to a thread.`
    return "There is no processor free for them."
  }
  const paid =
    times >= 1.1
      ? `Threads pay here: ${times.toFixed(1)} times as fast on ${threads} of them.
A file takes ${each.toFixed(2)} ms, which is more than to send it to one.`
      : `Threads win no time here: ${times.toFixed(1)} times as fast.
${why()}`
  return `${paid}
The event loop was blocked for ${others.stuckMillis.toFixed(0)} ms, not for ${main.stuckMillis.toFixed(0)}.`
}
