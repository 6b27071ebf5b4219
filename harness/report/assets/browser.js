
/**
 * The browser of programs: a list of problems to search, and the program chosen.
 *
 * Where `data` holds no program texts, `load(id)` promises the whole of a problem. `tests(id, word)` promises
 * elements that show its statement and tests; `word` has a letter for the status of each.
 */
const browse = (data, load = null, tests = null) => {
  const at = id => document.getElementById(id);
  const state = { problem: 0, run: 0, sample: 0 };

  const profile = () => Math.max(0, data.profiles.indexOf(at("profile").value));
  const samplesOf = problem => problem.runs.flatMap(run => (run ? run.samples : []));
  const verdict = sample => data.statuses[sample.verdicts[profile()]];
  const passes = samples => samples.filter(sample => verdict(sample) === "passed").length;

  // --- The list -------------------------------------------------------------------------------------------

  // One program: its outcome in words, or as a sign where several runs share the row. More: how many passed.
  const score = (run, place) => {
    const title = data.runs[place];
    if (!run) return make("span", { class: "score", title }, "–");
    if (run.samples.length > 1) {
      const count = passes(run.samples);
      return make("span", { class: `score ${count ? "some" : ""}`, title }, `${count}/${run.samples.length}`);
    }
    const [sample] = run.samples, status = styleOf(verdict(sample));
    if (data.runs.length === 1) return make("span", { class: `score dot ${status}` }, verdict(sample));
    return make("span", { class: `score sign ${status}`, title: `${title}: ${verdict(sample)}` },
      SIGNS[sample.verdicts[profile()]]);
  };

  const rows = data.problems.map((problem, index) => make("button", {
    type: "button", tabindex: -1, "data-task": problem.id, onclick: () => show({ problem: index, run: null, sample: 0 }),
  }));

  const label = () => rows.forEach((row, index) => {
    const problem = data.problems[index];
    row.replaceChildren(
      make("span", { class: "id" }, problem.id),
      make("span", { class: "level" }, problem.level ?? ""),
      make("span", { class: "scores" }, ...problem.runs.map(score)),
    );
  });

  // Of two runs: which of them solve a problem.
  const ONLY = data.runs.length === 2 ? ["solved by the first run only", "solved by the second run only"] : [];
  const solvedBy = problem => [0, 1].filter(place => passes(problem.runs[place]?.samples ?? []) > 0);

  const fits = problem => {
    const query = at("query").value.trim().toLowerCase();
    const level = at("level").value, wanted = at("verdict").value;
    const samples = samplesOf(problem);
    const passed = passes(samples);
    return (!level || problem.level === level)
      && (!query || problem.id.toLowerCase().includes(query)
        || samples.some(s => (s.errors ?? []).some(e => e.type.toLowerCase().includes(query))))
      && (!wanted || (wanted === "solved" && passed > 0) || (wanted === "unsolved" && passed === 0)
        || (wanted === "could not be graded" && samples.some(sample => sample.lost))
        || (ONLY.includes(wanted) && solvedBy(problem).join() === String(ONLY.indexOf(wanted)))
        || samples.some(sample => !sample.lost && verdict(sample) === wanted));
  };

  const filter = () => {
    let count = 0;
    rows.forEach((row, index) => {
      row.hidden = !fits(data.problems[index]);
      count += !row.hidden;
    });
    at("count").textContent = plural(count, "problem");
  };

  // --- The program ----------------------------------------------------------------------------------------

  const chips = (problem, run, place) => {
    const box = make("div", { class: "chips", role: "group", "aria-label": `Programs of ${data.runs[place]}` });
    run.samples.forEach((sample, index) => {
      const chip = make("button", {
        type: "button", class: styleOf(verdict(sample)), title: `${sample.id}: ${verdict(sample)}`,
        "aria-label": `Program ${sample.id}: ${verdict(sample)}`, onclick: () => show({ run: place, sample: index }, true),
      }, String(sample.id));
      box.append(chip);
      if (place === state.run && index === state.sample) choose(box, chip);
    });
    rove(box, "ArrowLeft", "ArrowRight");
    const more = run.total - run.samples.length;
    const words = `${passes(run.samples)} of ${plural(run.samples.length, "program")} passed`
      + (more ? `; ${more.toLocaleString("en")} more are not on this page` : "");
    if (run.total === 1 && data.runs.length === 1) return null;
    return make("div", { class: "samples" },
      make("p", { class: "words" }, data.runs.length > 1 ? make("b", {}, data.runs[place]) : null,
        data.runs.length > 1 ? " " : null, words),
      box);
  };

  const fold = (title, open, content) => make("details", open ? { open: "" } : {}, make("summary", {}, title), content);

  const given = (problem, run) => {
    const prompt = run.shortened ? "Prompt, shortened to fit the model" : "Prompt";
    return [
      run.prompt === undefined ? null : fold(prompt, true, make("pre", { class: "prompt" }, run.prompt)),
      !problem.statement ? null
        : fold("Statement", run.prompt === undefined, make("pre", { class: "prompt" }, problem.statement)),
    ];
  };

  const facts = sample => [
    `${sample.cpu.toFixed(3)} s CPU`,
    sample.memory ? `${sample.memory} MiB` : "",
    sample.tokens === undefined ? "" : plural(sample.tokens, "token"),
    sample.finish === "length" ? "cut at the length limit" : "",
    sample.finish === "empty" ? "empty answer" : "",
    sample.changed ? "changed by extraction" : "",
  ].filter(Boolean).join(" · ");

  /** The statement and the tests, fetched when they are unfolded. */
  const asked = word => {
    const task = data.problems[state.problem].id, place = make("div", {});
    const box = fold("Statement and tests", false, place);
    box.addEventListener("toggle", () => {
      if (!box.open || place.childNodes.length) return;
      place.textContent = "Reading …";
      tests(task, word).then(parts => place.replaceChildren(...parts.filter(Boolean)),
        error => { place.textContent = `They can't be shown: ${error.message}`; });
    });
    return box;
  };

  const outcome = sample => {
    const place = make("div", { class: "program" });
    const draw = error => place.replaceChildren(listing(sample.code, error));
    draw(sample.errors ? sample.errors[0] : null);
    const word = sample.tests && (sample.tests[profile()] ?? sample.tests[0]);
    return [
      make("p", { class: "verdict" },
        make("span", { class: `badge ${styleOf(verdict(sample))}` }, sample.lost ? "could not be graded" : verdict(sample)),
        " ", facts(sample)),
      sample.lost ? make("p", { class: "words" }, `The grader failed: ${sample.lost}`) : null,
      ...(word ? strip(sample, word, data.statuses, draw) : []),
      place,
      tests ? asked(word) : null,
      sample.completion === undefined ? null
        : fold("Raw completion (not the same as the program)", false, completion(sample.completion, sample.code)),
    ];
  };

  const fetched = problem => {
    const shown = () => data.problems[state.problem] === problem;
    const say = words => at("detail").replaceChildren(make("h3", {}, problem.id), make("p", { class: "words" }, words));
    say("Reading …");
    load(problem.id).then(whole => {
      Object.assign(problem, whole, { whole: true });
      if (shown()) detail();
    }, error => { if (shown()) say(`This program can't be shown: ${error.message}`); });
  };

  const detail = () => {
    const problem = data.problems[state.problem];
    if (load && !problem.whole) return fetched(problem);
    const run = problem.runs[state.run], sample = run.samples[state.sample];
    at("detail").replaceChildren(...[
      make("h3", {}, problem.id, problem.level ? make("small", {}, problem.level) : null),
      problem.erratum ? make("p", { class: "erratum" }, `Known bad problem: ${problem.erratum}`) : null,
      ...given(problem, run),
      ...problem.runs.map((each, place) => (each ? chips(problem, each, place) : null)),
      ...outcome(sample),
    ].filter(Boolean));
  };

  // --- What is shown, and the address that says so --------------------------------------------------------

  const show = (change, focus = false) => {
    Object.assign(state, change);
    const runs = data.problems[state.problem].runs;
    if (!runs[state.run]) state.run = runs.findIndex(Boolean);
    state.sample = Math.max(0, Math.min(state.sample, runs[state.run].samples.length - 1));
    choose(at("problems"), rows[state.problem]);
    detail();
    if (focus) at("detail").querySelector(".chips [aria-pressed=true]")?.focus();
    const address = new URLSearchParams({
      task: data.problems[state.problem].id, run: state.run, sample: runs[state.run].samples[state.sample].id,
    });
    try { history.replaceState(null, "", `#${address}`); } catch { /* some viewers of files forbid it */ }
  };

  const addressed = () => {
    const address = new URLSearchParams(location.hash.slice(1));
    const problem = data.problems.findIndex(each => each.id === address.get("task"));
    if (problem < 0) return null;
    const run = Number(address.get("run")) || 0;
    const samples = data.problems[problem].runs[run]?.samples ?? [];
    return { problem, run, sample: samples.findIndex(each => String(each.id) === address.get("sample")) };
  };

  const reveal = () => rows[state.problem].scrollIntoView({ block: "nearest" });

  const move = step => {
    let index = state.problem + step;
    while (rows[index]?.hidden) index += step;
    if (rows[index]) {
      show({ problem: index, run: null, sample: 0 });
      reveal();
    }
  };

  const options = (select, all, names) => {
    select.replaceChildren(make("option", { value: "" }, all), ...names.map(name => make("option", { value: name }, name)));
  };

  const start = () => {
    const levels = [...new Set(data.problems.map(problem => problem.level).filter(Boolean))];
    options(at("level"), "Any difficulty", levels);
    at("level").hidden = levels.length < 2;
    const everything = data.problems.flatMap(samplesOf);
    const found = new Set(everything.flatMap(sample => sample.verdicts.map(letter => data.statuses[letter])));
    const names = Object.values(data.statuses).filter(name => found.has(name));
    options(at("verdict"), "Any outcome", ["solved", "unsolved", ...ONLY, ...names,
      ...(everything.some(sample => sample.lost) ? ["could not be graded"] : [])]);
    at("profile").replaceChildren(...data.profiles.map(name => make("option", { value: name }, `Profile ${name}`)));
    at("profile").value = at("programs").dataset.profile;
    at("profile").hidden = data.profiles.length < 2;
    at("shown").textContent = data.problems.length === data.of ? ""
      : `${data.problems.length.toLocaleString("en")} of ${plural(data.of, "problem")}, so that this page stays small; which ones is settled by a hash of their ids.`;
    at("problems").append(...rows);
    rove(at("problems"), "ArrowUp", "ArrowDown");
    for (const id of ["query", "level", "verdict"]) at(id).addEventListener("input", filter);
    at("profile").addEventListener("input", () => { label(); filter(); detail(); });
    addEventListener("hashchange", () => { const asked = addressed(); if (asked) show(asked); });
    addEventListener("keydown", event => {
      if (event.target.closest?.("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = { "/": () => at("query").focus(), j: () => move(1), k: () => move(-1),
        n: () => show({ sample: state.sample + 1 }), p: () => show({ sample: state.sample - 1 }) }[event.key];
      if (key) { event.preventDefault(); key(); }
    });
    at("programs").hidden = false;
    label();
    filter();
    const asked = addressed();
    show(asked ?? { problem: 0, run: null, sample: 0 });
    if (asked) { reveal(); at("programs").scrollIntoView(); }
  };
  start();
};

if (document.getElementById("data")) browse(JSON.parse(document.getElementById("data").textContent));
