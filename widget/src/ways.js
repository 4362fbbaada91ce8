// @ts-check
/** The ways to a server's stream, the best first: a WebSocket, Server-Sent Events, and asking again and again. */

/** @typedef {import("./stream.js").Frame} Frame */

/**
 * @callback Way open it; whoever closes it hears no more
 * @param {string} server
 * @param {string} query
 * @param {(frame: Frame | null) => void} hear null: what came is no frame
 * @param {(code?: number) => void} lost with the close code, if there was one
 * @returns {() => void} close
 */

const POLL_MS = 20_000;
/** The server does not understand the address, as when one of the symbols is unknown to it. */
export const BAD_REQUEST = 4400;

/** @type {Way} */
function socket(server, query, hear, lost) {
  const socket = new WebSocket(`${server.replace(/^http/, "ws")}/v1/stream?${query}`);
  socket.onmessage = ({ data }) => hear(decode(data));
  socket.onclose = ({ code }) => lost(code);
  // What the page's policy forbids is never closed in Chromium.
  socket.onerror = () => socket.onclose?.(/** @type {any} */ ({}));
  return () => {
    socket.onmessage = socket.onclose = null;
    // Closing a socket that is not open yet writes an error on the page's console.
    if (socket.readyState) socket.close();
    else {
      socket.onopen = () => socket.close();
      setTimeout(socket.onopen, 999);
    }
  };
}

/** @type {Way} */
function events(server, query, hear, lost) {
  const source = new EventSource(`${server}/v1/events?${query}`);
  source.onmessage = ({ data }) => hear(decode(data));
  // It would come back by itself, but not with our back-off, nor another way.
  source.onerror = () => lost();
  return () => source.close();
}

/** @type {Way} */
function polling(server, query, hear, lost) {
  const abort = new AbortController();
  const { signal } = abort;
  let before = "";
  const ask = async () => {
    try {
      const answer = await fetch(`${server}/v1/quotes?${query}`, { signal, cache: "no-cache" });
      if (!answer.ok) return lost(answer.status === 400 ? BAD_REQUEST : 0);
      const text = await answer.text();
      // It brings everything, also where nothing is new.
      hear({ ...(text === before || JSON.parse(text)), type: "snapshot", time: timeOf(answer) });
      before = text;
      setTimeout(() => signal.aborted || ask(), POLL_MS * (0.75 + Math.random() / 2));
    } catch {
      if (!signal.aborted) lost();
    }
  };
  ask();
  return () => abort.abort();
}

/**
 * The server's time in ms since 1970, also where a cache has kept its answer; NaN if it does not tell.
 *
 * @param {Response} answer
 */
const timeOf = ({ headers }) => Date.parse(headers.get("Date") ?? "") + 1000 * +(headers.get("Age") ?? 0);

export const WAYS = [socket, events, polling];

/**
 * @param {any} data text, as every frame of ours
 * @returns {Frame | null}
 */
function decode(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
