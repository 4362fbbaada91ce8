import { useState } from "react";
import "currency-ticker-widget";
import "currency-ticker-widget/board";
import type {} from "currency-ticker-widget/react";

export function App() {
  const [chosen, choose] = useState("nothing");
  return (
    <>
      <currency-ticker
        src={SERVER}
        symbols="KGS KZT"
        speed={90}
        digits="3"
        sparkline
        link="#{base}"
        style={{ display: "block" }}
        onticker-select={({ detail }) => choose(detail.symbol)}
      />
      <currency-board src={SERVER} columns="price change" />
      <p>
        One dollar is <currency-quote src={SERVER} symbol="USD/KGS" format="inline" /> som.
      </p>
      <currency-converter src={SERVER} amount="250" from="USD" to="KGS" />
      <output>{chosen}</output>
    </>
  );
}
