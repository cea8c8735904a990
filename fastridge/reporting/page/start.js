(() => {
  "use strict";
  const { data, $, number } = Page;
  $("title").textContent = data.title;
  const label = data.model.label === null ? "" : `, class ${data.model.label}`;
  $("subtitle").textContent =
    `${data.model.name}${label}: ${number(data.model.n, 7)} rows, ${data.p} features, ` +
    `${Page.m} penalties. Validation: ${data.curves.how}.`;
  const system = matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.dataset.theme = system.matches ? "dark" : "light";
  Page.state.position = data.curves.chosen * Page.steps;
  for (const note of document.querySelectorAll(".units")) {
    note.hidden = !data.model.standardize;
    note.textContent =
      "Coefficients of this section are of features divided by their standard deviations, as standardize penalises them.";
  }
  Sweep.setUp();
  Decay.setUp();
  Geometry.setUp();
  Prior.setUp();
  Facts.setUp();
  $("alpha").value = Page.state.position;
  Page.draw(true);
  $("theme").addEventListener("change", () => Page.theme($("theme").value));
  system.addEventListener("change", () => Page.theme($("theme").value));
  // on paper: light, with all sections drawn
  addEventListener("beforeprint", () => {
    Page.theme("light");
    Page.charts.forEach((chart) => chart.resize());
  });
  addEventListener("afterprint", () => Page.theme($("theme").value));
  document.documentElement.dataset.ready = "yes";
})();
