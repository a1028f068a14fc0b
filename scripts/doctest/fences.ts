// From the text of a document to the text of its tests; reads and writes no files.

/** A TypeScript fence of a document or of a docstring. */
export interface Fence {
  /** The file, from the root of the workspace. */
  readonly path: string
  /** The line of its opening mark, counted from 1. */
  readonly line: number
  /** The heading above it, or the title of its **Example**. */
  readonly title: string
  readonly code: ReadonlyArray<string>
  /** What the program prints: the text of the ```text fence that follows. */
  readonly prints: string | undefined
}

/** The fences of a Markdown file, or those of a source file's docstrings that are marked as tests. */
export const fencesOf = (path: string, text: string): ReadonlyArray<Fence> => {
  const inSource = path.endsWith(".ts")
  const opening = inSource ? /^\s*\* ```ts import\.meta\.vitest\s*$/ : /^```ts(\s|$)/
  const strip = (line: string) => (inSource ? line.replace(/^\s*\* ?/, "") : line)

  const fences: Array<Fence> = []
  const lines = text.split("\n")
  const blockFrom = (start: number) => {
    const end = lines.findIndex((line, index) => index > start && /^```\s*$/.test(strip(line)))
    if (end === -1) throw new Error(`${path}:${start + 1}: this fence is not closed`)
    return { code: lines.slice(start + 1, end).map(strip), end }
  }

  let title = ""
  // The fence above, as long as a ```text fence may still belong to it.
  let above: Fence | undefined
  for (let index = 0; index < lines.length; index++) {
    const raw = lines[index] ?? ""
    const line = strip(raw)
    const heading = /^#+ (.+)|^\*\*Example\*\* \((.+)\)/.exec(line)
    if (heading !== null) {
      title = heading[1] ?? heading[2] ?? ""
      above = undefined
    } else if (opening.test(raw)) {
      const { code, end } = blockFrom(index)
      above = { path, line: index + 1, title, code, prints: undefined }
      fences.push(above)
      index = end
    } else if (line.startsWith("```") && (!inSource || raw.trimStart().startsWith("*"))) {
      const { code, end } = blockFrom(index)
      if (above !== undefined && /^```text\s*$/.test(line)) {
        fences[fences.length - 1] = { ...above, prints: code.join("\n") }
      }
      above = undefined
      index = end
    }
  }
  return fences
}

/** The whole program of a fence that starts one, and undefined for the body of a test. */
export const programOf = (fence: Fence): string | undefined => {
  const code = fence.code.join("\n")
  const starts =
    /NodeRuntime\.runMain|^HerdMain\.runMain|\bHerdMain\.runMain\)|^Effect\.run(Promise|Fork)\b/m.test(code)
  return starts || fence.prints !== undefined ? `${code}\n` : undefined
}

/** Whether who pastes a fence of a document, and runs it, would see nothing. */
export const isSilent = ({ code, path }: Fence): boolean =>
  path.endsWith(".md") &&
  code.some((line) => /\bEffect\.run(Promise|Sync|Fork)\b|\.runMain\b/.test(line)) &&
  !code.some((line) => /\b(console|Console|Effect)\.log/.test(line))

/** The test file of a fence; `program` is the name of its program's file, if it has one. */
export const testOf = (fence: Fence, program: string): string => {
  const name = JSON.stringify(`${fence.path}:${fence.line} ${fence.title}`.trimEnd())
  return programOf(fence) === undefined ? bodyTest(fence, name) : programTest(fence, name, program)
}

const bodyTest = (fence: Fence, name: string) => {
  const { body, imports } = splitImports(fence.code)
  return [
    `import { it as doctest } from "@effect/vitest"`,
    `import { assertEquals as _equals } from "@effect/vitest/utils"`,
    ...imports,
    ``,
    `doctest(${name}, async () => {`,
    ...withAssertions(fence, body).map((line) => `  ${line}`),
    `})`,
    ``
  ].join("\n")
}

const programTest = (fence: Fence, name: string, program: string) =>
  [
    `import { it } from "@effect/vitest"`,
    `import { strictEqual } from "@effect/vitest/utils"`,
    `import { execFile } from "node:child_process"`,
    `import { join } from "node:path"`,
    ``,
    `it(${name}, { timeout: 30_000 }, async () => {`,
    `  const program = join(import.meta.dirname, ${JSON.stringify(program)})`,
    `  const run = await new Promise<{ code: unknown; stdout: string; stderr: string }>((done) =>`,
    `    execFile(process.execPath, [program], { timeout: 25_000 }, (error, stdout, stderr) =>`,
    `      done({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr })))`,
    `  strictEqual(run.code, 0, \`the program ended with \${run.code}\\n\${run.stderr}\${run.stdout}\`)`,
    ...(fence.prints === undefined
      ? [`  strictEqual(run.stdout.trim() === "", false, "who pastes the program sees nothing")`]
      : [`  strictEqual(run.stdout.trim(), ${JSON.stringify(fence.prints.trim())})`]),
    `})`,
    ``
  ].join("\n")

/** Imports belong at the top of the file; `export` means nothing inside a function. */
const splitImports = (code: ReadonlyArray<string>) => {
  const imports: Array<string> = []
  const body: Array<string> = []
  let open = false
  for (const line of code) {
    if (open || /^import\b(?!\s*\()/.test(line)) {
      imports.push(line)
      open = !/["']\s*$/.test(line)
    } else {
      body.push(line.replace(/^export (?=(?:const|class|interface|type|function|abstract|async)\b)/, ""))
    }
  }
  return { imports, body }
}

/** Turns each `expression // => value`, and `const name = expression // => value`, into an assertion. */
const withAssertions = (fence: Fence, body: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines = [...body]
  const depths = depthsOf(body)
  body.forEach((line, end) => {
    const mark = /^(.*\S)\s*\/\/ => (.+)$/.exec(line)
    if (mark === null) return
    const [, code = "", expected = ""] = mark
    const start = statementStart(body, depths, end)
    // An assertion inside the statement is an assertion already.
    const statement = [...lines.slice(start, end), code].join("\n").trimStart()
    // Printed for who pastes the program; asserted here.
    const printed = /^console\.log\((.*)\)$/s.exec(statement)?.[1]
    const named = /^const (\w+)(?:\s*:[^=]+)? = /.exec(statement)?.[1]
    if (named === undefined && /^(const|let|return|throw|if|for|while|class|function)\b/.test(statement)) {
      throw new Error(`${fence.path}:${fence.line + 1 + end}: "// =>" needs an expression or a named const`)
    }
    const assertion = `;_equals<unknown>(${named ?? printed ?? statement}, ${expected})`
    lines.fill("", start, end + 1)
    lines[start] = named === undefined ? assertion : `${statement}\n${assertion}`
  })
  return lines
}

/** How many brackets are open before each line, and after the last; strings and comments do not count. */
const depthsOf = (lines: ReadonlyArray<string>): ReadonlyArray<number> => {
  const depths = [0]
  let depth = 0
  for (const line of lines) {
    const code = bare(line)
    depth += code.replaceAll(/[^([{]/g, "").length - code.replaceAll(/[^)\]}]/g, "").length
    depths.push(depth)
  }
  return depths
}

/** The line on which the statement that ends on line `end` starts. */
const statementStart = (lines: ReadonlyArray<string>, depths: ReadonlyArray<number>, end: number) => {
  const depth = depths[end + 1] ?? 0
  const continues = (index: number) =>
    /^\s*([.)\]}?:|&+*/,]|=>|-\s)/.test(bare(lines[index] ?? "")) ||
    /([=(,?:|&+*-]|=>)\s*$/.test(bare(lines[index - 1] ?? ""))
  let start = end
  while (start > 0 && ((depths[start] ?? 0) > depth || continues(start))) start--
  return start
}

/** A line without the insides of its strings, and without its comment. */
const bare = (line: string) =>
  line
    .replaceAll(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\/\/.*/g, (part) =>
      part.startsWith("/") ? "" : '""'
    )
    .trimEnd()
