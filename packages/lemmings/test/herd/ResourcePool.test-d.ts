import { Context, Effect, type Layer, type Scope, type Stream } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import {
  type AcquireTimeout,
  type HerdClosed,
  type HerdEvent,
  type InvalidConfig,
  type PoolClosed,
  type PoolStats,
  type QueueFull,
  ResourcePool,
  type ResourceUnavailable,
  ScalingPolicy,
  type ShutdownReport
} from "../../src/index.ts"

interface Row {
  readonly id: number
}
interface SqlError {
  readonly _tag: "SqlError"
}
interface Web {
  readonly _tag: "Web"
}
class Secrets extends Context.Service<Secrets, string>()("app/Secrets") {}
class Audit extends Context.Service<Audit, string>()("app/Audit") {}
interface Connection {
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<Row>, SqlError, Web>
  readonly close: Effect.Effect<void>
}

class Database extends ResourcePool.Service<Database, Connection>()("app/Database") {}

declare const connection: Connection
declare const connect: Effect.Effect<Connection, "refused", Secrets | Scope.Scope>
declare const pool: ResourcePool.ResourcePool<Connection>
const borrower = (lent: Connection) => lent.query("select 1")

type BorrowError = AcquireTimeout | PoolClosed | QueueFull

describe("ResourcePool.make", () => {
  it("asks for what the callbacks need but a scope, and for the pool's scope", () => {
    expectTypeOf(ResourcePool.make("db", { onCreate: connect, size: 2 })).toEqualTypeOf<
      Effect.Effect<ResourcePool.ResourcePool<Connection>, InvalidConfig, Scope.Scope | Secrets>
    >()
    expectTypeOf(
      ResourcePool.make("db", {
        onCreate: () => Effect.succeed(connection),
        onDestroy: () => Effect.asVoid(Audit),
        validate: () => Effect.map(Secrets, (secret) => secret === ""),
        size: { min: 0, max: 2 }
      })
    ).toEqualTypeOf<
      Effect.Effect<ResourcePool.ResourcePool<Connection>, InvalidConfig, Scope.Scope | Secrets | Audit>
    >()
  })

  it("may fail to make its first resources only where it waits for them", () => {
    const onCreate = Effect.succeed(connection)
    expectTypeOf(ResourcePool.make("db", { onCreate, size: 2, start: "eager" })).toEqualTypeOf<
      Effect.Effect<ResourcePool.ResourcePool<Connection>, InvalidConfig | ResourceUnavailable, Scope.Scope>
    >()
    for (const start of ["lazy", "background"] as const) {
      expectTypeOf(ResourcePool.make("db", { onCreate, size: 2, start })).toEqualTypeOf<
        Effect.Effect<ResourcePool.ResourcePool<Connection>, InvalidConfig, Scope.Scope>
      >()
    }
  })

  it("gives the callbacks the resource that onCreate makes", () => {
    ResourcePool.make("db", {
      onCreate: Effect.succeed(connection),
      onDestroy: (lent) => {
        expectTypeOf(lent).toEqualTypeOf<Connection>()
        return lent.close
      },
      recycleWhen: (lent, usage) => {
        expectTypeOf(lent).toEqualTypeOf<Connection>()
        expectTypeOf(usage.uses).toEqualTypeOf<number>()
        return usage.ageMillis > 1000
      },
      size: 1,
      scaling: ScalingPolicy.littlesLaw(),
      acquireTimeout: "never",
      maxWaiting: "unbounded",
      onLeak: "interrupt"
    })
  })

  it("refuses what only a herd knows, and what is missing or misspelt", () => {
    const onCreate = Effect.succeed(connection)
    // @ts-expect-error the number of resources has no default
    ResourcePool.make("db", { onCreate })
    // @ts-expect-error a pool without resources
    ResourcePool.make("db", { size: 1 })
    // @ts-expect-error its own name for them is size
    ResourcePool.make("db", { onCreate, size: 1, workers: { max: 1 } })
    // @ts-expect-error its own name for it is maxWaiting
    ResourcePool.make("db", { onCreate, size: 1, queue: { capacity: 1 } })
    // @ts-expect-error spares are for runNow
    ResourcePool.make("db", { onCreate, size: 1, spares: 1 })
    // @ts-expect-error no such way
    ResourcePool.make("db", { onCreate, size: 1, reuse: "random" })
    // @ts-expect-error bounds are two
    ResourcePool.make("db", { onCreate, size: { max: 1 } })
    // @ts-expect-error validate answers with a boolean
    ResourcePool.make("db", { onCreate, size: 1, validate: () => Effect.succeed("yes") })
  })
})

describe("a pool", () => {
  it("lends with the borrower's own type, error and requirements", () => {
    expectTypeOf(pool.use(borrower)).toEqualTypeOf<
      Effect.Effect<ReadonlyArray<Row>, SqlError | BorrowError, Web>
    >()
    expectTypeOf(pool.acquire()).toEqualTypeOf<Effect.Effect<Connection, BorrowError, Scope.Scope>>()
    expectTypeOf<ResourcePool.BorrowError>().toEqualTypeOf<BorrowError>()
    expectTypeOf<Extract<ResourcePool.BorrowError, HerdClosed>>().toEqualTypeOf<never>()
  })

  it("takes a borrower's priority, key, label and time, and nothing else", () => {
    pool.use(borrower, { priority: "high", key: "acme", label: "report", acquireTimeout: "1 second" })
    // @ts-expect-error a borrower limits its own work itself
    pool.use(borrower, { timeout: "1 second" })
    // @ts-expect-error whether it is safe to repeat only the borrower knows
    pool.acquire({ retry: false })
  })

  it("speaks of itself", () => {
    expectTypeOf(pool.stats).toEqualTypeOf<Effect.Effect<PoolStats>>()
    expectTypeOf(pool.events).toEqualTypeOf<Stream.Stream<HerdEvent>>()
    expectTypeOf(pool.close({ drain: 0 })).toEqualTypeOf<Effect.Effect<ShutdownReport, InvalidConfig>>()
    expectTypeOf(pool.resize("auto")).toEqualTypeOf<Effect.Effect<void, InvalidConfig | PoolClosed>>()
    expectTypeOf(pool.evictAll()).toEqualTypeOf<Effect.Effect<number>>()
    expectTypeOf(pool.invalidate).parameter(0).toEqualTypeOf<Connection>()
    // @ts-expect-error there is no other way
    pool.evictAll("hard")
  })
})

describe("ResourcePool.Service", () => {
  it("is the key of the pool, and its ways in require it", () => {
    expectTypeOf(Effect.map(Database, (service) => service)).toEqualTypeOf<
      Effect.Effect<ResourcePool.ResourcePool<Connection>, never, Database>
    >()
    expectTypeOf(Database.use(borrower)).toEqualTypeOf<
      Effect.Effect<ReadonlyArray<Row>, SqlError | BorrowError, Web | Database>
    >()
    expectTypeOf(Database.use).parameter(0).parameter(0).toEqualTypeOf<Connection>()
    expectTypeOf(Database.useSync((service) => service)).toEqualTypeOf<
      Effect.Effect<ResourcePool.ResourcePool<Connection>, never, Database>
    >()
    // @ts-expect-error it lends a connection, and not the pool
    Database.use((service: ResourcePool.ResourcePool<Connection>) => service.stats)
    expectTypeOf(Database.acquire({ priority: 3 })).toEqualTypeOf<
      Effect.Effect<Connection, BorrowError, Scope.Scope | Database>
    >()
  })

  it("makes its layer from what the callbacks need", () => {
    expectTypeOf(Database.layer({ onCreate: connect, size: 2 })).toEqualTypeOf<
      Layer.Layer<Database, InvalidConfig, Secrets>
    >()
    expectTypeOf(
      Database.layer({ onCreate: Effect.succeed(connection), size: 2, start: "eager" })
    ).toEqualTypeOf<Layer.Layer<Database, InvalidConfig | ResourceUnavailable>>()
    // @ts-expect-error this class lends connections
    Database.layer({ onCreate: Effect.succeed("a string"), size: 2 })
  })
})
