/**
 * Parameters of long calls: columns as Postgres's arrays. Most columns of most groups are empty; null is the shortest
 * way to say so.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Result } from "effect"

const array = (values: ReadonlyArray<unknown>, oid: number): PgTypes.Parameter | null =>
  values.length === 0 ? null : Result.getOrThrow(PgTypes.array(values, oid))

export const bigints = (values: ReadonlyArray<bigint | null>) => array(values, PgTypes.OID.int8)
export const ints = (values: ReadonlyArray<number | null>) => array(values, PgTypes.OID.int4)
export const texts = (values: ReadonlyArray<string | null>) => array(values, PgTypes.OID.text)
export const booleans = (values: ReadonlyArray<boolean>) => array(values, PgTypes.OID.bool)
export const times = (values: ReadonlyArray<number>) => array(values, PgTypes.OID.timestamptz)

/** The places of parameters from one number to another. */
export const placeholders = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, i) => `$${first + i}`).join(", ")
