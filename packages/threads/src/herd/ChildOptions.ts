/**
 * What a child process is told of its own, where the herd's program was told something that is for it alone.
 */
import type { ResourceLimits } from "node:worker_threads"

// The program that Node runs, and how it watches and tests that.
const withValue = new Set(["-e", "--eval", "-p", "--print", "-pe", "--input-type", "--run", "--title"])
const alone =
  /^(--eval=|--print=|--input-type=|--run=|--title=|-c$|--check$|-i$|--interactive$|--test|--watch)/
const inspect = /^--(inspect|debug-port)(-brk|-wait|-port|-brk-node)?(=|$)/

/** The flags without those that are about one program. */
const inherited = (execArgv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kept: Array<string> = []
  for (let i = 0; i < execArgv.length; i++) {
    const flag = execArgv[i] ?? ""
    if (withValue.has(flag)) i++
    else if (!alone.test(flag) && !inspect.test(flag)) kept.push(flag)
  }
  return kept
}

/** The host of an inspector, without its port, which belongs to the herd's process. */
const inspectorOf = (execArgv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const flag = execArgv.find((each) => inspect.test(each))
  if (flag === undefined) return []
  const host = /=(.*):\d+$/.exec(flag)?.[1]
  return [`--inspect=${host === undefined ? "" : `${host}:`}0`]
}

/**
 * The flags of Node.js for a child process: those given, or those of the herd's process that are not about its own
 * program, an inspector with a port of its own, and the limits of the heap.
 */
export const childExecArgv = (
  options: {
    readonly execArgv: ReadonlyArray<string> | undefined
    readonly resourceLimits: ResourceLimits | undefined
  },
  own: ReadonlyArray<string>
): Array<string> => {
  const { maxOldGenerationSizeMb: old, maxYoungGenerationSizeMb: young } = options.resourceLimits ?? {}
  return [
    ...(options.execArgv ?? [...inherited(own), ...inspectorOf(own)]),
    ...(old === undefined ? [] : [`--max-old-space-size=${Math.ceil(old)}`]),
    // V8 counts three of them as the young generation.
    ...(young === undefined ? [] : [`--max-semi-space-size=${Math.max(1, Math.floor(young / 3))}`])
  ]
}

// What programs need to find others, their files and libraries, and the words of their user. None of them holds a secret.
const always = new RegExp(
  `^(${[
    "PATH|HOME|USER|LOGNAME|TMPDIR|TMP|TEMP|TZ|LANG|LANGUAGE|LC_\\w+|TERM|COLORTERM|NO_COLOR|FORCE_COLOR",
    "LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|OPENSSL_CONF|SSL_CERT_FILE|SSL_CERT_DIR|UV_THREADPOOL_SIZE",
    "NODE_ENV|NODE_OPTIONS|NODE_PATH|NODE_EXTRA_CA_CERTS|NODE_NO_WARNINGS|NODE_COMPILE_CACHE|NODE_V8_COVERAGE|NODE_ICU_DATA",
    "SystemRoot|SystemDrive|windir|ComSpec|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|ProgramData"
  ].join("|")})$`,
  "i"
)

/**
 * The environment of a child: the one given, all of ours, or what a list of names leaves of it. An inspector asked for by
 * `NODE_OPTIONS` has a port of its own.
 */
export const childEnv = (env: NodeJS.ProcessEnv | ReadonlyArray<string> | "all"): NodeJS.ProcessEnv => {
  const chosen: NodeJS.ProcessEnv = Array.isArray(env)
    ? Object.fromEntries(
        Object.entries(process.env).filter(([name]) => always.test(name) || env.includes(name))
      )
    : { ...(env === "all" ? process.env : (env as NodeJS.ProcessEnv)) }
  const flags = chosen["NODE_OPTIONS"]
  if (flags !== undefined)
    chosen["NODE_OPTIONS"] = flags.replace(/--inspect(-brk|-wait|-port)?(=\S+)?(?=\s|$)/g, "--inspect=0")
  return chosen
}
