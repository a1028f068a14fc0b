/**
 * What of ours must be in the database before it can be used, and how it gets there.
 *
 * **Details**
 *
 * A release writes down what it has installed. Who finds that it is there installs nothing, and so needs no right to: one role
 * installs, and another one works. What several releases install stands side by side, because nothing is changed that an
 * older one calls: a function that does something else has another name.
 */
import { createHash } from "node:crypto"
import type { Transaction } from "../port/JobStore.ts"

/** The statements, for one schema. */
export const make = (schema: string, parts: ReadonlyArray<string>) => {
  const text = parts.join("\n")
  const digest = createHash("sha256").update(text).digest("hex")
  const installed = `${schema}.lemmings_installed`
  return {
    isThere: `SELECT to_regclass('${installed}') IS NOT NULL AS there`,
    isCurrent: `SELECT EXISTS (SELECT FROM ${installed} WHERE digest = '${digest}') AS there`,
    /** Under a lock that nobody without rights on our tables can hold: processes that start together would collide. However long it takes. */
    install: `SET LOCAL statement_timeout = 0; LOCK TABLE ${schema}.version IN SHARE ROW EXCLUSIVE MODE;
    ${text}
    CREATE TABLE IF NOT EXISTS ${installed} (digest text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
    INSERT INTO ${installed} (digest) VALUES ('${digest}') ON CONFLICT DO NOTHING;`
  }
}

export type Install = ReturnType<typeof make>

/** Installs what this release needs, where it is not there. */
export const install = async (db: Transaction, sql: Install): Promise<void> => {
  const holds = async (text: string) => {
    const { rows } = await db.executeSql(text)
    return (rows as Array<{ there: boolean }>)[0]?.there === true
  }
  if ((await holds(sql.isThere)) && (await holds(sql.isCurrent))) return
  await db.executeSql(sql.install)
}

/** What lets a role work with what is installed, and no more. */
export const grant = (schema: string, role: string): string => {
  const name = `"${role.replaceAll('"', '""')}"`
  return `GRANT USAGE ON SCHEMA ${schema} TO ${name};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${name};
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${name};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO ${name};`
}
