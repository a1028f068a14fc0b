/**
 * A keeper: a small process beside ours that ends a server and removes its folder when we are gone, however we went.
 *
 * We may be killed with no time to clean up, and some tests do just that. The keeper reads from a pipe that only we
 * hold, so the kernel tells it of our end.
 */
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { chownSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A folder, and what must end with it. */
export interface Keeper {
  readonly folder: string
  /** Names the one process that must end before the folder goes, until it has ended by itself. */
  readonly watch: (child: ChildProcess) => void
}

// Each line names the process to end. SIGQUIT: PostgreSQL ends at once and takes its shared memory along, and
// others die of it. A server that was killed has left a segment behind, and its file says which.
const script = `
while read -r line; do server=$line; done
if [ -n "$server" ]; then
  kill -QUIT "$server"
  while kill -0 "$server"; do sleep 0.02; done
fi
segment=$(sed -n 7p "$0/data/postmaster.pid" | tr -s ' ' | cut -d ' ' -f 3)
[ -n "$segment" ] && ipcrm -m "$segment"
rm -rf "$0"
`

/** Waits until a process has ended. */
export const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    // Nothing else may keep this process alive for the end that it waits for.
    child.ref()
    child.once("exit", () => resume(Effect.void))
  })

/** Who owns a folder and runs what is in it. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** A new folder that is gone, with the process that works in it, when the scope closes or this process ends. */
export const keeper = (server: string, owner: Owner | undefined): Effect.Effect<Keeper, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), `lemmings-${server}-`))
      if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
      // A session of its own: the Ctrl-C that ends us does not reach it.
      const child = spawn("sh", ["-c", script, folder], {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true
      })
      child.unref()
      // Its end may come before the last word reaches it.
      child.stdin.on("error", () => {})
      let watched: ChildProcess | undefined
      const name = (next: ChildProcess | undefined) => {
        watched = next
        child.stdin.write(`${next?.pid ?? ""}\n`)
      }
      return {
        folder,
        child,
        watch: (next: ChildProcess) => {
          name(next)
          // Its number may soon be another's; and by then there may be a successor.
          next.once("exit", () => {
            if (watched === next) name(undefined)
          })
        }
      }
    }),
    ({ child }) =>
      Effect.andThen(
        Effect.sync(() => child.stdin.end()),
        ended(child)
      )
  )
