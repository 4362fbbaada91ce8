// The same small application for each framework that knows JSX: three routes, of which two have a line.
//
// Each framework gives its page `begin(hydrate)`, and then `go(route)` and `pause(value)`.

/** The page's element with the switches that a framework writes as `false`, or the script of one line. */
export const routes = ({ paused, Embed }) => ({
  home: () => <currency-ticker symbols="KGS KZT" paused={paused} static={false} />,
  embed: () => <Embed />,
  about: () => <p>About</p>,
});

/** What an effect does that mounts the script of one line; it gives what unmounts it. */
export function mount(place) {
  const script = document.createElement("script");
  script.src = window.SCRIPT;
  script.dataset.symbols = "KGS KZT";
  place.append(script);
  return () => place.replaceChildren();
}
