// contest.js -- a question about a business key: one run has it, another one wants it, people decide which of the two.

import { el } from './dom.js';
import { moment, principal } from './format.js';

export function isContest(item) {
  return item.action === 'run.start' && Boolean(item.facts && item.facts.holder && item.facts.wants);
}

// What the buttons and the confirm step say in place of Approve and Reject.
export const contestWords = {
  approve: 'Hand over', reject: 'Keep', done: { approve: 'Handed over.', reject: 'The holder keeps it.', void: 'The policy has changed: it counts for nothing.' },
  title: { approve: 'Hand the key over?', reject: 'Let the holder keep it?' },
};

function runLink(name) {
  return el('a', { href: '#/runs/' + String(name).replace(/^r_/, '') }, name);
}

// Who began the holder: a run, an exception that was found, or somebody; a question of an older reeve does not say.
function begun(by) {
  if (by === 'exception') return 'the exception that was found';
  return /^r_\d+$/.test(by || '') ? runLink(by) : principal(by);
}

// `input` is shown by the caller's `pairs`.
function side(title, one, lines, pairs) {
  return el('div', { class: 'rival' }, el('h4', {}, title),
    el('dl', { class: 'pairs' },
      el('dt', {}, 'Run'), el('dd', {}, runLink(one.run)),
      el('dt', {}, 'Agent'), el('dd', {}, one.agent),
      lines.map(([name, text]) => text ? [el('dt', {}, name), el('dd', {}, text)] : null)),
    one.input ? [el('p', { class: 'quiet small' }, 'Works on'), pairs(one.input)] : null);
}

export function contestRuns(item, pairs) {
  const { holder, wants } = item.facts;
  const doing = holder.status === 'waiting' && holder.waiting_on ? `waiting for ${holder.waiting_on}` : holder.status;
  return [
    side('Has the key', holder, [['Begun by', begun(holder.begun_by)], ['Since', moment(holder.since)], ['Was', doing], ['Priority', String(holder.priority || 0)]], pairs),
    side('Wants the key', wants, [['Asked by', principal(wants.begun_by)]], pairs)];
}

export function contestEffect(item) {
  const effect = item.effect || {};
  return el('dl', { class: 'pairs' },
    el('dt', {}, contestWords.approve), el('dd', {}, effect.approve || ''),
    el('dt', {}, contestWords.reject), el('dd', {}, effect.reject || ''),
    el('dt', {}, 'No answer'), el('dd', {}, effect.expire || ''));
}
