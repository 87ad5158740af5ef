// app.js -- the frame: who is signed in, which page, keyboard, live state.

import { el, show, toast } from './dom.js';
import * as api from './api.js';
import * as live from './live.js';
import { signInView } from './signin.js';
import { approvalsView } from './approvals.js';
import { runsView } from './runs.js';
import { exceptionsView } from './exceptions.js';

const app = document.getElementById('app');
const pages = { approvals: ['Approvals', approvalsView], runs: ['Runs', runsView], exceptions: ['Exceptions', exceptionsView] };
let person = null;
let view = null;
let place = { page: '', id: '' };
let badge = null;
let main = null;
let links = {};

function where() {
  const [, page, id] = location.hash.match(/^#\/(\w+)(?:\/([\w-]+))?/) || [];
  return { page: pages[page] ? page : 'approvals', id: id || '' };
}

function setBadge(n) {
  if (!badge) return;
  badge.textContent = n > 0 ? String(n) : '';
  badge.hidden = n === 0;
  document.title = (n > 0 ? `(${n}) ` : '') + pages[place.page][0] + ' · reeve';
}

function frame() {
  const light = el('span', { class: 'live', id: 'live', title: 'connecting' }, el('span', { class: 'unseen' }, 'live updates: connecting'));
  badge = el('span', { class: 'badge', hidden: true, 'aria-label': 'waiting' });
  links = Object.fromEntries(Object.entries(pages).map(([key, [name]]) =>
    [key, el('a', { href: '#/' + key }, name, key === 'approvals' ? badge : null)]));
  main = el('main', { id: 'main', tabindex: '-1' });
  show(app,
    el('header', { class: 'top' },
      el('a', { class: 'brand', href: '#/approvals' }, el('span', { class: 'mark', 'aria-hidden': 'true' }, 'R'), el('span', { class: 'name' }, 'reeve')),
      el('nav', { 'aria-label': 'Pages' }, Object.values(links)),
      el('span', { class: 'grow' }), light,
      el('span', { class: 'person', title: person.roles.join(', ') }, person.person),
      el('button', { class: 'link', onclick: leave }, 'Sign out')),
    main);
  live.start((up) => {
    light.classList.toggle('up', up);
    light.title = up ? 'live' : 'reconnecting';
    light.firstChild.textContent = up ? 'live updates are on' : 'live updates: reconnecting';
  });
}

function route() {
  if (!person) return;
  const next = where();
  if (view && next.page === place.page && next.page === 'approvals') {
    place = next;
    view.choose(next.id);
    return;
  }
  if (view) view.close();
  place = next;
  for (const [key, link] of Object.entries(links)) {
    if (key === next.page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = pages[next.page][0] + ' · reeve';
  view = next.page === 'approvals' ? approvalsView(main, person, next.id, setBadge) : pages[next.page][1](main, person, next.id);
}

async function leave() {
  try { await api.signOut(); } catch (problem) { toast(problem.message, 'bad'); return; }
  signedOut();
}

function signedOut() {
  live.stop();
  if (view) view.close();
  view = null;
  if (person === null && app.querySelector('.signin')) return;
  person = null;
  signInView(app, enter);
}

function enter(who) {
  person = who;
  frame();
  route();
}

const keys = [['j  k', 'next and previous approval'], ['Enter', 'open the chosen one'], ['a', 'approve (asks once more)'],
  ['r', 'reject (asks for the reason)'], ['/', 'search'], ['Esc', 'back, close'], ['?', 'this list']];

function help() {
  const dialog = el('dialog', { class: 'decision', 'aria-labelledby': 'help-title', onclose: () => dialog.remove() },
    el('form', { method: 'dialog' }, el('h2', { id: 'help-title' }, 'Keyboard'),
      el('dl', { class: 'pairs keys' }, keys.map(([key, what]) => [el('dt', {}, key.split('  ').map((one) => el('kbd', {}, one))), el('dd', {}, what)])),
      el('div', { class: 'buttons' }, el('button', { class: 'primary' }, 'Close'))));
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !person || document.querySelector('dialog[open]')) return;
  const target = event.target;
  if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return;
  if (event.key === '?') { help(); event.preventDefault(); return; }
  if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && !(target.classList && target.classList.contains('row'))) return;
  if (view && view.key(event.key)) event.preventDefault();
});

window.addEventListener('hashchange', route);
api.whenSignedOut(signedOut);
api.me().then(enter, () => { if (!person && !app.querySelector('.signin')) signInView(app, enter); });
