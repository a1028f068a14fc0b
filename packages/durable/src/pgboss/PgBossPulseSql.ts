/**
 * The pulse of a database: one row that every process writes three times in a lease. It says that the database takes what is
 * written, and since when it does without a gap.
 *
 * **Details**
 *
 * While a database is away, stands still, is full or read-only, nobody can renew a lease. When it is back, a sweep may be the
 * first statement that it sees, also one that was sent before. So the sweep asks the database itself: leases are ended only
 * where the pulse has gone on for a whole lease. No process needs to know what the others have seen, and no clock but that of the
 * database is read.
 */

/** The statements, for one schema. */
export const statements = (schema: string) => {
  const pulse = `${schema}.lemmings_pulse`
  const now = `${schema}.job_now()`
  // Two beats: one may be late.
  const gap = (lease: string) => `${lease}::float8 * interval '1ms' * 2 / 3`
  return {
    install: `CREATE TABLE IF NOT EXISTS ${pulse} (
      id boolean PRIMARY KEY DEFAULT true CHECK (id), at timestamptz NOT NULL, back_at timestamptz NOT NULL);
    INSERT INTO ${pulse} (at, back_at) VALUES (${now}, ${now}) ON CONFLICT DO NOTHING;`,
    /** $1 lease in milliseconds. */
    beat: `UPDATE ${pulse} SET at = ${now}, back_at = CASE WHEN at < ${now} - ${gap("$1")} THEN ${now} ELSE back_at END`,
    /** Whether the pulse has gone on for a lease. */
    steady: (lease: string) => `EXISTS (SELECT FROM ${pulse} p
          WHERE p.at > ${now} - ${gap(lease)} AND p.back_at < ${now} - ${lease}::float8 * interval '1ms')`
  }
}
