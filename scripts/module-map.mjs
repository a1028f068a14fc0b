// The rooms of the packages: which may import which. A new room is put on the map first.

/**
 * The rooms of one package, highest first. A room is a folder of `src`, or a module that stands in `src` itself. A room may
 * import every room below it. The files of one room may import each other, without cycles.
 *
 * `packages`: what a package may import from others. `edges`: what single modules may import beside that.
 */

/** packages/lemmings/src: Effect, without the parts that open sockets. */
export const core = {
  rooms: [
    "testing",
    "index",
    "HerdMain",
    "Lemmings",
    "herd",
    "observe",
    "task",
    "dispatch",
    "flow",
    "scaling",
    "workers",
    "registry",
    "model",
    "internal"
  ],
  packages: {
    allowed: /^effect(\/|$)/,
    refused: /^effect\/http(-|\/|$)/,
    says: "effect (no node:*, effect/http*, @effect/*, @lemmings/*)"
  },
  edges: {}
}

/** packages/control/src. Its HTTP is Effect's; only `Control` and its sockets know the platform. */
export const control = {
  rooms: [
    "index",
    "Control",
    "ControlClient",
    "routes",
    "handlers",
    "frames",
    "conditions",
    "access",
    "api",
    "model"
  ],
  packages: { allowed: /^(effect|lemmings)(\/|$)/, refused: /^$/, says: "effect and lemmings" },
  edges: { Control: /^@effect\/platform-node$/, "access/Connections": /^node:(http|net)$/ }
}

/**
 * packages/threads/src. What a thread starts with imports nothing of Effect, and what declares tasks only single modules
 * of it, because a thread that imports all of Effect starts 200 ms later.
 */
export const threads = {
  rooms: ["index", "herd", "thread", "task", "wire"],
  packages: { allowed: /^(effect|lemmings)(\/|$)/, refused: /^$/, says: "effect and lemmings" },
  edges: {
    "herd/ThreadHerd": /^node:(fs|os|v8|worker_threads)$/,
    "herd/ChildOptions": /^node:worker_threads$/,
    "herd/Thread": /^node:worker_threads$/,
    "herd/Host": /^node:(child_process|stream|worker_threads)$/,
    "thread/Serving": /^node:worker_threads$/,
    "thread/child": /^node:(url|worker_threads)$/,
    "thread/watchdog": /^node:net$/,
    "wire/Values": /^node:util$/,
    // Types: the port, and what can be moved, are in what a thread starts with.
    "wire/Wire": /^node:worker_threads$/
  }
}

/** packages/durable/src. Only `pgboss` and two stores know pg-boss and PGlite: they are loaded with their layer. */
export const durable = {
  rooms: ["cli", "index", "Admin", "Jobs", "Job", "work", "job", "store", "pgboss", "port"],
  packages: { allowed: /^(effect|lemmings)(\/|$)/, refused: /^$/, says: "effect and lemmings" },
  edges: {
    cli: /^node:util$/,
    "store/EmbeddedStore": /^(@electric-sql\/pglite|pg-boss)$/,
    "store/EmbeddedBackup": /^node:fs$/,
    "pgboss/JobStorePgBoss": /^pg-boss$/,
    "pgboss/PgBossRow": /^pg-boss$/,
    "pgboss/PgBossEngine": /^pg-boss$/,
    "pgboss/PgBossMigrate": /^pg-boss$/,
    "pgboss/PgBossSql": /^node:crypto$/,
    "pgboss/PgBossInstall": /^node:crypto$/,
    "job/JobDefinition": /^node:crypto$/,
    "pgboss/EmbeddedDirectory": /^node:(fs|path)$/,
    "pgboss/DirectoryLock": /^node:(fs|path|sqlite)$/
  }
}
