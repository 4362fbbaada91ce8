// @ts-check
/** What a server that renders pages has in place of the browser's class; build.js puts it into the package's modules. */

export const HTMLElement = globalThis.HTMLElement ?? class {};
