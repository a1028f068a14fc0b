/**
 * Private servers for tests and benchmarks: each lives in a temporary folder, on a loopback port of its own,
 * until its scope closes.
 */
export { postgres, type PostgresOptions } from "./Postgres.ts"
export { redis, type RedisOptions } from "./Redis.ts"
export { missing, type Server, ServerMissing } from "./Server.ts"
