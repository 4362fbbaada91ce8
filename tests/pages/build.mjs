/**
 * Bundle the pages of real frameworks into a directory: `node tests/pages/build.mjs DIRECTORY`.
 *
 * Of each framework that renders on a server there are NAME.js, its program in the page, and NAME.html, what its server
 * says first. The others are NAME.js alone. The packages are the widget's devDependencies; Astro's router is read from
 * its package without the rest, as its compiler and server take 150 MB more, and a newer Node than the tests need.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const modules = join(here, "../../widget/node_modules");
const [outdir] = process.argv.slice(2);
const require = createRequire(join(modules, "from-here.js"));
const { build } = require("esbuild");
const { compile } = await import(join(modules, "svelte/src/compiler/index.js"));

const svelte = (generate) => ({
  name: "svelte",
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      const { js } = compile(readFileSync(path, "utf8"), { generate, dev: generate === "client", filename: path });
      return { contents: js.code };
    });
  },
});

const ASTRO = "astro@7.3.5";

const flags = {
  "process.env.NODE_ENV": '"development"',
  __VUE_OPTIONS_API__: "true",
  __VUE_PROD_DEVTOOLS__: "false",
  __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true",
};
const common = { bundle: true, nodePaths: [modules], jsx: "automatic", logLevel: "error", define: flags };
const react = (version) => ({
  hooks: join(modules, `react${version}`),
  react: join(modules, `react${version}`),
  "react-dom": join(modules, `react-dom${version}`),
});

/** The frameworks that render on a server, and what differs from one to the next. */
const FRAMEWORKS = {
  "react-18": { file: "react", alias: react("-18") },
  "react-19": { file: "react", alias: react("") },
  preact: { file: "preact", jsxImportSource: "preact", alias: { hooks: "preact/hooks" } },
  vue: { file: "vue", alias: { vue: "vue/dist/vue.esm-bundler.js" }, server: {} },
  svelte: { file: "svelte" },
};

async function framework(name, { file, server = null, ...options }) {
  const entry = (kind) => ({ [name]: join(here, `${file}-${kind}.jsx`) });
  const client = { ...common, ...options, entryPoints: entry("client"), outdir, plugins: [svelte("client")] };
  await build({ ...client, format: "iife", conditions: ["development"] });
  const other = { ...common, ...options, alias: server ? {} : options.alias };
  const plugins = [svelte("server")];
  const out = { outdir: join(outdir, "server"), outExtension: { ".js": ".cjs" }, platform: "node", format: "cjs" };
  await build({ ...other, ...out, entryPoints: entry("server"), plugins });
  writeFileSync(join(outdir, `${name}.html`), await require(join(outdir, "server", `${name}.cjs`)).html);
}

/** The script of Astro's own `<ClientRouter />`, with what its build puts in place. */
async function astro() {
  const cache = join(modules, ".cache");
  const archive = join(cache, `${ASTRO.replace("@", "-")}.tgz`);
  mkdirSync(cache, { recursive: true });
  mkdirSync(join(outdir, "astro"));
  if (!existsSync(archive)) execFileSync("npm", ["pack", "--silent", ASTRO], { cwd: cache });
  execFileSync("tar", ["xzf", archive, "-C", join(outdir, "astro")]);
  const root = join(outdir, "astro/package");
  const component = readFileSync(join(root, "components/ClientRouter.astro"), "utf8");
  const script = component.split("<script>")[1].split("</script>")[0];
  const virtual = {
    name: "virtual",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^virtual:astro:/ }, ({ path }) => ({ path, namespace: "virtual" }));
      onLoad({ filter: /.*/, namespace: "virtual" }, () => ({ contents: "export const internalFetchHeaders = {}" }));
    },
  };
  const alias = {
    "astro:transitions/client": join(root, "dist/virtual-modules/transitions-router.js"),
    "astro/virtual-modules/prefetch.js": join(root, "dist/virtual-modules/prefetch.js"),
  };
  const define = {
    "import.meta.env.SSR": "false",
    "import.meta.env.DEV": "false",
    __PREFETCH_DISABLED__: "true",
    __PREFETCH_PREFETCH_ALL__: "false",
    __PREFETCH_DEFAULT_STRATEGY__: '"hover"',
    __EXPERIMENTAL_CLIENT_PRERENDER__: "false",
  };
  const stdin = { contents: script, loader: "ts", resolveDir: root };
  const options = { format: "iife", outfile: join(outdir, "astro.js"), plugins: [virtual] };
  await build({ ...common, ...options, alias, define, stdin });
}

/** As pages get them from a CDN. */
const SCRIPTS = {
  turbo: "@hotwired/turbo/dist/turbo.es2017-umd.js",
  "htmx-2": "htmx.org/dist/htmx.min.js",
  "htmx-4": "htmx-4/dist/htmx.min.js",
  "jquery-3": "jquery-3/dist/jquery.min.js",
  "jquery-4": "jquery/dist/jquery.min.js",
};

for (const [name, path] of Object.entries(SCRIPTS)) {
  writeFileSync(join(outdir, `${name}.js`), readFileSync(join(modules, path)));
}
await Promise.all([astro(), ...Object.entries(FRAMEWORKS).map(([name, options]) => framework(name, options))]);
