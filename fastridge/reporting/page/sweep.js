// The lambda sweep: errors, verdict, coefficients and predictions at the slider.
const Sweep = (() => {
  "use strict";
  const { data, decode, alphas, m, exact, steps, $, el, number, line, css, faint } = Page;
  const curves = data.curves;
  const columns = {};
  for (const name of ["train", "train_se", "validation", "validation_se", "dof"]) {
    columns[name] = decode(curves[name]);
  }
  const coef = decode(data.coef);
  const deviation = decode(data.deviation);
  const norm = decode(data.norm);
  const nonzero = decode(data.nonzero);
  const q = data.names.length;
  const SHOWN = 12; // paths that are drawn

  // Coefficients of the kept features at the slider: exact between fits where the path allows it.
  function coefficients() {
    if (exact && Page.between()) {
      const all = Arithmetic.ridgeAt(exact, Page.alpha());
      return Float64Array.from(exact.kept, (k) => all[k]);
    }
    const j = Page.fit();
    return coef.subarray(j * q, (j + 1) * q);
  }

  const uncounted = ["ridge", "glm"].includes(data.model.kind)
    ? "not computed for data of this size"
    : "not known for this penalty";

  // Coefficients of the kept features in the units that are chosen.
  const inUnits = (w) => ($("units").checked ? w.map((x, k) => x * deviation[k]) : w);

  // Degrees of freedom and norm at the slider.
  function facts() {
    const j = Page.fit();
    const found = {
      train: columns.train[j],
      validation: columns.validation[j],
      dof: columns.dof ? columns.dof[j] : null,
      norm: norm[j],
      nonzero: nonzero[j],
    };
    if (exact && Page.between()) {
      const now = Arithmetic.ridgeFacts(exact, Page.alpha());
      found.dof = now.dof;
      const all = Arithmetic.ridgeAt(exact, Page.alpha());
      found.norm = Math.sqrt(all.reduce((sum, w) => sum + w * w, 0));
    }
    return found;
  }

  const marked = [
    ["chosen", "chosen", curves.chosen, "black"],
    ["least", "minimum", curves.least, "green"],
    ["one-se", "1-SE", curves.one_se, "pink"],
  ];

  function setUp() {
    const slider = $("alpha");
    slider.max = (m - 1) * steps;
    slider.addEventListener("input", () => Page.move(Number(slider.value)));
    $("least-alpha").textContent = number(alphas[0], 2);
    $("most-alpha").textContent = number(alphas[m - 1], 2);
    for (const [id, label, j] of marked) {
      const button = $(`go-${id}`);
      button.textContent = `${label}: ${number(alphas[j], 3)}`;
      button.dataset.alpha = alphas[j];
      button.addEventListener("click", () => Page.move(j * steps));
    }
    errors();
    paths();
    list();
    Predictions.setUp();
    Page.view("bar", bar);
  }

  function bar() {
    const j = Page.fit();
    const a = Page.alpha();
    const where = Page.between() ? `between fits ${Math.floor(Page.state.position / steps) + 1} and ${Math.floor(Page.state.position / steps) + 2}` : `fit ${j + 1}`;
    $("alpha-text").textContent = `alpha = ${number(a)}`;
    $("alpha").setAttribute("aria-valuetext", `alpha = ${number(a)}, ${where} of ${m}`);
    const { verdict } = curves.verdicts[j];
    const f = facts();
    const name = data.model.error;
    $("verdict").replaceChildren(
      el("strong", { id: "verdict-word" }, verdict),
      `: ${name} ${number(f.train)} on rows fitted to, ${number(f.validation)} on others`,
    );
    for (const [id, , k] of marked) {
      $(`go-${id}`).setAttribute("aria-pressed", String(!Page.between() && k === j));
    }
  }

  function words() {
    const j = Page.fit();
    const { verdict, text } = curves.verdicts[j];
    const rest = text.slice(verdict.length);
    $("verdict-text").replaceChildren(
      el("strong", {}, verdict[0].toUpperCase() + verdict.slice(1)), rest,
    );
    let kind = `Fit ${j + 1} of ${m}.`;
    if (Page.between()) {
      kind =
        "Between two fits: coefficients, their norm and the degrees of freedom are exact here;" +
        ` errors, verdict and predictions are those of the nearest fit, alpha = ${number(alphas[j])}.`;
    } else if (exact) {
      kind += " Between the fits, coefficients are exact.";
    } else if (m > 1) {
      kind += " The slider moves from fit to fit: between them this path is not known exactly.";
    }
    $("alpha-kind").textContent = kind;
    const f = facts();
    const se = (values) => (values && Number.isFinite(values[j]) ? ` ± ${number(values[j], 3)}` : "");
    const boxes = [
      [`train: ${data.model.error}`, number(f.train) + se(columns.train_se), ""],
      [`validation: ${data.model.error}`, number(f.validation) + se(columns.validation_se), curves.how],
      ["validation, least", number(columns.validation[curves.least]), `alpha = ${number(alphas[curves.least])}`],
      [`${data.model.null} alone`, number(curves.null), "validation error without features"],
      ["degrees of freedom", number(f.dof), columns.dof ? `of ${data.model.most}` : uncounted],
      ["norm of w", number(f.norm), `${number(f.nonzero, 6)} of ${data.p} not 0`],
    ];
    $("figures").replaceChildren(
      ...boxes.map(([name, value, more]) =>
        el(
          "div",
          { "data-figure": name },
          el("span", { class: "name" }, name),
          el("span", { class: "value" }, value),
          el("div", { class: "more" }, more),
        ),
      ),
    );
  }

  function markLines(made) {
    made.$marks = [
      ...marked.map(([, label, j, color], i) => ({
        x: alphas[j], label, color: css(color), dash: [[], [2, 3], [7, 3, 2, 3]][i],
      })),
      { x: Page.alpha(), color: faint("blue", 0.35), width: 8 },
    ];
  }

  function band(name, colour) {
    const middle = columns[name];
    const se = columns[`${name}_se`];
    if (!se) return [];
    const side = (sign) => ({
      label: "",
      data: Array.from(alphas, (a, i) => ({ x: a, y: middle[i] + sign * (se[i] || 0) })),
      borderWidth: 0,
      pointRadius: 0,
      fill: sign > 0 ? "+1" : false,
      backgroundColor: faint(colour, 0.18),
    });
    return [side(1), side(-1)];
  }

  function errors() {
    const all = [...columns.train, ...columns.validation].filter(Number.isFinite);
    const least = Math.min(...all);
    const wide = least > 0 && Math.max(...all) / least > 50;
    const made = Page.chart(
      "error-chart",
      `Train and validation error against the penalty; the table below has the numbers`,
      { title: "penalty (alpha)", short: "alpha", log: true, min: alphas[0], max: alphas[m - 1] },
      { title: data.model.error, log: wide },
    );
    made.options.onClick = (event) => {
      const a = made.scales.x.getValueForPixel(event.x);
      Page.move(Arithmetic.nearest(alphas, a) * steps);
    };
    const table = Page.tabulate("error-table", "Errors of every penalty", () => {
      const head = ["alpha", "train", "± se", "validation", "± se", "degrees of freedom", "verdict"];
      const cell = (name, i) => (columns[name] ? columns[name][i] : null);
      return [
        head,
        Array.from(alphas, (a, i) => [
          a, columns.train[i], cell("train_se", i), columns.validation[i],
          cell("validation_se", i), cell("dof", i), curves.verdicts[i].verdict,
        ]),
      ];
    });
    let drawn = "";
    Page.view("sweep", () => {
      words();
      if (drawn !== css("back")) {
        drawn = css("back");
        const radius = m <= 40 ? 2.5 : 0;
        made.data.datasets = [
          line("train", alphas, columns.train, 1, { borderDash: [6, 3], pointRadius: radius, pointStyle: "rect" }),
          line("validation", alphas, columns.validation, 0, { pointRadius: radius }),
          ...band("train", "orange"),
          ...band("validation", "blue"),
        ];
        table();
      }
      markLines(made);
      const j = Page.fit();
      made.canvas.dataset.alpha = Page.alpha();
      made.canvas.setAttribute(
        "aria-label",
        `Errors against the penalty. At alpha = ${number(Page.alpha())}: train ${number(columns.train[j])},` +
          ` validation ${number(columns.validation[j])}. Chosen ${number(alphas[curves.chosen])},` +
          ` minimum ${number(alphas[curves.least])}, one standard error ${number(alphas[curves.one_se])}.`,
      );
      made.update("none");
    });
  }

  // Positions of the features to show: by the search, the largest at a fit first.
  function largest(count, at, search = "") {
    const sought = search.trim().toLowerCase();
    const found = [];
    for (let k = 0; k < q; k++) {
      if (!sought || data.names[k].toLowerCase().includes(sought)) found.push(k);
    }
    const total = found.length;
    found.sort((a, b) => Math.abs(at[b]) - Math.abs(at[a]) || a - b);
    return [found.slice(0, count), total];
  }

  function peaks() {
    const top = new Float64Array(q);
    for (let j = 0; j < m; j++) {
      for (let k = 0; k < q; k++) top[k] = Math.max(top[k], Math.abs(coef[j * q + k]));
    }
    return top;
  }

  const unitName = () => ($("units").checked ? "coefficient per standard deviation" : "coefficient");

  function paths() {
    const made = Page.chart(
      "path-chart",
      "Coefficients against the penalty",
      { title: "penalty (alpha)", short: "alpha", log: true, min: alphas[0], max: alphas[m - 1] },
      { title: "coefficient" },
    );
    const top = peaks();
    const value = (j, k) => coef[j * q + k] * ($("units").checked ? deviation[k] : 1);
    let shown = [];
    const table = Page.tabulate("path-table", "Coefficients of every penalty", () => [
      ["alpha", ...shown.map((k) => data.names[k])],
      Array.from(alphas, (a, j) => [a, ...shown.map((k) => value(j, k))]),
    ]);
    let drawn = "";
    Page.view("sweep", () => {
      const search = $("search").value;
      const key = css("back") + $("units").checked + search;
      if (drawn !== key) {
        drawn = key;
        [shown] = largest(SHOWN, inUnits(top), search);
        made.data.datasets = shown.map((k, i) =>
          line(shorten(data.names[k]), alphas, Array.from(alphas, (_, j) => value(j, k)), i),
        );
        made.options.scales.y.title.text = unitName();
        made.canvas.setAttribute(
          "aria-label",
          `Coefficients of ${shown.length} features against the penalty; the table below has the numbers`,
        );
        table();
      }
      markLines(made);
      made.$marks = made.$marks.map((mark) => ({ ...mark, label: "" }));
      made.update("none");
    });
  }

  const shorten = (name) => (name.length > 24 ? `${name.slice(0, 23)}…` : name);

  function list() {
    $("search").addEventListener("input", () => Page.draw());
    $("count").addEventListener("change", () => Page.draw());
    $("units").addEventListener("change", () => Page.draw());
    Page.view("sweep", () => {
      const w = inUnits(coefficients());
      const [shown, total] = largest(Number($("count").value), w, $("search").value);
      const most = Math.max(...shown.map((k) => Math.abs(w[k])), 1e-300);
      const kept = q < data.p ? `; ${q} of ${data.p} features are in this page` : "";
      const what = data.model.label === null ? "" : `, for class ${data.model.label}`;
      $("found").textContent =
        `${shown.length} of ${total} features${$("search").value.trim() ? " found" : ""}${what}${kept}.`;
      Page.fill(
        $("coefficients"),
        ["feature", unitName(), ""],
        shown.map((k) => [data.names[k], w[k], bars(w[k], most)]),
      );
      for (const cell of $("coefficients").querySelectorAll("tbody td:last-child")) {
        cell.className = "bar";
      }
    });
  }

  function bars(value, most) {
    const size = (50 * Math.abs(value)) / most;
    const span = el("span", { class: value < 0 ? "minus" : "plus" });
    span.style.width = `${size}%`;
    span.style.left = value < 0 ? `${50 - size}%` : "50%";
    return el("div", { class: "axis", "aria-hidden": "true" }, span);
  }

  return { setUp, coefficients, facts, shorten };
})();
