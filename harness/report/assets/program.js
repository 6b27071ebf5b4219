
// One program: its lines, the line of an error, and a strip of its tests. Text goes into text nodes only.

/** An element; `children` are elements and strings, and strings never become markup. */
const make = (tag, properties = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
};

/** Arrow keys, Home and End move among the buttons of a row or list; the Tab key enters it once. */
const rove = (box, previous, next) => {
  box.addEventListener("keydown", event => {
    const buttons = [...box.querySelectorAll("button:not([hidden])")];
    const here = buttons.indexOf(document.activeElement);
    const to = { [previous]: here - 1, [next]: here + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (here < 0 || to === undefined) return;
    event.preventDefault();
    const target = buttons[Math.max(0, Math.min(to, buttons.length - 1))];
    target.focus();
    target.click();
  });
};

/** Marks one button of a box as the chosen one. */
const choose = (box, chosen) => {
  for (const button of box.querySelectorAll("[tabindex='0']")) button.tabIndex = -1;
  box.querySelector("[aria-pressed=true]")?.setAttribute("aria-pressed", "false");
  chosen.setAttribute("aria-pressed", "true");
  chosen.tabIndex = 0;
};

const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const seconds = milliseconds => `${(milliseconds / 1000).toFixed(3)} s`;
const styleOf = status => `status-${status.replaceAll(" ", "_")}`;
const errorText = error => [error.type, error.message].filter(Boolean).join(": ");

const TOKEN = new RegExp(
  [
    /(?<comment>#[^\n]*)/,
    /(?<string>(?:\b[rbfuRBFU]{1,2})?(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))/,
    /(?<keyword>\b(?:False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)/,
    /(?<number>\b\d[\w.]*)/,
  ].map(part => part.source).join("|"),
  "g",
);

/** The program as lines of spans; Python's words are coloured. */
const coloured = code => {
  const lines = [[]];
  const put = (text, kind) => {
    text.split("\n").forEach((part, index) => {
      if (index) lines.push([]);
      if (part) lines.at(-1).push(kind ? make("span", { class: `py-${kind}` }, part) : part);
    });
  };
  let end = 0;
  for (const match of code.matchAll(TOKEN)) {
    put(code.slice(end, match.index));
    put(match[0], Object.keys(match.groups).find(name => match.groups[name] !== undefined));
    end = match.index + match[0].length;
  }
  put(code.slice(end));
  return lines;
};

/** The program with line numbers; the error stands under its line, or above all where it has none. */
const listing = (code, error) => {
  const box = make("div", { class: "code", tabindex: "0", role: "region", "aria-label": "Program" });
  const message = () => make("div", { class: "message", role: "note" }, errorText(error));
  // As Python counts them.
  const lines = coloured(code.replace(/\r\n?/g, "\n"));
  if (lines.length > 1 && !lines.at(-1).length && error?.line !== lines.length) lines.pop();
  if (error && !(error.line >= 1 && error.line <= lines.length)) box.append(message());
  lines.forEach((parts, index) => {
    const wrong = error && error.line === index + 1;
    const line = make("div", { class: wrong ? "line wrong" : "line", "data-line": index + 1 });
    line.append(make("code", {}, ...parts, "\n"));
    box.append(line, ...(wrong ? [message()] : []));
  });
  return box;
};

/** A completion; what of it became the program stands out. */
const completion = (raw, code) => {
  const start = code ? raw.indexOf(code) : -1;
  if (start < 0) return make("pre", { class: "raw" }, raw);
  return make(
    "pre", { class: "raw" },
    make("span", { class: "dropped" }, raw.slice(0, start)),
    code,
    make("span", { class: "dropped" }, raw.slice(start + code.length)),
  );
};

const SIGNS = { p: "✓", w: "✗", r: "!", s: "?", t: "t", m: "m", o: "o", n: "–" };

/** One mark for each test, and a line of words for the one that is pointed at. */
const strip = (sample, word, statuses, onTest) => {
  const words = make("p", { class: "said" });
  const marks = make("div", { class: "strip", role: "group", "aria-label": "Tests" });
  const describe = index => {
    const error = sample.which && sample.which[index] >= 0 ? sample.errors[sample.which[index]] : null;
    return [`Test ${index + 1} of ${word.length}: ${statuses[word[index]]}`, seconds(sample.times[index]),
      ...(error ? [errorText(error)] : [])].join(" · ");
  };
  [...word].forEach((letter, index) => {
    const mark = make("button", { class: styleOf(statuses[letter]), title: describe(index), tabindex: index ? -1 : 0,
      "aria-label": describe(index) }, SIGNS[letter]);
    mark.addEventListener("click", () => {
      choose(marks, mark);
      words.textContent = describe(index);
      onTest(sample.which && sample.which[index] >= 0 ? sample.errors[sample.which[index]] : null);
    });
    marks.append(mark);
  });
  rove(marks, "ArrowLeft", "ArrowRight");
  const tally = Object.entries(statuses).map(([letter, name]) => [[...word].filter(l => l === letter).length, name]);
  const slowest = sample.times.indexOf(Math.max(...sample.times));
  words.textContent = `${plural(word.length, "test")}: ` +
    tally.filter(([count]) => count).map(([count, name]) => `${count} ${name}`).join(", ") +
    ` · slowest: test ${slowest + 1}, ${seconds(sample.times[slowest])}`;
  return [marks, words];
};