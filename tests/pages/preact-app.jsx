import { useEffect, useRef, useState } from "preact/hooks";

import { mount, routes } from "./app.jsx";

function Embed() {
  const place = useRef(null);
  useEffect(() => mount(place.current), []);
  return <div ref={place} />;
}

export function App() {
  const [route, go] = useState("home");
  const [paused, pause] = useState(false);
  useEffect(() => void Object.assign(window, { go, pause }), []);
  return (
    <>
      <header>My bank</header>
      <main id="route">{routes({ paused, Embed })[route]()}</main>
    </>
  );
}
