// House rules for packages/lemmings/src that oxlint has no built-in rule for.
import { posix } from "node:path"

import { control, core, durable, threads } from "./module-map.mjs"
import { publicNames } from "./public-names.mjs"

/** The packages whose modules are on a map, by folder. */
const maps = { lemmings: core, control, durable, threads }

/** The map of a file below packages/<package>/src and its place there, without `.ts`; undefined for any other file. */
const placed = (filename) => {
  const [, name, place] =
    /packages\/(lemmings|control|durable|threads)\/src\/(.+)\.ts$/.exec(filename.replaceAll("\\", "/")) ?? []
  return name === undefined ? undefined : { place, map: maps[name], root: `packages/${name}/src` }
}

const placeOf = (filename) => placed(filename)?.place

/** The room of a place: its folder, or itself where it stands in `src`. */
const roomOf = (place) => place.split("/")[0]

/** Why `from` may not import `specifier`, or undefined when it may. */
const refusal = ({ map: { rooms, packages, edges }, place: from, root }, specifier) => {
  if (!specifier.startsWith(".")) {
    if (packages.allowed.test(specifier) && !packages.refused.test(specifier)) return undefined
    if (edges[from]?.test(specifier)) return undefined
    return `${root} imports only ${packages.says}, not "${specifier}".`
  }
  const to = posix.join(posix.dirname(from), specifier).replace(/\.[jt]s$/, "")
  if (to.startsWith(".."))
    return `${root} imports nothing of the workspace outside itself, not "${specifier}".`

  const here = rooms.indexOf(roomOf(from))
  const there = rooms.indexOf(roomOf(to))
  if (here === -1) return undefined // Reported once for the file.
  if (there === -1) return `${to} is not on the map (scripts/module-map.mjs).`
  return there >= here
    ? undefined
    : `${from} may not import ${to}: imports point downward, and ${rooms[there]} is above ${rooms[here]} on the map.`
}

/** Imports point down the map, and every file is on it. */
const map = {
  meta: { type: "problem", schema: [] },
  create(context) {
    const from = placed(context.filename)
    if (from === undefined) return {}

    const check = (source) => {
      if (typeof source?.value !== "string") return
      const message = refusal(from, source.value)
      if (message !== undefined) context.report({ node: source, message })
    }
    return {
      Program(node) {
        if (!from.map.rooms.includes(roomOf(from.place))) {
          context.report({ node, message: `${from.place} is not on the map (scripts/module-map.mjs).` })
        }
      },
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source ?? node.argument)
    }
  }
}

/** What users of a package see says its category and since when it exists, and nothing else does. */
const documented = {
  meta: { type: "problem", schema: [] },
  create(context) {
    const from = placed(context.filename)
    if (from === undefined || posix.basename(from.place) === "index") return {}
    const all = publicNames(context.filename.replaceAll("\\", "/").slice(0, -`/src/${from.place}.ts`.length))
    if (all.size === 0) return {}
    const names = all.get(from.place)
    const isPublic = (name) => names !== undefined && (names.has("*") || names.has(name))

    const docOf = (node) =>
      context.sourceCode
        .getCommentsBefore(node)
        .findLast((comment) => comment.type === "Block" && comment.value.startsWith("*"))?.value ?? ""
    const overloads = new Set()
    const check = (node, name) => {
      const doc = docOf(node)
      if (doc.includes("@internal")) return
      for (const tag of ["@category", "@since"]) {
        if (isPublic(name) && !doc.includes(tag))
          context.report({ node, message: `The public export ${name} lacks ${tag}.` })
        if (!isPublic(name) && doc.includes(tag))
          context.report({ node, message: `${name} is not exported by the package, and needs no ${tag}.` })
      }
    }
    return {
      Program(node) {
        if (names !== undefined) return
        for (const { type, value } of context.sourceCode.getAllComments())
          if (type === "Block" && /@since/.test(value))
            return context.report({
              node,
              message: `Nothing of ${from.place} is exported by the package: it needs no @since.`
            })
      },
      ExportNamedDeclaration(node) {
        if (node.declaration === null) {
          for (const specifier of node.specifiers) check(specifier, specifier.exported.name)
          return
        }
        const declaration = node.declaration
        const name = declaration.id?.name ?? declaration.declarations?.[0]?.id.name ?? "here"
        // Overloads are documented once, on the first.
        if (overloads.has(name)) return
        if (declaration.type === "TSDeclareFunction") overloads.add(name)
        check(node, name)
      }
    }
  }
}

/** Time is a service in the core: tests drive it. */
const noWallClock = {
  meta: { type: "problem", schema: [] },
  create(context) {
    if (placeOf(context.filename) === undefined) return {}
    const report = (node) =>
      context.report({ node, message: "Use Clock or Effect.sleep, so that TestClock can drive it." })
    return {
      "MemberExpression[object.name='Date'][property.name='now']": report,
      "MemberExpression[object.name='performance'][property.name='now']": report,
      "NewExpression[callee.name='Date'][arguments.length=0]": report,
      "CallExpression[callee.name=/^set(Timeout|Interval)$/]": report,
      "MemberExpression[object.name='globalThis'][property.name=/^(setTimeout|setInterval|performance|Date)$/]":
        report
    }
  }
}

/** Fibers are started, watched and interrupted in one place, which has a contract with Effect's runtime. */
const fibersHome = {
  meta: { type: "problem", schema: [] },
  create(context) {
    const place = placeOf(context.filename)
    if (place === undefined || place === "internal/Fibers") return {}
    const report = (node) =>
      context.report({
        node,
        message: `Use internal/Fibers for ${node.property.name}: the contract is there.`
      })
    return {
      "MemberExpression[object.name='Effect'][property.name=/^run(Fork|Callback)/]": report,
      "MemberExpression[object.name='Fiber'][property.name='getCurrent']": report,
      "MemberExpression[property.name=/^(pollUnsafe|addObserver|interruptUnsafe)$/]": report
    }
  }
}

export default {
  meta: { name: "house" },
  rules: { map, documented, "no-wall-clock": noWallClock, "fibers-home": fibersHome }
}
