import { createRoot, hydrateRoot } from "react-dom/client";

import { App } from "./react-app.jsx";

window.begin = (hydrate) => {
  const root = document.querySelector("#root");
  const onRecoverableError = (error) => console.error("recoverable", error);
  if (hydrate) hydrateRoot(root, <App />, { onRecoverableError });
  else createRoot(root).render(<App />);
};
