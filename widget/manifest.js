/**
 * Describe the elements in custom-elements.json, for editors and documentation: `npm run manifest`.
 *
 * Everything in it is from the declarations in types/. The paths are those of the modules.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { create, ts } from "@custom-elements-manifest/analyzer";

const here = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({ options: { outfile: { type: "string", default: join(here, "custom-elements.json") } } });

const modules = ["common", "ticker", "board"].map(async (name) => {
  const path = `types/${name}.d.ts`;
  return ts.createSourceFile(path, await readFile(join(here, path), "utf8"), ts.ScriptTarget.ES2022, true);
});
const manifest = create({ modules: await Promise.all(modules), plugins: [] });
for (const { members = [] } of manifest.modules.flatMap(({ declarations }) => declarations)) {
  // The listeners are every element's.
  members.splice(0, members.length, ...members.filter(({ kind }) => kind === "field"));
}
const text = JSON.stringify(manifest, null, 2).replace(/types\/(ticker|board)\.d\.ts/g, "modules/$1.js");
await writeFile(values.outfile, `${text}\n`);
