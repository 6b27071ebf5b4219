"use strict";

// What `rltf view` adds to the report pages: filters, choosing two runs, programs as they are looked at, and
// curves of trainings at work. What comes over the network becomes elements and text nodes, never markup.

const one = id => document.getElementById(id);

/** What an address answers; an error has the server's own words. */
const got = async address => {
  const answer = await fetch(address, { credentials: "omit" });
  const content = await answer.json().catch(() => ({ detail: `status ${answer.status}` }));
  if (!answer.ok) throw new Error(content.detail);
  return content;
};

// --- The leaderboard ----------------------------------------------------------------------------------------

if (one("words")) {
  one("words").addEventListener("input", () => {
    const words = one("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.querySelectorAll("tr[data-words]")) {
      row.hidden = !words.every(word => row.dataset.words.includes(word));
    }
    for (const board of document.querySelectorAll(".board")) {
      board.hidden = !board.querySelector("tr[data-words]:not([hidden])");
    }
  });
}

if (one("compare")) {
  const button = one("compare").querySelector("button[type=submit]");
  const ticks = [...one("compare").querySelectorAll("input[type=checkbox]")];
  const update = () => {
    const chosen = ticks.filter(tick => tick.checked);
    const boards = new Set(chosen.map(tick => tick.closest(".board")));
    const ready = chosen.length === 2 && boards.size === 1;
    button.setAttribute("aria-disabled", String(!ready));
    one("chosen").textContent = ready ? `${chosen[0].value} and ${chosen[1].value}`
      : boards.size > 1 ? "These runs are on different benchmarks."
        : chosen.length === 1 ? `${chosen[0].value} and …`
          : chosen.length ? "Two runs are compared; untick some." : "Tick two runs on one benchmark.";
    return ready;
  };
  one("compare").addEventListener("change", update);
  one("compare").addEventListener("submit", event => { if (!update()) event.preventDefault(); });
  update();
}

if (one("news")?.dataset.watch !== undefined) {
  const look = async () => {
    const now = await got("/api/version").catch(() => null);
    if (now && now.version !== one("news").dataset.version) {
      one("news").replaceChildren("Something has changed. ", make("a", { href: location.href }, "Show it"));
    } else setTimeout(look, 4000);
  };
  setTimeout(look, 4000);
}

// --- Programs -----------------------------------------------------------------------------------------------

/** The statement and tests of a problem, as a table with how the program did. */
const statement = (facts, word, statuses) => facts.missing ? [make("p", { class: "words" }, facts.missing)] : [
  facts.erratum ? make("p", { class: "erratum" }, `Known bad problem: ${facts.erratum}`) : null,
  facts.statement ? make("pre", { class: "prompt" }, facts.statement) : null,
  make("p", { class: "words" }, facts.tests.length < facts.of ? `The first ${facts.tests.length} of ${plural(facts.of, "test")}`
    : plural(facts.of, "test"), facts.entry_point ? `, calling ${facts.entry_point}` : ""),
  make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tests" },
    make("table", { class: "tests" }, make("tbody", {}, ...facts.tests.map((test, index) => make("tr", {},
      make("td", {}, `${index + 1} `, word && word[index]
        ? make("span", { class: `badge ${styleOf(statuses[word[index]])}` }, statuses[word[index]]) : null),
      make("td", {}, make("pre", {}, test.input)),
      test.output === undefined ? null : make("td", {}, make("pre", {}, test.output)),
    ))))),
];

if (one("reading")) {
  const index = one("reading").dataset.index;
  const about = (path, task) => `${index.replace("/api/programs", path)}&task=${encodeURIComponent(task)}`;
  one("reading").textContent = "Reading the programs …";
  got(index).then(data => {
    one("reading").textContent = data.damaged ? `${plural(data.damaged, "row")} could not be read and are left out.` : "";
    if (!data.problems.length) one("reading").textContent = "No program has been graded yet.";
    else {
      browse(data, task => got(about("/api/problem", task)), async (task, word) =>
        statement(await got(about("/api/facts", task)), word, data.statuses));
    }
  }).catch(error => { one("reading").textContent = `The programs can't be shown: ${error.message}`; });
}

// --- Trainings ----------------------------------------------------------------------------------------------

/** A drawing from nested lists: name, attributes, children. */
const drawn = node => {
  if (typeof node === "string") return document.createTextNode(node);
  const [name, attributes, children] = node;
  if (!["svg", "g", "line", "polyline", "text", "title"].includes(name)) return document.createTextNode("");
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.map(drawn));
  return element;
};

const figure = ({ title, drawing, legend }, last, odd) => make(
  "figure", last && odd ? { class: "wide" } : {},
  make("figcaption", {}, title), ...drawing[2].map(drawn),
  legend.length ? make("ul", { class: "legend rows" }, ...legend.map(([kind, name, number]) =>
    make("li", { class: kind }, name, make("span", {}, number)))) : null,
);

if (one("live")?.dataset.watch !== undefined) {
  const refresh = async () => {
    const now = await got(one("live").dataset.live).catch(() => null);
    if (now) {
      one("state").textContent = now.state;
      one("state").className = `state ${now.state}`;
      one("facts").replaceChildren(...now.facts.map(([name, value]) =>
        make("div", {}, make("dt", {}, name), make("dd", {}, value))));
      if (now.figures.length) {
        one("live").replaceChildren(make("div", { class: "charts" },
          ...now.figures.map((each, place) => figure(each, place + 1 === now.figures.length, now.figures.length % 2))));
      }
    }
    if (!now || now.state === "running") setTimeout(refresh, 2000);
  };
  setTimeout(refresh, 2000);
}
