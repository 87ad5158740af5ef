// approval.js -- one approval: everything its decider must see before the buttons.

import { el } from './dom.js';
import { isContest, contestWords, contestRuns, contestEffect } from './contest.js';
import { money, plainMoney, moment, age, span, actionName, label, principal, tiers, statusWords, statusHints } from './format.js';

function section(title, ...content) {
  return el('section', { class: 'block' }, el('h3', {}, title), ...content);
}

function value(key, thing, currency) {
  if (thing === null || thing === undefined) return el('span', { class: 'quiet' }, 'none');
  if (key.endsWith('_minor') && typeof thing === 'number') return money(thing, currency) || String(thing);
  if (typeof thing === 'boolean') return thing ? 'yes' : 'no';
  if (Array.isArray(thing)) {
    if (thing.length === 0) return el('span', { class: 'quiet' }, 'none');
    if (thing.every((one) => typeof one !== 'object')) return thing.join(', ');
    return el('ul', { class: 'plain' }, thing.map((one) => el('li', {}, value('', one, currency))));
  }
  if (typeof thing === 'object' && typeof thing.minor === 'number') return money(thing.minor, thing.currency || currency);
  if (typeof thing === 'object') return pairs(thing, currency);
  return String(thing);
}

export function pairs(object, currency) {
  const keys = Object.keys(object || {});
  if (keys.length === 0) return el('p', { class: 'quiet' }, 'none');
  const own = object.currency || currency;
  return el('dl', { class: 'pairs' }, keys.map((key) => [
    el('dt', {}, label(key)), el('dd', {}, value(key, object[key], own))]));
}

function books(effect, currency) {
  const rows = effect && Array.isArray(effect.books) ? effect.books : [];
  if (rows.length === 0) {
    return el('p', { class: 'quiet' }, 'This changes no account; it only moves documents or states.');
  }
  const unit = rows[0].currency || currency;
  const sum = (side) => rows.reduce((total, row) => total + Number(row[side] || 0), 0);
  return el('div', { class: 'scroll' }, el('table', { class: 'books' },
    el('caption', { class: 'unseen' }, 'Debit and credit by account'),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Account'), el('th', { scope: 'col', class: 'number' }, `Debit ${unit || ''}`),
      el('th', { scope: 'col', class: 'number' }, `Credit ${unit || ''}`))),
    el('tbody', {}, rows.map((row) => el('tr', {},
      el('th', { scope: 'row' }, el('span', { class: 'account' }, row.account), ' ', row.name || ''),
      el('td', { class: 'number' }, plainMoney(row.debit, unit)), el('td', { class: 'number' }, plainMoney(row.credit, unit))))),
    el('tfoot', {}, el('tr', {}, el('th', { scope: 'row' }, 'Total'),
      el('td', { class: 'number' }, plainMoney(sum('debit'), unit)), el('td', { class: 'number' }, plainMoney(sum('credit'), unit))))));
}

function stages(item) {
  const missing = new Map((item.missing || []).map((one) => [one.role, one.n]));
  return el('ul', { class: 'stages' }, (item.stages || []).map((stage) => {
    const left = missing.get(stage.role) || 0;
    const done = stage.n - left;
    return el('li', { class: left === 0 ? 'done' : '' },
      el('span', { class: 'tick', 'aria-hidden': 'true' }, left === 0 ? '✓' : '○'),
      el('span', {}, label(stage.role)),
      el('span', { class: 'quiet' }, left === 0 ? 'has approved' : `${done} of ${stage.n} — still needs ${left}`));
  }));
}

function votes(item) {
  const entries = [el('li', {}, el('time', { datetime: item.requested_at }, moment(item.requested_at)),
    el('span', {}, el('b', {}, principal(item.requested_by)), ' asked'))];
  for (const vote of item.votes || []) {
    const role = Array.isArray(vote.role) ? vote.role.map(label).join(', ') : label(vote.role);
    entries.push(el('li', { class: vote.decision },
      el('time', { datetime: vote.at }, moment(vote.at)),
      el('span', {}, el('b', {}, vote.person), ` (${role}) `, vote.decision === 'approve' ? 'approved' : 'rejected',
        ` through ${vote.channel}`, vote.comment ? el('q', {}, vote.comment) : '')));
  }
  if (item.status !== 'requested' && item.decided_at) {
    entries.push(el('li', {}, el('time', { datetime: item.decided_at }, moment(item.decided_at)),
      el('span', {}, statusWords[item.status] || item.status)));
  }
  return el('ol', { class: 'timeline' }, entries);
}

export function why(item, person) {
  if (item.status !== 'requested') {
    const hint = statusHints[item.status];
    return `${statusWords[item.status] || item.status}${hint ? ': ' + hint : ''}.`;
  }
  if (Date.parse(item.expires_at) <= Date.now()) return 'The time to answer has passed.';
  if (item.voted) return 'You have decided here already; others are still needed.';
  if (item.excluded) return 'You cannot decide this: it is your own request or your own agent.';
  if (!person.may_decide) return 'Your roles allow you to read, not to decide.';
  return '';
}

// `act(approve)` opens the confirm step.
export function approvalView(item, person, now, act, onBack) {
  const left = (Date.parse(item.expires_at) - now) / 1000;
  const obstacle = why(item, person);
  const tier = tiers[item.tier] || tiers[2];
  const contest = isContest(item);
  return el('article', { class: 'detail', 'aria-labelledby': 'detail-title', 'data-id': item.id },
    el('button', { class: 'back link', onclick: onBack }, '‹ All approvals'),
    el('header', { class: 'head' },
      el('div', {},
        el('p', { class: 'chips' },
          el('span', { class: 'chip tier tier' + item.tier, title: tier.hint }, tier.name),
          item.exception_type ? el('span', { class: 'chip' }, item.exception_type) : null,
          el('span', { class: 'chip state ' + item.status }, statusWords[item.status] || item.status),
          item.escalated ? el('span', { class: 'chip warn' }, `escalated to ${item.escalate_to || 'another role'}`) : null),
        el('h2', { id: 'detail-title', tabindex: '-1' }, contest ? 'Who shall have this key?' : actionName(item.action)),
        el('p', { class: 'subject' }, item.supplier || item.resource || '')),
      el('div', { class: 'sum' }, item.amount !== null ? el('span', { class: 'amount' }, money(item.amount, item.currency)) : null,
        item.status === 'requested'
          ? el('span', { class: left < 3600 ? 'expiry urgent' : left < 4 * 3600 ? 'expiry soon' : 'expiry', 'data-expires': item.expires_at },
            left > 0 ? `expires in ${span(left)}` : 'expired') : null)),
    item.blocked ? el('p', { class: 'obstacle', role: 'alert', id: 'blocked' }, item.blocked) : null,
    item.reason ? el('p', { class: 'reason' }, item.reason) : null,
    el('div', { class: 'columns' },
      contest ? section('The two runs', contestRuns(item, pairs)) : null,
      contest ? section('What a decision does', contestEffect(item)) : section('Effect on the books', books(item.effect, item.currency)),
      section('Who must approve', stages(item),
        el('p', { class: 'quiet small' }, 'Asked for by ',
          (item.rules || []).map((rule, i) => [i ? ', ' : '', el('code', {}, rule)]), ' of the active policy.')),
      section('Exact arguments', pairs(item.args, item.currency)),
      contest ? null : section('Facts', pairs(item.facts, item.currency)),
      contest ? null : section('Evidence', (item.evidence || []).length
        ? el('ul', { class: 'evidence' }, item.evidence.map((one) => el('li', {}, typeof one === 'object' ? pairs(one, item.currency) : one)))
        : el('p', { class: 'quiet' }, 'none given')),
      section('History', votes(item)),
      section('Binding',
        el('dl', { class: 'pairs' },
          el('dt', {}, 'Digest'), el('dd', {}, el('code', { class: 'hash' }, item.digest)),
          el('dt', {}, 'Policy'), el('dd', {}, el('code', { class: 'hash' }, item.policy)),
          el('dt', {}, 'Concerns'), el('dd', {}, item.resource || 'nothing named', item.resource_version !== null ? `, version ${item.resource_version}` : ''),
          el('dt', {}, 'Asked'), el('dd', {}, `${moment(item.requested_at)} (${age(item.requested_at, now)} ago) by ${principal(item.requested_by)}`),
          el('dt', {}, 'Expires'), el('dd', {}, moment(item.expires_at)),
          item.run ? [el('dt', {}, 'Run'), el('dd', {}, el('a', { href: '#/runs/' + item.run }, item.run))] : null),
        el('p', { class: 'quiet small' }, 'The approval counts only for this digest: action, arguments, version and policy together.'))),
    el('footer', { class: 'bar' }, obstacle
      ? el('p', { class: 'obstacle', role: 'note' }, obstacle)
      : [el('button', { class: 'danger-quiet', id: 'reject', onclick: () => act(false), 'aria-keyshortcuts': 'r' }, contest ? contestWords.reject : 'Reject', el('kbd', {}, 'r')),
        el('button', { class: 'primary', id: 'approve', onclick: () => act(true), 'aria-keyshortcuts': 'a' }, contest ? contestWords.approve : 'Approve', el('kbd', {}, 'a'))]));
}
