// The simulator's page. Whatever came in a call is shown as text: nothing here parses HTML.
"use strict";

const MOST_CALLS = 200;
const find = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function times(count) {
  return count === null ? "every time" : count === 1 ? "once" : `${count} times`;
}

function say(text, bad) {
  find("said").textContent = text;
  find("said").className = bad ? "bad" : "";
}

async function order(name, fields, done) {
  try {
    const answer = await fetch(`control/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    const told = await answer.json();
    say(answer.ok ? done : `Refused: ${told.error}`, !answer.ok);
  } catch {
    say("The simulator did not answer.", true);
  }
}

const FAULTS = {
  slow: { delay: 5 },
  reset: { reset: true },
  lost: { reset: true, after: true },
  429: { status: 429, headers: { "Retry-After": "1" } },
};

find("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const kind = find("fault-kind");
  const fault = FAULTS[kind.value] || { status: Number(kind.value) };
  const count = find("fault-times").valueAsNumber;
  const what = `${kind.selectedOptions[0].textContent}, ${times(count)}`;
  order("inject", { endpoint: find("fault-endpoint").value, fault, times: count }, `Injected: ${what}`);
});

find("clock-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const minutes = find("minutes").valueAsNumber;
  order("advance", { seconds: minutes * 60 }, `The clock is ${minutes} minutes further.`);
});

find("throttle").addEventListener("change", () => {
  const throttle = find("throttle").value || null;
  order("behaviour", { throttle }, `Throttle: ${throttle || "off"}`);
});

for (const button of document.querySelectorAll("button[data-order]")) {
  button.addEventListener("click", () => {
    const somewhere = "where" in button.dataset && last?.environments;
    const fields = somewhere ? { environment: find("environment").value } : {};
    order(button.dataset.order, fields, `Done: ${button.textContent}`);
  });
}

// Calls

function wire(first, headers, body) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return element("pre", [first, ...lines, "", body].join("\n"), "wire");
}

async function open(details, call) {
  if (details.dataset.loaded) return;
  details.dataset.loaded = "yes";
  try {
    const answer = await fetch(`control/calls?number=${call.number}`);
    const [found] = (await answer.json()).calls;
    if (!found) throw new Error("gone");
    const query = found.request.query ? `?${found.request.query}` : "";
    details.append(
      element("h3", "Request"),
      wire(`${found.method} ${found.path}${query}`, found.request.headers, found.request.body),
      element("h3", "Answer"),
      wire(found.status ? `HTTP ${found.status}` : "no answer", found.reply.headers, found.reply.body),
    );
  } catch {
    details.append(element("p", "The simulator no longer has this call.", "bad"));
  }
}

function row(call) {
  const item = element("li", undefined, "new");
  const details = element("details");
  const summary = element("summary");
  const right = call.status >= 200 && call.status < 400;
  summary.append(
    element("span", call.status ? String(call.status) : "no answer", `status ${right ? "good" : "bad"}`),
    ` ${call.method} `,
    element("code", (call.environment ? `/${call.environment}` : "") + call.path),
    element("span", ` ${new Date(call.at * 1000).toLocaleTimeString()}`),
  );
  if (call.why) summary.append(element("span", `: ${call.why}`, "why"));
  details.append(summary);
  details.addEventListener("toggle", () => details.open && open(details, call));
  item.append(details);
  item.dataset.endpoint = call.endpoint;
  item.dataset.refused = right ? "" : "yes";
  return item;
}

function filter() {
  const wanted = find("filter").value;
  for (const item of find("calls").children) {
    const fits = wanted === "refused" ? item.dataset.refused : item.dataset.endpoint === wanted;
    item.hidden = Boolean(wanted) && !fits;
  }
}
find("filter").addEventListener("change", filter);

function addCalls(calls) {
  const list = find("calls");
  list.prepend(...calls.map(row).reverse());
  while (list.children.length > MOST_CALLS) list.lastElementChild.remove();
  filter();
}

// State

function pairs(list, values) {
  list.replaceChildren(...Object.entries(values).map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", name.replaceAll("_", " ")), element("dd", String(value)));
    return pair;
  }));
}

function cell(name, value, now) {
  if (!name.endsWith("_at") || typeof value !== "number") return String(value ?? "");
  const left = Math.round(value - now);
  if (value === 0 || left <= 0) return name === "expires_at" ? "expired" : new Date(value * 1000).toLocaleTimeString();
  return `in ${left >= 120 ? `${Math.round(left / 60)} min` : `${left} s`}`;
}

function table(kind, rows, now) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const made = element("table");
  made.append(element("caption", rows.length >= 100 ? "The latest 100" : `${rows.length} of them`));
  const head = element("tr");
  head.append(...names.map((name) => {
    const column = element("th", name.replaceAll("_", " "));
    column.scope = "col";
    return column;
  }));
  made.createTHead().append(head);
  const body = made.createTBody();
  for (const each of rows) {
    const line = element("tr");
    line.append(...names.map((name) => element("td", cell(name, each[name], now))));
    body.append(line);
  }
  return made;
}

function section(kind, rows, now) {
  const made = element("section");
  const title = element("h2", kind.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase()));
  title.id = `thing-${kind}`;
  made.setAttribute("aria-labelledby", title.id);
  const scroll = element("div", undefined, "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-labelledby", title.id);
  scroll.append(rows.length ? table(kind, rows, now) : element("p", "None."));
  made.append(title, scroll);
  return made;
}

function showWhatThereIs(state) {
  for (const button of document.querySelectorAll("button[data-where]")) {
    button.hidden = !state.actions.includes(button.dataset.order);
  }
  for (const option of document.querySelectorAll("#fault-endpoint option, #filter option")) {
    option.hidden = Boolean(option.value) && option.value !== "refused" && !state.endpoints.includes(option.value);
  }
  find("environment-field").hidden = !state.environments;
}

function fillEnvironments(environments) {
  const names = Object.keys(environments).filter(Boolean);
  const select = find("environment");
  if (select.dataset.names === names.join()) return; // whoever is choosing is not disturbed
  select.dataset.names = names.join();
  const chosen = select.value;
  select.replaceChildren(...["", ...names].map((name) => {
    const option = element("option", name || "(default)");
    option.value = name;
    return option;
  }));
  if (names.includes(chosen)) select.value = chosen;
  find("environments").textContent = names.length ? `; environments: ${names.join(", ")}` : "";
}

function showState(state, now) {
  find("url").textContent = state.url;
  pairs(find("counts"), state.counts);
  pairs(find("behaviour"), state.behaviour);
  find("clock").textContent = state.clock_ahead ? `The clock is ${Math.round(state.clock_ahead / 60)} minutes ahead.` : "";
  if (document.activeElement !== find("throttle")) find("throttle").value = state.behaviour.throttle || "";
  showWhatThereIs(state);
  fillEnvironments(state.environments ?? {});
  const faults = state.faults.map((each) => `${each.endpoint}: ${each.what}, ${times(each.times)}`);
  if (state.scenario) faults.push(`scenario: ${state.scenario}`);
  find("faults").textContent = faults.length ? `Waiting to go wrong: ${faults.join("; ")}` : "";
  showThings(state.things, now);
}

function showThings(things, now) {
  const focused = document.activeElement?.closest("#things section")?.getAttribute("aria-labelledby");
  const sections = Object.entries(things).map(([kind, rows]) => section(kind, rows, now));
  find("things").replaceChildren(...sections);
  if (focused) find(focused)?.parentElement.querySelector(".scroll").focus();
}

// Events

const events = new EventSource("control/events");
let last = null;

events.addEventListener("open", () => {
  find("connection").textContent = "Connected: what happens appears at once.";
  find("connection").className = "good";
});
events.addEventListener("error", () => {
  find("connection").textContent = "The simulator does not answer; trying again.";
  find("connection").className = "bad";
});
events.addEventListener("message", (event) => {
  const update = JSON.parse(event.data);
  if (update.fresh) find("calls").replaceChildren();
  if (update.calls) addCalls(update.calls);
  if (update.state) last = update.state;
  if (last) showState(last, update.now);
  find("no-calls").hidden = find("calls").children.length > 0;
});
