// The page of the frameworks with hooks: "hooks" is React's or Preact's, by build.mjs.

import { useEffect, useRef, useState } from "hooks";

import { mount, routes } from "./app.jsx";

function Embed() {
  const place = useRef(null);
  useEffect(() => mount(place.current), []);
  return <div ref={place} />;
}

export function Page() {
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
