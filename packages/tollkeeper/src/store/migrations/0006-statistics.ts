/**
 * SQLite plans without numbers as if a mode narrowed a table down to ten rows, and then reads all of it. It is told what is
 * true of every table here: a mode narrows nothing, and an id nearly everything. (PostgreSQL counts by itself.)
 * @see https://sqlite.org/queryplanner-ng.html#howtofix
 */
import type { MigrationStep } from "./index.ts";

/** Ours alone: an app may have its own in the same file. */
const TABLES = `'access_grants', 'customer_links', 'customers', 'inbox', 'invoices', 'lanes', 'operations', 'outbox',
  'payment_methods', 'prices', 'products', 'queue_lanes', 'replicas', 'subscription_items', 'subscriptions', 'tasks'`;
const MANY = 1_000_000;
const FEW = 10;

/** Also to be run by a step that adds an index. */
export const STATISTICS: readonly string[] = [
  // Of the smallest table: only so that there is a table of statistics.
  `analyze tollkeeper_migrations`,
  `delete from sqlite_stat1 where tbl in (${TABLES})`,
  `insert into sqlite_stat1 (tbl, idx, stat)
    select t.name, i.name, '${MANY}' || (
      select group_concat(
        case
          when c.name in ('mode', 'kind', 'queue') then ' ${MANY}'
          when i."unique" and c.seqno = (select max(seqno) from pragma_index_info(i.name)) then ' 1'
          else ' ${FEW}'
        end, '' order by c.seqno)
      from pragma_index_info(i.name) as c)
    from sqlite_schema as t, pragma_index_list(t.name) as i
    where t.type = 'table' and t.name in (${TABLES})`,
  `analyze sqlite_schema`,
];

export const statistics: MigrationStep = {
  name: "0006-statistics",
  statements: (dialect) => (dialect === "sqlite" ? [...STATISTICS] : []),
};
