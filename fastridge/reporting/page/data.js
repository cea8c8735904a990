// What the data look like, what ran, and versions.
const Facts = (() => {
  "use strict";
  const { data, $, el, fill } = Page;

  function setUp() {
    fill($("looked"), null, data.facts.rows);
    fill($("ran"), null, data.ran);
    fill($("versions"), null, data.versions);
    $("warnings").replaceChildren(
      ...data.facts.warnings.map((text) => el("p", { class: "warning", role: "note" }, text)),
    );
    $("notes").replaceChildren(...data.notes.map((text) => el("li", {}, text)));
    $("notes").hidden = data.notes.length === 0;
  }

  return { setUp };
})();
