/** Builds statements that give the query planners of SQLite and PostgreSQL stable statistics. */

/**
 * Names of the tables that this software creates. An app that uses the service may have its own tables in the service's SQLite
 * file. The statistics of the app's tables must not change.
 */
const TABLES = `'announced_access', 'customer_links', 'customers', 'disputes', 'hook_handlers', 'inbox', 'invoices', 'lanes',
  'operations', 'outbox', 'payment_methods', 'prices', 'products', 'queue_lanes', 'refunds', 'replicas', 'subscription_items',
  'subscriptions', 'tasks'`;
const MANY = 1_000_000;
const FEW = 10;

/**
 * Returns SQL statements that write fixed statistics for every index. Without statistics SQLite assumes that a condition on
 * `mode` selects ten rows, and then reads all rows of a mode. The fixed statistics say that a condition on `mode` selects all
 * rows and a condition on an id selects few. A migration step that adds an index must run the statements for fixed statistics
 * again.
 *
 * @see https://sqlite.org/queryplanner-ng.html#howtofix
 */
export function sqliteStatistics(): string[] {
  return [
    // In SQLite, analyzing any table creates the table `sqlite_stat1`. The smallest table, `tollkeeper_migrations`, is the
    // fastest to analyze.
    `analyze tollkeeper_migrations`,
    `delete from sqlite_stat1 where tbl in (${TABLES})`,
    `insert into sqlite_stat1 (tbl, idx, stat)
      select t.name, i.name, '${MANY}' || (
        select group_concat(
          case
            when c.name in ('mode', 'kind', 'queue', 'owner_kind') then ' ${MANY}'
            when i."unique" and c.seqno = (select max(seqno) from pragma_index_info(i.name)) then ' 1'
            else ' ${FEW}'
          end, '' order by c.seqno)
        from pragma_index_info(i.name) as c)
      from sqlite_schema as t, pragma_index_list(t.name) as i
      where t.type = 'table' and t.name in (${TABLES})`,
    `analyze sqlite_schema`,
  ];
}

const CHANGING_COLUMNS = [
  ["inbox", "state"],
  ["outbox", "state"],
  ["queue_lanes", "queue"],
  ["queue_lanes", "due_at"],
  ["queue_lanes", "leased_until"],
] as const;

/**
 * Returns statements that disable PostgreSQL's statistics for the columns of queues that change all the time. PostgreSQL's
 * statistics about columns that change all the time are soon outdated. With outdated statistics, PostgreSQL would read all
 * processed rows to find the due rows. Without statistics PostgreSQL assumes that few rows match a condition.
 *
 * @see https://www.postgresql.org/docs/current/planner-stats.html
 */
export function queueStatistics(): string[] {
  return CHANGING_COLUMNS.map(([table, column]) => `alter table ${table} alter column ${column} set statistics 0`);
}
