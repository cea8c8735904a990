// Predictions of held-out rows at the nearest fit.
const Predictions = (() => {
  "use strict";
  const { data, decode, alphas, $, el, number, css, faint } = Page;
  const given = data.predictions;

  function setUp() {
    if (given.kind === "values") values();
    else classes();
  }

  function values() {
    $("values-part").hidden = false;
    const truth = decode(given.truth);
    const predicted = decode(given.predicted);
    const n = truth.length;
    let least = Infinity;
    let most = -Infinity;
    for (const y of truth) {
      least = Math.min(least, y);
      most = Math.max(most, y);
    }
    const room = 0.03 * (most - least) || 1;
    const made = Page.chart(
      "predictions-chart",
      "Predictions against true values",
      { title: "true value", short: "true", min: least - room, max: most + room },
      { title: "prediction" },
    );
    const at = (j) => predicted.subarray(j * n, (j + 1) * n);
    const table = Page.tabulate("predictions-table", "Predictions of held-out rows", () => [
      ["true value", "prediction"],
      Array.from(truth, (y, i) => [y, at(Page.fit())[i]]),
    ]);
    Page.view("predictions", () => {
      const j = Page.fit();
      const now = at(j);
      made.data.datasets = [
        {
          label: "held-out rows",
          data: Array.from(truth, (y, i) => ({ x: y, y: now[i] })),
          showLine: false,
          pointRadius: 3,
          borderColor: css("blue"),
          backgroundColor: faint("blue", 0.35),
        },
        {
          label: "prediction = truth",
          data: [{ x: least, y: least }, { x: most, y: most }],
          borderColor: css("quiet"),
          backgroundColor: css("quiet"),
          borderDash: [4, 4],
          borderWidth: 1.5,
        },
      ];
      $("predictions-text").textContent =
        (n < given.n ? `${n} of ${given.n} held-out rows, drawn at random, ` : `${n} held-out rows `) +
        `at alpha = ${number(alphas[j])}.`;
      made.canvas.setAttribute("aria-label", `Predictions against true values at alpha = ${number(alphas[j])}`);
      table();
      made.update("none");
    });
  }

  function classes() {
    $("classes-part").hidden = false;
    const k = given.labels.length;
    const counts = decode(given.confusion);
    const accuracy = decode(given.accuracy);
    let calibration = null;
    let table = null;
    if (given.calibration) {
      $("calibration-part").hidden = false;
      const last = given.labels[k - 1];
      calibration = Page.chart(
        "calibration-chart",
        `Calibration of the probability of ${last}`,
        { title: `mean predicted probability of ${last}`, short: "predicted", min: -0.02, max: 1.02 },
        { title: `share of ${last} among the rows`, min: -0.02, max: 1.02 },
      );
      table = Page.tabulate("calibration-table", "Calibration", () => {
        const now = given.calibration[Page.fit()];
        return [
          ["mean predicted", "observed share", "± se"],
          now.predicted.map((p, i) => [p, now.observed[i], now.se[i] ?? null]),
        ];
      });
    }
    Page.view("predictions", () => {
      const j = Page.fit();
      $("predictions-text").textContent =
        `${given.n} held-out rows at alpha = ${number(alphas[j])}: ` +
        `${number(100 * accuracy[j])} % are classified correctly.` +
        (counts ? "" : ` A table of ${k} classes would be too large.`);
      if (counts) confusion(counts.subarray(j * k * k, (j + 1) * k * k), k);
      if (!calibration) return;
      const now = given.calibration[j];
      calibration.data.datasets = [
        {
          label: "calibrated",
          data: [{ x: 0, y: 0 }, { x: 1, y: 1 }],
          borderColor: css("quiet"),
          backgroundColor: css("quiet"),
          borderDash: [4, 4],
          borderWidth: 1.5,
        },
        {
          label: "held-out rows, in bins",
          data: now.predicted.map((p, i) => ({ x: p, y: now.observed[i] })),
          borderColor: css("blue"),
          backgroundColor: css("blue"),
          pointRadius: 4,
          borderWidth: 2,
        },
      ];
      table();
      calibration.update("none");
    });
  }

  function confusion(counts, k) {
    const head = el("tr", {}, el("th", { scope: "col" }, "true \\ predicted"));
    for (const label of given.labels) head.append(el("th", { scope: "col" }, label));
    const body = el("tbody");
    for (let i = 0; i < k; i++) {
      const row = el("tr", {}, el("th", { scope: "row" }, given.labels[i]));
      const total = counts.slice(i * k, (i + 1) * k).reduce((a, b) => a + b, 0) || 1;
      for (let l = 0; l < k; l++) {
        const cell = el("td", i === l ? { class: "right" } : {}, number(counts[i * k + l], 6));
        cell.style.backgroundColor = faint("blue", (0.4 * counts[i * k + l]) / total);
        row.append(cell);
      }
      body.append(row);
    }
    const table = el("table", {}, el("caption", { class: "quiet" }, "Confusion matrix"), el("thead", {}, head), body);
    $("confusion").replaceChildren(table);
  }

  return { setUp };
})();
