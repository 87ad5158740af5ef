// run.test.mjs REEVE CHROMIUM OUT -- an operator's minute with a run that has met its limit, and a controller's with two
// runs that want one key: the real program, its own PostgreSQL and a real browser.

import { spawn, execFileSync } from 'node:child_process';
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
import { mkdtempSync, chmodSync, writeFileSync, rmSync, mkdirSync } from 'node:fs';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [reeve, chromiumPath, out] = process.argv.slice(2);
const FLAGS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run', '--disable-background-networking'];
const PASSWORD = 'correct horse battery';
const state = mkdtempSync('/tmp/rv-run-browser-');
chmodSync(state, 0o755); // root's server, which is another account, has to pass
const env = { ...process.env, REEVE_STATE: state + '/s', REEVE_MODEL_PATH: 'none', HOME: state, XDG_CONFIG_HOME: state + '/c' };
for (const name of ['REEVE_DATABASE', 'REEVE_DATABASE_URI', 'REEVE_CONFIG']) delete env[name];
const run = (input, ...words) => execFileSync(reeve, words, { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

mkdirSync(state + '/reader');
writeFileSync(state + '/reader/agent.lua', `
-- looks at five invoices, and may look at two
local agent = { name = "reader", version = "1", handles = {}, uses = {}, limits = { calls = 2 }, overrun = "ask" }
function agent.plan(ctx, input)
  for i = 1, 5 do erp.get("invoice", i) end
end
return agent
`);
mkdirSync(state + '/closer');
writeFileSync(state + '/closer/agent.lua', `
-- works on a period until it is told to end; where another run does, people are asked
local agent = { name = "closer", version = "1", handles = {}, uses = {}, claims = "ask" }
function agent.plan(ctx, input) ctx:signal("end", 3600) end
return agent
`);
let server = null;
let browser = null;
let failed = 0;
async function step(name, body) {
  try {
    await body();
    console.log('ok   ' + name);
  } catch (error) {
    failed++;
    console.log('FAIL ' + name + '\n     ' + String(error && error.message).split('\n').slice(0, 6).join('\n     '));
  }
}
try {
  run('', 'company', 'create', 'acme');
  for (const [name, role] of [['op', 'operator'], ['auditor', 'auditor'], ['manager', 'ap.manager'], ['controller', 'controller'], ['treasurer', 'treasurer'], ['buyer', 'buyer']]) {
    run(PASSWORD + '\n', 'person', 'add', name, '--roles', role, '--password-stdin');
  }
  run('', 'policy', 'load', 'policies/default.lua');
  run('', 'agent', 'publish', state + '/reader/agent.lua');
  run('', 'agent', 'publish', state + '/closer/agent.lua');
  run('', 'run', 'start', 'reader', '--as', 'op');
  server = spawn(reeve, ['serve', '--listen', '127.0.0.1:0', '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const base = await new Promise((resolve, reject) => {
    let text = '';
    server.stdout.on('data', (part) => {
      text += part;
      const found = text.match(/http:\/\/[0-9.:]+/);
      if (found) resolve(found[0] + '/');
    });
    server.on('exit', (code) => reject(new Error('reeve serve ended with ' + code)));
  });
  browser = await chromium.launch({ executablePath: chromiumPath, headless: true, args: FLAGS });
  const open = async (name) => {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 860 } })).newPage();
    page.setDefaultTimeout(15000);
    page.on('pageerror', (error) => { failed++; console.log('FAIL script: ' + error.message); });
    await page.goto(base);
    await page.fill('#tenant', 'acme');
    await page.fill('#name', name);
    await page.fill('#password', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('nav a[href="#/runs"]');
    await page.click('nav a[href="#/runs"]');
    await page.waitForFunction(() => /for budget/.test(document.querySelector('.grid tbody')?.textContent || ''));
    await page.click('.grid tbody tr a');
    await page.waitForSelector('#short');
    return page;
  };
  let page = null;
  await step('the run says what it is short of', async () => {
    page = await open('op');
    assert.match(await page.textContent('#short'), /budget "calls"/);
    await page.screenshot({ path: `${out}/20-short.png` });
  });
  await step('who may not operate is not asked', async () => {
    const auditor = await open('auditor');
    assert.equal(await auditor.$('#raise'), null);
    await auditor.context().close();
  });
  await step('a number and a reason are needed', async () => {
    await page.click('#raise');
    await page.waitForSelector('dialog[open]');
    assert.equal(await page.inputValue('#raise-what'), 'calls');
    await page.fill('#raise-amount', '-1');
    await page.click('#raise-confirm');
    assert.match(await page.textContent('dialog .failure'), /whole number/);
    await page.fill('#raise-amount', '1');
    await page.click('#raise-confirm');
    assert.match(await page.textContent('dialog .failure'), /needs a reason/);
    await page.screenshot({ path: `${out}/21-raise.png` });
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
  });
  await step('with enough it goes on to its end, without a reload', async () => {
    await page.click('#raise');
    await page.fill('#raise-amount', '5');
    await page.fill('#raise-reason', 'the invoices are known');
    await page.click('#raise-confirm');
    await page.waitForFunction(() => /done/.test(document.querySelector('.chip.run')?.textContent || ''));
    assert.equal(await page.$('#raise'), null);
    await page.screenshot({ path: `${out}/22-raised.png` });
  });
  await step('and that is on the record', () => {
    const record = run('', 'audit', 'export');
    assert.match(record, /"action":"run\.raise".*"principal":"person:op"/);
  });

  const close = (ledger) => run('', 'run', 'start', 'closer', '--as', 'op', '--key', 'period:2026-10', '--input', JSON.stringify({ ledger })).match(/r_\d+/)[0];
  const holder = close('main');
  const wants = close('<b>second</b>');
  await step('who decides about a key sees both runs and what each decision does', async () => {
    page = await (await browser.newContext({ viewport: { width: 1280, height: 860 } })).newPage();
    page.setDefaultTimeout(15000);
    page.on('pageerror', (error) => { failed++; console.log('FAIL script: ' + error.message); });
    await page.goto(base);
    await page.fill('#tenant', 'acme');
    await page.fill('#name', 'controller');
    await page.fill('#password', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#list a.row');
    await page.click('#list a.row');
    await page.waitForSelector('#approve');
    const text = await page.textContent('.detail');
    for (const wanted of ['Who shall have this key?', 'period:2026-10', 'Has the key', holder, 'Begun byop', 'Wants the key', wants, 'Asked byop', 'main', '<b>second</b>',
      `${holder} of agent closer is asked to stop`, `${holder} keeps the key and goes on; ${wants} does not begin`, 'Controller']) {
      assert.ok(text.includes(wanted), 'missing: ' + wanted);
    }
    assert.equal(await page.$('.sum .amount'), null);
    assert.match(await page.textContent('#approve'), /^Hand over/);
    assert.match(await page.textContent('#reject'), /^Keep/);
    await page.screenshot({ path: `${out}/23-key.png` });
  });
  await step('the key is handed over, and the page of the run says who decided', async () => {
    await page.click('#approve');
    await page.waitForSelector('dialog[open]');
    assert.match(await page.textContent('dialog'), /is asked to stop, as by reeve run cancel/);
    await page.screenshot({ path: `${out}/24-hand-over.png` });
    await page.click('#confirm');
    await page.waitForFunction(() => /Handed over/.test(document.querySelector('.toast')?.textContent || ''));
    await page.waitForFunction(() => /Executed/.test(document.querySelector('.detail .state')?.textContent || ''));
    await page.goto(base + '#/runs/' + holder.slice(2));
    await page.waitForFunction(() => /cancelled/.test(document.querySelector('.chip.run')?.textContent || ''));
    assert.match(await page.textContent('.page'), /controller has given key period:2026-10 to/);
    await page.goto(base + '#/runs/' + wants.slice(2));
    await page.waitForFunction(() => /Run of closer/.test(document.querySelector('h1')?.textContent || ''));
    await page.waitForSelector('.story .step .chip.state.consumed');
    await page.screenshot({ path: `${out}/25-begun.png` });
  });
} catch (error) {
  failed++;
  console.log('FAIL ' + error.message + (error.stderr ? '\n' + error.stderr : ''));
} finally {
  if (browser) await browser.close();
  if (server) {
    server.removeAllListeners('exit');
    server.kill('SIGTERM');
    await new Promise((resolve) => server.on('exit', resolve));
  }
  try { run('', 'db', 'stop'); } catch { /* it never began */ }
  rmSync(state, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
