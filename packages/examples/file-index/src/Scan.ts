/** Finding files, and reading one of them. */
import { Effect, Option, Schema, Stream } from "effect"
import { Mime } from "mime"
import otherTypes from "mime/types/other.js"
import standardTypes from "mime/types/standard.js"
import { createHash } from "node:crypto"
import type { Dirent } from "node:fs"
import { type FileHandle, open, readdir } from "node:fs/promises"
import { join } from "node:path"

/** One indexed file. */
export interface FileRow {
  /** Relative to the root, with "/" between the parts. */
  readonly path: string
  /** SHA-256 of the content, hexadecimal. */
  readonly hash: string
  readonly bytes: number
  /** `null` when the content is not text. */
  readonly lines: number | null
  /** Media type. */
  readonly kind: string
  /** Device and inode: two paths that share it occupy the disk once. */
  readonly inode: string
}

/** A file that the walk saw. */
export interface FoundFile {
  /** Relative to the root, with "/" between the parts. */
  readonly path: string
  /** Where to open it. */
  readonly location: string
  /** A package manifest. */
  readonly manifest: boolean
}

/** It was there when the walk saw it, and is gone now. */
export class FileVanished extends Schema.TaggedError<FileVanished>()("FileVanished", {
  path: Schema.String
}) {
  override get message() {
    return "gone before it could be read"
  }
}

/** It is there, and the system does not let us read it. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  /** The system's name for the reason, such as `EACCES`. */
  code: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export type FileProblem = FileVanished | FileUnreadable

const problem = (path: string, cause: unknown): FileProblem => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown"
  return code === "ENOENT" || code === "ENOTDIR"
    ? new FileVanished({ path })
    : new FileUnreadable({ path, code, detail: cause instanceof Error ? cause.message : String(cause) })
}

/**
 * Every regular file under `root`, one folder per pull: what has not been pulled is not in memory. Symbolic
 * links, sockets and devices are passed over. Folders that cannot be read go to `onProblem`.
 */
export const walk = <E, R>(options: {
  readonly root: string
  /** Locations to pass over. */
  readonly except: ReadonlySet<string>
  readonly onProblem: (problem: FileProblem) => Effect.Effect<void, E, R>
}): Stream.Stream<FoundFile, E, R> =>
  Stream.paginate([""] as ReadonlyArray<string>, (folders) => {
    const [folder = "", ...rest] = folders
    const under = (name: string) => (folder === "" ? name : `${folder}/${name}`)
    return Effect.tryPromise({
      try: () => readdir(join(options.root, folder), { withFileTypes: true }),
      catch: (cause) => problem(folder === "" ? "." : folder, cause)
    }).pipe(
      Effect.catch((unreadable) => Effect.as(options.onProblem(unreadable), [] as Array<Dirent>)),
      Effect.map((entries) => {
        const files = entries
          .filter((entry) => entry.isFile())
          .map(({ name }) => ({
            path: under(name),
            location: join(options.root, folder, name),
            manifest: name === "package.json"
          }))
          .filter((file) => !options.except.has(file.location))
        const inner = entries.filter((entry) => entry.isDirectory()).map((entry) => under(entry.name))
        // Depth first keeps the list of folders short.
        const next = [...inner, ...rest]
        return [files, next.length > 0 ? Option.some(next) : Option.none()] as const
      })
    )
  })

/** Reads a file through the given buffer, whose content is undefined afterwards. */
export const readFile = (file: FoundFile, buffer: Buffer): Effect.Effect<FileRow, FileProblem> => {
  const attempt = <A>(f: () => Promise<A>) =>
    // Uninterruptible: Node cannot take a read back, and the next task of this worker uses the same buffer.
    Effect.uninterruptible(Effect.tryPromise({ try: f, catch: (cause) => problem(file.path, cause) }))
  return Effect.acquireUseRelease(
    attempt(() => open(file.location, "r")),
    Effect.fnUntraced(function* (handle: FileHandle) {
      const { dev, ino } = yield* attempt(() => handle.stat({ bigint: true }))
      const hash = createHash("sha256")
      const content = new LineCounter()
      let bytes = 0
      for (;;) {
        const { bytesRead } = yield* attempt(() => handle.read(buffer, 0, buffer.length, null))
        const chunk = buffer.subarray(0, bytesRead)
        hash.update(chunk)
        content.add(chunk)
        bytes += bytesRead
        // A regular file gives less than asked for only at its end.
        if (bytesRead < buffer.length) break
      }
      return {
        path: file.path,
        hash: hash.digest("hex"),
        bytes,
        lines: content.lines(),
        kind: mediaKind(file.path, content.isText()),
        inode: `${dev}:${ino}`
      }
    }),
    (handle) => Effect.ignore(attempt(() => handle.close()))
  )
}

/** Text is what has no zero byte in its first 8,000 bytes, which is the rule that Git uses. */
class LineCounter {
  #text = true
  #breaks = 0
  #seen = 0
  #last = 0

  add(chunk: Buffer): void {
    if (this.#seen === 0) this.#text = !chunk.subarray(0, 8_000).includes(0)
    this.#seen += chunk.length
    if (!this.#text || chunk.length === 0) return
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) this.#breaks++
    this.#last = chunk[chunk.length - 1] ?? 0
  }

  isText(): boolean {
    return this.#text
  }

  /** A last line without a line break counts. */
  lines(): number | null {
    if (!this.#text) return null
    return this.#breaks + (this.#seen > 0 && this.#last !== 10 ? 1 : 0)
  }
}

// Registered are a video format of broadcasting for ".ts" and a type of Node's own for ".cjs"; here both are code.
const mime = new Mime(standardTypes, otherTypes).define(
  { "text/typescript": ["ts", "mts", "cts", "tsx"], "text/javascript": ["cjs"] },
  true
)

const mediaKind = (path: string, text: boolean): string =>
  mime.getType(path) ?? (text ? "text/plain" : "application/octet-stream")
