// What every item of every ticker of a page does in every frame: test_motion.py loads it into its pages.
//
// `watchMotion()` begins to look; `frames()` of what it returns are those seen so far, and `end()` tells of each ticker:
//   frames, wraps, updates, grown  how often something happened at all
//   jump      px by which an item in sight left its neighbours: they are judged against the median of those in sight
//   slip      px by which that median left what the clock of the page's animations says
//   hold      px by which even the steadiest item in sight left it
//   resized   px by which an item in sight became wider or narrower
//   hole, overlap  px of the viewport that no item covers, and of items that cover each other
//   spill     px by which text in sight reaches over the edge of its item
//   speed     px per second, to the right
//   worst     what the largest jump was

"use strict";

globalThis.watchMotion = () => {
  const watched = [...document.querySelectorAll("currency-ticker")].map((ticker) => new Watched(ticker));
  const faults = [];
  const frames = new Frames(() => {
    try {
      watched.forEach((each) => each.look());
    } catch (error) {
      faults.push(error);
    }
  });
  return {
    frames: () => Math.min(...watched.map((each) => each.facts.frames)),
    end() {
      frames.end();
      if (faults.length) throw faults[0];
      return watched.map((each) => each.tell());
    },
  };
};

// Calls `look` once in every frame, when all older observers of sizes had their turn: what stands then is painted.
class Frames {
  #node = document.body.appendChild(document.createElement("div"));
  #frame = 0;
  #observer;

  constructor(look) {
    this.#node.style = "position: fixed; visibility: hidden; height: 0";
    this.#observer = new ResizeObserver(look);
    this.#observer.observe(this.#node);
    this.#next();
  }

  #next() {
    this.#node.style.width = this.#node.style.width === "1px" ? "2px" : "1px";
    this.#frame = requestAnimationFrame(() => this.#next());
  }

  end() {
    cancelAnimationFrame(this.#frame);
    this.#observer.disconnect();
    this.#node.remove();
  }
}

// The clock that positions follow: that of the frame, or in WebKit the wall's.
const clock = /Chrome|Firefox/.test(navigator.userAgent)
  ? () => document.timeline.currentTime
  : () => performance.now();

class Watched {
  facts = {
    frames: 0, wraps: 0, updates: 0, grown: 0,
    jump: 0, slip: 0, hold: 0, resized: 0, hole: 0, overlap: 0, spill: 0,
    worst: null,
  };
  #moved = 0;
  #milliseconds = 0;
  #before = null;
  #recent = [];

  constructor(ticker) {
    this.ticker = ticker;
    this.viewport = ticker.shadowRoot.querySelector("[part~=viewport]");
    ticker.addEventListener("ticker-quote", () => this.facts.updates++);
  }

  tell() {
    return { ...this.facts, speed: (this.#moved / this.#milliseconds) * 1000 };
  }

  look() {
    const after = this.#picture();
    if (!after) return;
    this.#cover(after.view, after.items);
    if (this.#before) this.#compare(this.#before, after);
    this.#before = after;
  }

  // Where everything is at one moment. WebKit moves its answers on with the wall clock, also within a frame.
  #picture() {
    const nodes = [...this.viewport.querySelectorAll("li")];
    if (!nodes.length) return null;
    const length = box(nodes[0].parentNode).width;
    const view = box(this.viewport);
    for (let tries = 0; tries < 50; tries++) {
      const now = clock();
      const items = nodes.map(box);
      if (box(nodes[0]).left === items[0].left) return { now, view, items, length };
    }
    return null;
  }

  // px per second to the right, the newest first; a change of the attributes may take effect with the next writing.
  #speeds(now) {
    const right = (getComputedStyle(this.viewport).direction === "rtl") !== (this.ticker.direction === "reverse");
    this.#recent.unshift({ now, speed: (right ? 1 : -1) * (Number(this.ticker.speed) || 50) });
    this.#recent = this.#recent.filter((each, index) => index < 2 || now - each.now < 1000);
    return this.#recent.map(({ speed }) => speed);
  }

  #compare(before, after) {
    this.facts.grown += Math.abs(after.length - before.length) > 0.5;
    const ways = this.#speeds(after.now).map((speed) => (speed * (after.now - before.now)) / 1000);
    const way = ways[0];
    const median = middle(pairs(before, after, way).map(({ off }) => off));
    if (median === undefined) return;
    // Only now it is certain which items were to stay in sight.
    const stayed = pairs(before, after, way + median);
    this.facts.frames++;
    this.facts.wraps += stayed.some(({ was, is }) => was.node !== is.node);
    this.#moved += way + median;
    this.#milliseconds += after.now - before.now;
    const outside = (moved) => Math.max(Math.min(...ways) - moved, moved - Math.max(...ways));
    this.#most("slip", outside(way + median));
    this.#most("hold", Math.min(...stayed.map(({ off }) => outside(way + off + median))));
    for (const each of stayed) this.#judge(each, after.view);
  }

  #judge({ was, is, off }, view) {
    const jump = Math.abs(off);
    if (jump > this.facts.jump) {
      this.facts.worst = { symbol: was.symbol, off, left: was.left - view.left, text: is.node.textContent };
    }
    this.#most("jump", jump);
    // An edge that is out of sight may move.
    const whole = is.left > view.left && is.right < view.right;
    if (whole) this.#most("resized", Math.abs(is.width - was.width));
  }

  #cover(view, items) {
    const seen = items.filter(({ left, right }) => inside(view, left, right));
    let reached = view.left;
    for (const item of seen.sort((one, other) => one.left - other.left)) {
      this.#most("hole", item.left - reached);
      if (reached > view.left) this.#most("overlap", reached - item.left);
      reached = item.right;
    }
    this.#most("hole", view.right - reached);
    // It is a third of the work, and what is too long stays so for more than a few frames.
    if (this.facts.frames % 8 === 0) for (const item of seen) this.#fit(item);
  }

  #fit({ node }) {
    for (const part of node.querySelectorAll("[part~=price], [part~=change], [part~=mark]")) {
      const { right, width } = box(part);
      // A mark of nothing has no place.
      if (width) this.#most("spill", right - box(node).right);
    }
  }

  #most(fact, value) {
    if (value > this.facts[fact]) this.facts[fact] = value;
  }
}

function box(node) {
  const { left, right, width } = node.getBoundingClientRect();
  return { node, left, right, width, symbol: node.dataset.symbol };
}

const inside = (view, left, right) => right > view.left + 1 && left < view.right - 1;

const middle = (numbers) => numbers.sort((one, other) => one - other)[numbers.length >> 1];

// The items that are in sight, and are to be so after they moved `way`; where they are now, and by how much that is off.
function pairs(before, after, way) {
  return before.items
    .filter(({ left, right }) => inside(before.view, left, right) && inside(after.view, left + way, right + way))
    .map((was) => ({ was, is: nearest(after.items, was.symbol, was.left + way) }))
    .filter(({ is }) => is)
    .map(({ was, is }) => ({ was, is, off: is.left - was.left - way }));
}

// A loop that begins anew shows the same with other nodes. Nothing where the symbol is gone from the line.
function nearest(items, symbol, left) {
  const distance = (item) => Math.abs(item.left - left);
  return items
    .filter((item) => item.symbol === symbol)
    .sort((one, other) => distance(one) - distance(other))[0];
}
