/** Defines the kinds of database on which the store runs. */
export type Dialect = "sqlite" | "postgres";
