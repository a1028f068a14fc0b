// The map of packages/lemmings/src: which module may import which. Every file of the core stands
// here, or in a folder named here; a new module is put on the map first.

/**
 * The bands, highest first. A module may import the modules of any band below its own, and `internal`.
 * Siblings do not import each other, except in a band with `siblings: true`.
 */
const bands = [
  { modules: ["index"] },
  { modules: ["HerdMain"] },
  { modules: ["Lemmings"] },
  { modules: ["Herd", "ResourcePool"] },
  { modules: ["HerdLive", "Parts"] },
  { modules: ["Submit", "Shutdown", "Report", "Inspect", "Sizing", "Loan", "PoolMetrics"] },
  { modules: ["Batch"] },
  { modules: ["TaskRun"] },
  { modules: ["TaskTimers", "TaskFiber"] },
  { modules: ["TaskLeak"] },
  { modules: ["TaskRuntime", "TaskTrace", "TaskNews", "TaskExtra", "Outcome"] },
  { modules: ["TaskLimits"] },
  { modules: ["Supervisor", "Retry", "FiberPool"] },
  { modules: ["Workers", "ScalingPolicy", "ScalingSampler"] },
  { modules: ["ScalingCapacity"] },
  { modules: ["ScalingLaws", "ScalingUtilization"] },
  { modules: ["ScalingCombinators"] },
  { modules: ["WorkerStart"] },
  { modules: ["Upkeep", "PulledMetrics", "Worker"] },
  { modules: ["TaskQueue", "Resources", "Timers", "ScalingModel", "HerdRegistry", "QueueRegistry"] },
  {
    modules: [
      "HerdConfig",
      "HerdError",
      "HerdEvent",
      "HerdStats",
      "HerdTasks",
      "RemoteTask",
      "SystemMetrics",
      "Task"
    ],
    siblings: true
  }
]

/**
 * `internal` imports nothing of ours but itself. `testing` imports the whole core, and nothing in the core
 * imports `testing`.
 */
const folders = { internal: [], testing: ["core", "internal"] }

/** What the core may import from packages: Effect, without the parts that open sockets. */
const packages = {
  allowed: /^effect(\/|$)/,
  refused: /^effect\/http(-|\/|$)/,
  says: "effect (no node:*, effect/http*, @effect/*, @lemmings/*)"
}

/** The map of packages/lemmings/src. */
export const core = { bands, folders, packages, edges: {} }

/**
 * The same for packages/control/src. Its HTTP is Effect's; only `Control` knows the platform.
 */
export const control = {
  bands: [
    { modules: ["index"] },
    { modules: ["Control", "ControlClient"] },
    { modules: ["ControlRoutes"] },
    { modules: ["Handlers"] },
    { modules: ["QueueHandlers", "Guard", "DashboardPage", "Prometheus"] },
    { modules: ["Frames", "EventLog", "Access", "ControlApi", "Closing"] },
    { modules: ["Wire", "ProcessMetrics", "Queues", "QueueApi"] },
    { modules: ["ControlMiddleware"] },
    { modules: ["ControlModel", "ControlError", "Settings"] }
  ],
  folders: {},
  packages: { allowed: /^(effect|lemmings)(\/|$)/, refused: /^$/, says: "effect and lemmings" },
  /** What one module may import beside that. */
  edges: { Control: /^(@effect\/platform-node|node:http)$/ }
}

/**
 * The same for packages/threads/src. What a thread starts with imports nothing of Effect, and what declares tasks only
 * single modules of it, because a thread that imports all of Effect starts 200 ms later.
 */
export const threads = {
  bands: [
    { modules: ["index"] },
    { modules: ["ThreadHerd"] },
    { modules: ["Inline", "Thread"] },
    { modules: ["Host", "Reply", "Crashes", "ThreadTasks", "worker"] },
    { modules: ["ThreadTask"] },
    { modules: ["ThreadError", "Serving", "Origin"] },
    { modules: ["Lookout"] },
    { modules: ["Wire"] }
  ],
  folders: {},
  packages: { allowed: /^(effect|lemmings)(\/|$)/, refused: /^$/, says: "effect and lemmings" },
  edges: {
    ThreadHerd: /^node:(fs|os|worker_threads)$/,
    Thread: /^node:worker_threads$/,
    Host: /^node:(child_process|stream|url|worker_threads)$/,
    Serving: /^node:worker_threads$/,
    // A type: the port is in what a thread starts with.
    Wire: /^node:worker_threads$/
  }
}

/**
 * The same for packages/durable/src. Only what is below `JobStores` knows pg-boss and PGlite.
 */
export const durable = {
  bands: [
    { modules: ["index"] },
    { modules: ["Jobs"] },
    { modules: ["Job"] },
    { modules: ["JobWorkers"] },
    { modules: ["QueueRegistration"] },
    { modules: ["QueueMetrics", "JobEnd"] },
    { modules: ["Puller"] },
    { modules: ["JobStores", "JobStoreMemory", "JobDefinition"] },
    { modules: ["JobStorePgBoss", "EmbeddedUpkeep", "DirectoryLock", "MemoryLine"] },
    { modules: ["PgBossEngine", "PgBossRow"] },
    { modules: ["PgBossSql", "Pull", "Signal", "Gate", "JobTrace", "JobStore", "Housekeeping"] },
    { modules: ["PgBossLimits", "Limits", "JobError"] }
  ],
  folders: {},
  packages: { allowed: /^(effect|lemmings)(\/|$)/, refused: /^$/, says: "effect and lemmings" },
  edges: {
    JobStores: /^(@electric-sql\/pglite|pg-boss|node:path)$/,
    JobStorePgBoss: /^pg-boss$/,
    PgBossRow: /^pg-boss$/,
    PgBossEngine: /^pg-boss$/,
    PgBossSql: /^node:crypto$/,
    JobDefinition: /^node:crypto$/,
    DirectoryLock: /^node:(fs|path|sqlite)$/
  }
}
