/**
 * Build src/ into dist/, or into another directory: `npm run build -- --outdir=/tmp/dist`.
 *
 * The bytes do not depend on the directory (the source map speaks of dist/ in any case), so that
 * the test run can build elsewhere and compare.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { build, transform } from "esbuild";

const { values } = parseArgs({ options: { outdir: { type: "string" } } });
const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = values.outdir ?? join(here, "dist");

/** The style sheet is a template literal in a module, where esbuild would not minify it. */
const minifyStyle = {
  name: "minify-style",
  setup(/** @type {import("esbuild").PluginBuild} */ { onLoad }) {
    onLoad({ filter: /src\/style\.js$/ }, async ({ path }) => {
      const { STYLE } = await import(pathToFileURL(path).href);
      const { code } = await transform(STYLE, { loader: "css", minify: true, target: "es2022" });
      return { contents: `export const STYLE = ${JSON.stringify(code.trim())};` };
    });
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { ticker: "src/main.js", page: "src/page.js" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  sourcemap: true,
  write: false,
  plugins: [minifyStyle],
});

await mkdir(outdir, { recursive: true });
for (const file of result.outputFiles) {
  await writeFile(join(outdir, basename(file.path)), file.contents);
}
