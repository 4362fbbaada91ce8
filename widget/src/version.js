// @ts-check

/** What a script was built from: build.js writes a hash here of all that scripts of one page share. */
export const VERSION = "";
