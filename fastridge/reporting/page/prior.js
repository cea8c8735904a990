// Prior, likelihood and posterior of a coefficient, and the penalty in other conventions.
const Prior = (() => {
  "use strict";
  const { data, decode, exact, $, el, number, css, faint } = Page;
  const plane = data.plane;
  const K = plane.names.length;
  const d1 = decode(plane.d1);
  const d2 = decode(plane.d2);
  const scale = decode(plane.scale);
  const { l1, l2, n, loss } = data.model;
  const POINTS = 241;

  // Log density of the data and of the prior, up to constants, of coefficient j at value x.
  function logs(j, noise) {
    const alpha = Page.alpha();
    const rate = n / (2 * noise);
    const prior = (x) => -rate * alpha * (l1 * d1[j] * Math.abs(x) + l2 * d2[j] * x * x);
    const { at, h, g } = Geometry.local(j, j);
    const precision = 2 * rate;
    if ($("prior-others").value === "averaged" && exact) {
      // the posterior over all coefficients, over the prior: what the data say of this one
      const own2 = d2[j] * scale[j] ** 2;
      const variance = noise * scale[j] ** 2 * Arithmetic.ridgeVariance(exact, alpha, exact.features[j], own2);
      const rest = 1 / variance - precision * alpha * l2 * d2[j];
      const own = rest > 1e-9 / variance ? rest : 0; // else round-off
      const mean = own ? at[0] / variance / own : 0;
      return { prior, data: (x) => (-own * (x - mean) ** 2) / 2, at: at[0], sd: Math.sqrt(variance), own, mean };
    }
    const curvature = precision * (h[0] / 2);
    const v = (x) => x - at[0];
    const likelihood = (x) => -rate * (g[0] * v(x) + (h[0] * v(x) ** 2) / 2);
    const total = curvature + precision * alpha * l2 * d2[j];
    let sd = 1 / Math.sqrt(total);
    if (l1 > 0) {
      // the rate of a Laplace prior bounds the deviation too
      const first = 1 / Math.sqrt(total + (rate * alpha * l1 * d1[j]) ** 2 / 2);
      sd = Arithmetic.deviation((x) => likelihood(x) + prior(x), at[0], first);
    }
    return { prior, data: likelihood, at: at[0], sd, own: curvature, mean: at[0] - g[0] / h[0] };
  }

  const noise = () => (loss === "squared" ? Number($("prior-noise").value) : 1);

  function setUp() {
    conventions();
    const reason = {
      ball: "", bounded: "With bounds, the posterior ends at them, and is not drawn.",
      group: "The prior of a multi-task fit is on the norm over the targets.",
      matrix: "With a penalty matrix or a prior mean, the prior of one coefficient depends on the others.",
    }[plane.shape];
    if (reason) {
      $("prior-part").hidden = true;
      $("prior-none").hidden = false;
      $("prior-none").textContent = reason;
      return;
    }
    $("prior-feature").append(...plane.names.map((name, i) => el("option", { value: i }, name)));
    $("prior-noise-label").hidden = loss !== "squared";
    if (loss === "squared") $("prior-noise").value = Number(data.noise.toPrecision(6));
    $("prior-others-label").hidden = !exact;
    if (!exact) $("prior-others").value = "held";
    for (const id of ["feature", "noise", "others"]) {
      $(`prior-${id}`).addEventListener(id === "noise" ? "input" : "change", () => Page.draw());
    }
    const made = Page.chart("prior-chart", "Densities", { title: "value of the coefficient", short: "value" }, { title: "density" });
    made.options.scales.y.min = 0;
    let shown = null;
    const table = Page.tabulate("prior-table", "Densities", () => [
      ["value", "prior", "likelihood", "posterior"],
      shown ? shown.x.map((x, i) => [x, shown.prior[i], shown.data[i], shown.posterior[i]]) : [],
    ]);
    Page.view("prior", () => {
      const variance = noise();
      if (!(variance > 0 && Number.isFinite(variance))) {
        $("prior-text").textContent = "The noise variance is not a number above 0.";
        shown = null;
        made.data.datasets = [];
        made.update("none");
        table();
        return;
      }
      shown = densities(Number($("prior-feature").value), variance);
      draw(made, shown);
      table();
    });
  }

  function densities(j, variance) {
    const found = logs(j, variance);
    const rate = (n * Page.alpha()) / variance;
    const own = rate * l2 * d2[j] + (rate * l1 * d1[j]) ** 2 / 8;
    let scale = own > 0 ? 1 / Math.sqrt(own) : Infinity;
    if (own > 0 && l1 > 0) scale = Arithmetic.deviation(found.prior, 0, scale);
    const wide = Number.isFinite(found.mean) ? 4 / Math.sqrt(Math.max(found.own, 1e-300)) : 0;
    // the posterior and zero in sight, and as much of prior and likelihood as leaves it visible
    const room = Math.min(Math.max(4 * found.sd, Math.min(wide, 12 * found.sd), Math.min(3 * scale, 12 * found.sd)), 1e300);
    const low = Math.min(found.at - room, -room / 4, Math.max(found.mean - wide, found.at - room));
    const high = Math.max(found.at + room, room / 4);
    const x = Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
    const of = (log) => normal(x, x.map(log));
    return {
      j, x, sd: found.sd, scale, at: found.at, mean: found.mean, own: found.own,
      prior: priorDensity(x, j, rate),
      data: found.own > 0 ? of(found.data) : x.map(() => 0),
      posterior: of((value) => found.data(value) + found.prior(value)),
    };
  }

  // The prior over the whole line, so that a wide one is low in sight.
  function priorDensity(x, j, rate) {
    const a = (rate * l1 * d1[j]) / 2;
    const b = rate * l2 * d2[j];
    if (a === 0) return x.map((v) => Math.sqrt(b / (2 * Math.PI)) * Math.exp((-b * v * v) / 2));
    if (b === 0) return x.map((v) => (a / 2) * Math.exp(-a * Math.abs(v)));
    const wide = Math.min(12 / Math.sqrt(b), 40 / a);
    const grid = Array.from({ length: 4001 }, (_, i) => -wide + (2 * wide * i) / 4000);
    const log = (v) => -a * Math.abs(v) - (b * v * v) / 2;
    const area = grid.reduce((sum, v) => sum + Math.exp(log(v)), 0) * ((2 * wide) / 4000);
    return x.map((v) => Math.exp(log(v)) / area);
  }

  function normal(x, log) {
    const top = Math.max(...log);
    const raw = log.map((v) => Math.exp(v - top));
    const area = raw.reduce((sum, v) => sum + v, 0) * (x[1] - x[0]);
    return raw.map((v) => v / area);
  }

  function draw(made, shown) {
    const name = plane.names[shown.j];
    made.data.datasets = [
      Page.line("prior", shown.x, shown.prior, 1, { borderDash: [7, 4] }),
      Page.line("likelihood", shown.x, shown.data, 2, { borderDash: [2, 3] }),
      Page.line("posterior", shown.x, shown.posterior, 0, { borderWidth: 3, fill: "origin", backgroundColor: faint("blue", 0.15) }),
    ];
    Object.assign(made.options.scales.x, { min: shown.x[0], max: shown.x.at(-1) });
    made.$marks = [{ x: 0, color: css("quiet"), width: 1 }];
    $("prior-text").textContent =
      `At alpha = ${number(Page.alpha())}, before the data ${name} is 0 ± ${number(shown.scale)}; ` +
      `the data alone say ${shown.own > 0 ? `${number(shown.mean)} ± ${number(1 / Math.sqrt(shown.own))}` : "nothing"}; ` +
      `together, ${number(shown.at)} ± ${number(shown.sd)}.` +
      (loss === "squared" ? "" : " The likelihood is Laplace's approximation about the fit.");
    made.canvas.setAttribute("aria-label", $("prior-text").textContent);
    made.update("none");
  }

  // Rows of [name, what it multiplies, value] for the penalty at the slider.
  function conventionRows(alpha, variance) {
    const { kind } = data.model;
    const squared = loss === "squared" && kind !== "glm";
    const strength = alpha * (kind === "ridge" ? 1 : l2);
    const o = (l) => ({ loss: l, n, noise: variance });
    const base = kind === "ridge" ? "alpha" : kind === "glm" ? "glm" : "weight_decay";
    const from = base === "weight_decay" ? "half_mean" : "sum";
    const sum = Arithmetic.convert(strength, base, "alpha", o(from));
    const to = (target, l) => Arithmetic.convert(sum, "alpha", target, o(l));
    const rows = squared
      ? [
          ["fastridge.ridge, Ridge of scikit-learn: alpha", "sum of squares + alpha |w|²", to("alpha", "sum")],
          ["textbook: λ of the sum of squares", "sum of squares + λ |w|²", to("lambda", "sum")],
          ["textbook: λ of the mean square", "mean square + λ |w|²", to("lambda", "mean")],
          ["torch weight_decay, MSELoss", "mean square + wd/2 |w|²", to("weight_decay", "mean")],
          ["glmnet: lambda / sd(y) (alpha = 0)", "mean square / 2 + lambda / sd(y) / 2 |w|²", to("weight_decay", "half_mean")],
          ["variance of the prior of each coefficient", "w ~ N(0, variance)", to("prior_variance", "sum")],
        ]
      : [
          ["glm, PoissonRegressor, glmnet: alpha", "mean loss + alpha/2 |w|²", to("glm", "sum")],
          ["scikit-learn LogisticRegression: C", "C · sum of losses + |w|²/2", to("C", "sum")],
          ["textbook: λ of the mean loss", "mean loss + λ |w|²", to("lambda", "mean")],
          ["torch weight_decay, mean loss", "mean loss + wd/2 |w|²", to("weight_decay", "mean")],
          ["textbook: λ of the sum of losses", "sum of losses + λ |w|²", to("lambda", "sum")],
          ["variance of the prior of each coefficient", "w ~ N(0, variance)", 1 / (2 * sum)],
        ];
    return rows;
  }

  function conventions() {
    Page.view("prior", () => {
      const given = noise();
      const variance = given > 0 && Number.isFinite(given) ? given : data.noise;
      const rows = l2 > 0 ? conventionRows(Page.alpha(), variance) : [];
      if (l1 > 0) {
        const [who, what, size] = {
          glm: ["glm", "mean loss", "|w|"],
          groups: ["MultiTaskLasso", "mean square / 2", "sum of norms over targets"],
        }[data.model.kind] ?? ["Lasso", "mean square / 2", "|w|"];
        rows.unshift([`L1: alpha of ${who}, lambda of glmnet`, `${what} + alpha ${size}`, (Page.alpha() * l1) / 2]);
      }
      Page.fill($("conventions"), ["convention", "what is minimised", "value"], rows);
      $("conventions-text").textContent =
        `Of the penalty alpha = ${number(Page.alpha())}, for ${number(n, 7)} rows` +
        (data.model.standardize ? ", on standardised features" : "") +
        "; fastridge.penalty.convert computes these.";
    });
  }

  return { setUp, conventionRows };
})();
