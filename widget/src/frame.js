// @ts-check
// Keeps `/v1/line.html` current. It stands in that page as it is, so it is short.
(() => {
  const AGAIN_MS = 25000;
  const PATIENCE_MS = 15000;
  /** By how much the server's clock is ahead of the reader's; unknown at first. */
  let ahead = NaN;
  let asking = false;

  /**
   * What does not differ stays, with its focus and its place.
   *
   * @param {Node} shown
   * @param {Node} told what it is to be
   */
  function follow(shown, told) {
    if (shown.isEqualNode(told)) return;
    const [ours, theirs] = [[...shown.childNodes], [...told.childNodes]];
    if (shown.nodeName !== told.nodeName || ours.length !== theirs.length) {
      shown.parentNode?.replaceChild(told, shown);
    } else if (shown instanceof Element) {
      for (const { name, value } of /** @type {Element} */ (told).attributes) shown.setAttribute(name, value);
      ours.forEach((each, index) => follow(each, theirs[index] ?? each));
    } else shown.nodeValue = told.nodeValue;
  }

  /** Show as outdated what is late by the server's clock, also while the server does not answer. */
  function age() {
    for (const late of document.querySelector("template")?.content.children ?? []) {
      const item = /** @type {HTMLElement} */ (late.cloneNode(true));
      const { due = "", symbol } = item.dataset;
      delete item.dataset.due;
      const shown = document.querySelector(`[data-symbol="${symbol}"]`);
      if (shown && Date.parse(due) <= Date.now() + ahead) follow(shown, item);
    }
  }

  /** @param {Document} told the same page, newer */
  function take(told) {
    const [shown, main] = [document, told].map((page) => page.querySelector("main"));
    const [late, template] = [document, told].map((page) => page.querySelector("template"));
    const [ours, theirs] = [document, told].map((page) => page.querySelector("style")?.textContent);
    if (!shown || !main || !late || !template) return;
    late.replaceWith(template);
    // Another version of the service has another style.
    if (ours === theirs) follow(shown, main);
    else location.reload();
  }

  async function again() {
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE_MS) });
      const text = await answer.text();
      if (answer.ok) {
        ahead = Date.parse(answer.headers.get("Date") ?? "") + 1000 * +(answer.headers.get("Age") ?? 0) - Date.now();
        take(new DOMParser().parseFromString(text, "text/html"));
      }
    } catch {
      // The last figures stay.
    }
    asking = false;
    age();
  }

  setInterval(again, AGAIN_MS);
  document.addEventListener("visibilitychange", again);
})();
