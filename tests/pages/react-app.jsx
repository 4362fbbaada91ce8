import { StrictMode } from "react";

import { Page } from "./page.jsx";

export const App = () => (
  <StrictMode>
    <Page />
  </StrictMode>
);
