// The page /try: subscribes, shows what arrives, and says in plain words what does not work.
//
// For drivers: <html data-state="loading|ready|subscribing|subscribed|error" data-label data-space data-pushes>,
// and globalThis.pushTry with subscribe(), unsubscribe(), subscription(), pushes() and problem().

const root = document.documentElement;
const at = id => document.getElementById(id);
const query = new URLSearchParams(location.search);
const channel = new BroadcastChannel('push-try');
const REMEMBERED = 'push-try';
// Milliseconds, and how often.
const ANSWER = 1500;
const TRIES = 6;

let config = null;
let registration = null;
let problem = null;
const pushes = [];

globalThis.pushTry = {
  subscribe, unsubscribe,
  subscription: async () => (await current())?.toJSON() ?? null,
  pushes: () => structuredClone(pushes),
  problem: () => problem,
};

channel.addEventListener('message', event => {
  if (event.data.kind === 'push' || event.data.kind === 'renewed') add(event.data.entry);
  if (event.data.kind === 'renewed') refresh();
});
at('subscribe').addEventListener('click', subscribe);
at('unsubscribe').addEventListener('click', unsubscribe);
at('clear').addEventListener('click', clear);
for (const button of document.querySelectorAll('[data-copy]')) button.addEventListener('click', () => copy(button));

start().catch(error => fail('The page cannot start', error.message, 'Look at the console of the browser.'));

async function start() {
  if (!('serviceWorker' in navigator) || !('PushManager' in globalThis)) {
    return fail(
      'This browser has no push here',
      globalThis.isSecureContext
        ? 'It has no service workers or no PushManager. A private window has none, and chromium-headless-shell has no push service.'
        : `Push works in secure contexts only, and ${location.origin} is none.`,
      globalThis.isSecureContext ? 'Use a normal window of the full browser.' : 'Open the page under localhost, or over https.',
    );
  }
  const space = query.get('space');
  config = await call('GET', `/try/config${space ? `?space=${encodeURIComponent(space)}` : ''}`);
  at('foot').textContent = `push ${config.version} · ${location.origin}`;
  showPermission();
  try {
    // The scope lies above the script, which the service allows by name.
    registration = await navigator.serviceWorker.register('/try/worker.js', { scope: '/try' });
    await activated(registration);
    step('worker', 'ok', 'active');
  } catch (error) {
    step('worker', 'bad', 'not registered');
    return fail('The service worker was refused', error.message, 'Reload the page; is the service still running?');
  }
  // The list does not hold up what the page is for.
  restore().catch(() => {});
  const subscription = await current();
  if (subscription) return subscribed(subscription);
  if (remembered()) return again('The browser lost its subscription, so it subscribed again.');
  ready();
  if (query.has('auto')) await subscribe();
}

// `navigator.serviceWorker.ready` waits for a worker of this page's scope; this is the one that was registered.
async function activated(registration) {
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  if (!worker || worker.state === 'activated') return;
  await new Promise((resolve, reject) => worker.addEventListener('statechange', () => {
    if (worker.state === 'activated') resolve();
    if (worker.state === 'redundant') reject(new Error('the worker was replaced before it started'));
  }));
}

// Firefox never answers the question of a page that was open before its push service was up, so it is asked again.
async function current() {
  if (!registration) return null;
  for (let tries = 1; ; tries += 1) {
    const asked = registration.pushManager.getSubscription().then(subscription => ({ subscription }));
    const answer = await Promise.race([asked, new Promise(resolve => setTimeout(resolve, ANSWER))]);
    if (answer) return answer.subscription;
    step('subscription', null, `the browser does not answer yet (${tries})`);
    if (tries === TRIES) throw new Error('getSubscription() got no answer');
  }
}

function ready() {
  state('ready');
  const button = at('subscribe');
  button.disabled = false;
  button.hidden = false;
  at('unsubscribe').hidden = true;
  step('subscription', null, 'none');
  step('send', null, 'nothing yet');
  for (const id of ['json', 'send']) at(id).hidden = true;
  at('send-hint').hidden = false;
  at('who').textContent = 'Not subscribed yet. The private key never leaves the browser.';
  delete root.dataset.label;
}

async function subscribe() {
  if (!registration || root.dataset.state === 'subscribing') return;
  calm();
  state('subscribing');
  at('subscribe').disabled = true;
  step('subscription', null, 'subscribing …');
  if (Notification.permission === 'default' && navigator.userActivation?.isActive !== false) {
    await Notification.requestPermission();
  }
  showPermission();
  if (Notification.permission === 'denied') {
    return fail('Notifications are blocked for this page', 'Without this permission no browser gives a subscription.',
      'Allow them beside the address, or use a profile of push browser, which grants it.');
  }
  try {
    const options = { userVisibleOnly: true };
    if (query.get('key') !== 'none') options.applicationServerKey = config.vapidPublicKey;
    await subscribed(await registration.pushManager.subscribe(options));
  } catch (error) {
    fail(`subscribe() was refused: ${error.name}`, error.message, advice(error));
  }
}

// What the browsers mean by what they say.
function advice(error) {
  const text = `${error.name} ${error.message}`;
  if (/permission/i.test(text) || error.name === 'NotAllowedError') {
    return 'Allow notifications for this page. An incognito window of Chromium is always refused.';
  }
  if (/applicationServerKey|gcm_sender_id/i.test(text)) {
    return 'Only Firefox subscribes without a key: leave ?key=none out.';
  }
  if (/push service not available/i.test(text)) {
    return 'This build has no push service: use the full Chromium with --headless=new, not chromium-headless-shell.';
  }
  if (error.name === 'InvalidStateError') return 'There is a subscription with another key: unsubscribe first.';
  if (error.name === 'AbortError') {
    return 'The browser does not reach the service: is it running, and was the browser started by push browser? '
      + 'docs/browsers.md says which step breaks how.';
  }
  return 'See docs/browsers.md, "Which step broke".';
}

async function subscribed(subscription, isSecond = false) {
  const json = subscription.toJSON();
  const answer = await fetch('/try/subscription', posted(json));
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 404 || answer.status === 410) {
      await subscription.unsubscribe();
      if (!isSecond && remembered()) {
        return again('The service did not know the old subscription any more, so the page subscribed again.', true);
      }
      forget();
      return fail('This browser is subscribed to another push service',
        `The endpoint begins with ${new URL(json.endpoint).origin}, and this service has not given it out.`,
        'Start the browser with push browser firefox, or push browser chromium.');
    }
    return fail('The service did not take the subscription', said.detail ?? `It answered ${answer.status}.`, said.fix ?? '');
  }
  const { label, space } = await answer.json();
  localStorage.setItem(REMEMBERED, JSON.stringify({ key: query.get('key') !== 'none' }));
  root.dataset.label = label;
  root.dataset.space = space;
  showSubscription(json, label, space);
  state('subscribed');
  const wanted = query.get('space');
  if (wanted && wanted !== space) {
    warn(`This browser belongs to space ${space}`, `The address asks for space ${wanted}, but the space is chosen when the browser starts.`,
      `Start one with --space ${wanted}.`);
  }
}

function showSubscription(json, label, space) {
  step('subscription', 'ok', 'this service answers');
  step('send', 'ok', 'ready');
  at('subscribe').hidden = true;
  at('unsubscribe').hidden = false;
  at('unsubscribe').disabled = false;
  at('json-text').textContent = JSON.stringify(json);
  at('send-text').textContent = sendCommand(label, space);
  at('json').hidden = at('send').hidden = false;
  at('send-hint').hidden = true;
  const who = at('who');
  who.textContent = 'Label ';
  const name = document.createElement('b');
  name.textContent = label;
  who.append(name, `, space ${space}. The private key never leaves the browser.`);
}

function sendCommand(label, space) {
  const word = text => /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const inSpace = space === 'default' ? '' : ` --space ${word(space)}`;
  const to = location.origin === 'http://localhost:8030' ? '' : ` --url ${location.origin}`;
  return `push send ${word(label)} "Hello"${inSpace}${to}`;
}

async function again(why, isSecond = false) {
  state('subscribing');
  try {
    const options = { userVisibleOnly: true };
    if (JSON.parse(localStorage.getItem(REMEMBERED) ?? '{}').key !== false) options.applicationServerKey = config.vapidPublicKey;
    await subscribed(await registration.pushManager.subscribe(options), isSecond);
    if (root.dataset.state === 'subscribed') warn('Subscribed again', why, '');
  } catch (error) {
    forget();
    ready();
    fail(`The subscription is lost: ${error.name}`, error.message, advice(error));
  }
}

async function unsubscribe() {
  calm();
  forget();
  try {
    const subscription = await current();
    if (subscription) await subscription.unsubscribe();
    ready();
  } catch (error) {
    fail('unsubscribe() failed', error.message, 'Try again; the browser keeps the subscription until it succeeds.');
  }
}

async function refresh() {
  const subscription = await current();
  if (subscription) await subscribed(subscription);
}

const remembered = () => localStorage.getItem(REMEMBERED) !== null;
const forget = () => localStorage.removeItem(REMEMBERED);

function state(name) {
  root.dataset.state = name;
}

function step(name, tone, words) {
  const item = at(`step-${name}`);
  if (tone) item.dataset.tone = tone; else delete item.dataset.tone;
  item.querySelector('.level').textContent = words;
}

function showPermission() {
  const permission = Notification.permission;
  root.dataset.permission = permission;
  const tones = { granted: 'ok', denied: 'bad', default: null };
  step('permission', tones[permission], permission === 'default' ? 'not asked yet' : permission);
}

function note(tone, what, why, fix) {
  const box = at('note');
  box.hidden = false;
  box.dataset.tone = tone;
  at('note-what').textContent = what;
  at('note-why').textContent = why;
  at('note-do').textContent = fix;
}

const warn = (what, why, fix) => note('lost', what, why, fix);

function fail(what, why, fix) {
  problem = { what, why, fix };
  note('bad', what, why, fix);
  state('error');
  step('subscription', 'bad', 'none');
  const button = at('subscribe');
  button.hidden = false;
  button.disabled = !registration;
}

function calm() {
  problem = null;
  at('note').hidden = true;
}

// Pushes that came while no page was open are in the worker's list.
async function restore() {
  const kept = await (await caches.open('push-try')).match('/try/log');
  if (kept) for (const entry of (await kept.json()).reverse()) add(entry);
}

function add(entry) {
  pushes.push(entry);
  root.dataset.pushes = pushes.length;
  at('got-count').textContent = pushes.length;
  at('got-empty').hidden = true;
  at('got').prepend(line(entry));
}

function line(entry) {
  const item = document.createElement('li');
  item.dataset.kind = entry.kind;
  const part = (tag, name, text) => {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    item.append(element);
    return element;
  };
  part('time', '', new Date(entry.at).toLocaleTimeString('en-GB')).dateTime = entry.at;
  part('b', 'text', entry.title ?? '');
  const isPush = entry.kind !== 'renewed';
  part('span', 'level', isPush ? entry.kind : 'new endpoint').dataset.tone = entry.title === 'Subscription lost' ? 'bad' : 'ok';
  const facts = [];
  if (isPush) facts.push(entry.octets === null ? 'no body' : `${entry.octets} octets`);
  if (isPush) facts.push(entry.shown ? 'notification shown' : `no notification: ${entry.problem ?? 'unknown'}`);
  if (entry.text && entry.text !== entry.title) facts.push(entry.text);
  part('span', 'meta', facts.join(' · '));
  if (entry.hex) part('span', 'hex', entry.hex);
  return item;
}

function clear() {
  pushes.length = 0;
  root.dataset.pushes = 0;
  at('got').replaceChildren();
  at('got-count').textContent = 0;
  at('got-empty').hidden = false;
  channel.postMessage({ kind: 'clear' });
}

async function copy(button) {
  const text = at(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(at(button.dataset.copy));
    button.textContent = 'Selected: press Ctrl-C';
  }
  button.addEventListener('blur', () => { button.textContent = 'Copy'; }, { once: true });
}

function posted(body) {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

async function call(method, path) {
  const answer = await fetch(path, { method, cache: 'no-store' });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}
