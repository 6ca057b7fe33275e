import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test.each(globSync("packages/tollkeeper/src/store/**/*.ts"))(
  "%s: every limit is written out, since SQLite plans anew for one it is given",
  (file) => {
    const limits = readFileSync(file, "utf8").match(/\.limit\(.*|\blimit \$\{.*/g) ?? [];
    expect(limits.filter((limit) => !/atMost\(/.test(limit))).toEqual([]);
  },
);
