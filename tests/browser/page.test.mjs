// A real browser over the public pages of a running `dossier`.
//
//   BASE_URL        where it listens, e.g. http://127.0.0.1:8080
//   DOSSIER_LINKS   JSON: state -> path, e.g. {"genuine":"/d/…","register":"/d/…/register"}
//   DOSSIER_PROOF   a proof bundle of this deployment, and its log's public key at /log/key
//   DOSSIER_PAGES   folder of pages as the renderer writes them: those that no link leads to
//   DOSSIER_SHOTS   folder for screenshots (optional)
//   CHROMIUM        the browser (default /usr/bin/chromium)
//
// A state with a name below must show that heading; any other is only held to the general rules.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { base, links, overflow, program, shots, violations } from './walk.mjs';

const headings = {
  genuine: { 'zh-CN': '正品', en: 'Genuine' },
  not_activated: { 'zh-CN': '正品，待激活', en: 'Genuine, not activated' },
  check: { 'zh-CN': '请核对', en: 'Please check' },
  not_released: { 'zh-CN': '尚未出厂', en: 'Not released' },
  recalled: { 'zh-CN': '召回', en: 'Recalled' },
  stolen: { 'zh-CN': '已挂失', en: 'Reported lost' },
  retired: { 'zh-CN': '已停用', en: 'Out of use' },
  forged: { 'zh-CN': '无法确认为正品', en: 'Cannot confirm as genuine' },
  unknown: { 'zh-CN': '无法确认为正品', en: 'Cannot confirm as genuine' },
  unavailable: { 'zh-CN': '暂时无法验证', en: 'Cannot check right now' },
  register: { 'zh-CN': '保修登记', en: 'Register' },
  report: { 'zh-CN': '举报可疑', en: 'Report a suspicion' },
  centres: { 'zh-CN': '服务网点', en: 'Service centres' },
  privacy: { 'zh-CN': '我们记录了什么', en: 'What we record' },
  history: { 'zh-CN': '核验历史证明', en: 'Check a proof of history' },
  sign_in: { 'zh-CN': '登录', en: 'Sign in' },
  home: { 'zh-CN': '查询设备', en: 'Check a device' },
  not_found: { 'zh-CN': '没有这个页面', en: 'No such page' },
};
// Pages that are meant to answer with an error status: the browser logs that one line itself.
const refused = { not_found: 404, unavailable: 503 };

let context;
let profile;

before(async () => {
  assert.ok(Object.keys(links).length > 0, 'DOSSIER_LINKS names no page');
  if (shots) mkdirSync(shots, { recursive: true });
  profile = mkdtempSync(join(tmpdir(), 'dossier-browser-'));
  context = await open({});
});

after(async () => {
  await context?.close();
  if (profile) rmSync(profile, { recursive: true, force: true });
});

function open(options) {
  return chromium.launchPersistentContext(mkdtempSync(join(profile, 'p-')), {
    ...program, ...options,
  });
}

function address(path, lang) {
  const url = new URL(path, base);
  url.searchParams.set('lang', lang);
  return url.href;
}

async function visit(page, state, lang) {
  const complaints = [];
  page.on('console', (message) => {
    const expected = refused[state] && message.text().includes(`status of ${refused[state]}`);
    if (message.type() === 'error' && !expected) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const foreign = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith('data:')) foreign.push(url);
  });
  const reply = await page.goto(address(links[state], lang), { waitUntil: 'load' });
  return { reply, complaints, foreign };
}

/** Everything on the page can be read and reached, at this width and narrower. */
async function fits(page, width) {
  if (width >= 1280) {
    // A page of one column has room for its verdict: nothing beside it breaks it.
    const lines = await page.locator('.slim .hero h1 span').evaluateAll((all) => all.map((span) =>
      Math.round(span.offsetHeight / parseFloat(getComputedStyle(span).lineHeight))));
    const slim = await page.locator('body.slim .hero').count() > 0;
    assert.ok(!slim || lines.length > 0, `no heading was looked at, at ${width}`);
    assert.ok(lines.every((count) => count === 1), `a heading of ${lines} lines at ${width}`);
  }
  await page.locator('details').evaluateAll((all) => all.forEach((d) => { d.open = true; }));
  assert.deepEqual(await violations(page), [], `axe at ${width}`);
  assert.equal(await overflow(page), 0, `sideways scrolling at ${width}`);
  // 320 px is also a 1280 px window at 400 % (WCAG 1.4.10); 640 px is one at 200 %.
  for (const narrow of [320, 640]) {
    await page.setViewportSize({ width: narrow, height: 640 });
    assert.equal(await overflow(page), 0, `sideways scrolling at ${narrow}`);
  }
}

for (const state of Object.keys(links)) {
  for (const lang of ['zh-CN', 'en']) {
    test(`${state}, ${lang}`, async () => {
      for (const [width, height] of [[390, 844], [1280, 900]]) {
        const page = await context.newPage();
        await page.setViewportSize({ width, height });
        const { reply, complaints, foreign } = await visit(page, state, lang);
        const policy = reply.headers()['content-security-policy'] ?? '';
        assert.match(policy, /default-src 'none'/, 'a content security policy');
        assert.doesNotMatch(policy, /unsafe-/, 'no loop-hole in it');
        assert.equal(await page.locator('html').getAttribute('lang'), lang);
        assert.equal(await page.locator('h1').count(), 1);
        const heading = (await page.locator('h1').innerText()).trim();
        if (headings[state]) assert.equal(heading, headings[state][lang]);
        if (shots) {
          await page.screenshot({ path: join(shots, `${state}-${lang}-${width}.png`) });
          await page.screenshot({
            path: join(shots, `${state}-${lang}-${width}-whole.png`), fullPage: true,
          });
        }
        await fits(page, width);
        assert.deepEqual(complaints, [], 'the console is quiet');
        assert.deepEqual(foreign, [], 'nothing is loaded from elsewhere');
        await page.close();
      }
    });
  }
}

// The page of a store that does not answer, those that answer a proof, the report of a long code of
// nobody, and those of a unit whose original somebody else showed: no link of a running brand
// leads there.
const folder = process.env.DOSSIER_PAGES;
const unlinked =
  /^(unavailable|not-cleared|centres-.+|report-long-code|proof-.+|(proved|not-activated)-elsewhere)\.(zh-CN|en)\.html$/;
const written = folder ? readdirSync(folder).filter((name) => unlinked.test(name)).sort() : [];

test('the pages that no link leads to were written', (t) => {
  if (!folder) return t.skip('no pages');
  for (const state of ['unavailable', 'not-cleared', 'centres-several', 'report-long-code',
    'proof-first', 'proof-wrong', 'proof-wait', 'proved-elsewhere', 'not-activated-elsewhere']) {
    for (const lang of ['zh-CN', 'en']) assert.ok(written.includes(`${state}.${lang}.html`), state);
  }
});

for (const name of written) {
  const [state, lang] = name.split('.');
  test(`${state} as it is written, ${lang}`, async () => {
    const body = readFileSync(join(folder, name), 'utf8');
    for (const [width, height] of [[390, 844], [1280, 900]]) {
      const page = await context.newPage();
      const broken = [];
      page.on('pageerror', (error) => broken.push(String(error)));
      await page.setViewportSize({ width, height });
      const contentType = 'text/html; charset=utf-8';
      await page.route('**/as-written', (route) => route.fulfill({ contentType, body }));
      await page.goto(new URL('/as-written', base).href, { waitUntil: 'load' });
      assert.equal(await page.locator('html').getAttribute('lang'), lang);
      assert.equal(await page.locator('h1').count(), 1);
      const heading = (await page.locator('h1').innerText()).trim();
      if (headings[state]) assert.equal(heading, headings[state][lang]);
      if (shots) {
        await page.screenshot({ path: join(shots, `${state}-${lang}-${width}.png`), fullPage: true });
      }
      await fits(page, width);
      assert.deepEqual(broken, [], 'no script fails');
      await page.close();
    }
  });
}

test('the keyboard reaches the main action first and focus is never hidden', async (t) => {
  if (!links.genuine) return t.skip('no such link');
  const page = await context.newPage();
  await page.setViewportSize({ width: 390, height: 844 });
  await visit(page, 'genuine', 'zh-CN');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  const stops = await page.locator('main a, main button, main summary').count();
  for (let stop = 0; stop < stops + 1; stop += 1) {
    await page.keyboard.press('Tab');
    const hidden = await page.evaluate(() => {
      const focused = document.activeElement;
      if (focused.closest('.dock, footer, header')) return null;
      const box = focused.getBoundingClientRect();
      const dock = document.querySelector('.dock')?.getBoundingClientRect();
      return dock && box.bottom > dock.top ? focused.outerHTML : null;
    });
    assert.equal(hidden, null, 'behind the dock');
  }
  await page.close();
});

test('the code can be copied', async (t) => {
  if (!links.genuine) return t.skip('no such link');
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
  const page = await context.newPage();
  await visit(page, 'genuine', 'zh-CN');
  await page.locator('[data-copy]').click();
  await page.locator('#copied', { hasText: '已复制' }).waitFor({ state: 'attached' });
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^[2-9A-HJ-NP-Z]{13}$/);
  await page.close();
});

test('where copying is refused the code is selected, and the visitor told', async (t) => {
  if (!links.genuine) return t.skip('no such link');
  const page = await context.newPage();
  await page.addInitScript(() => {
    navigator.clipboard.writeText = () => Promise.reject(new Error('refused'));
  });
  const { complaints } = await visit(page, 'genuine', 'zh-CN');
  await page.locator('[data-copy]').click();
  await page.locator('#copied.muted', { hasText: '请手动复制' }).waitFor();
  const selected = await page.evaluate(() => getSelection().toString());
  assert.match(selected.trim(), /^([2-9A-HJ-NP-Z]{4}-){3}[2-9A-HJ-NP-Z]$/);
  assert.deepEqual(complaints, [], 'no promise is left alone');
  await page.close();
});

test('a proof is checked in the browser, without the network', async (t) => {
  if (!process.env.DOSSIER_PROOF) return t.skip('no proof');
  const bundle = await readFile(process.env.DOSSIER_PROOF, 'utf8');
  const key = (await (await fetch(new URL('/log/key', base))).text()).trim();
  const page = await context.newPage();
  await page.setViewportSize({ width: 390, height: 844 });
  const { complaints } = await visit(page, 'history', 'zh-CN');
  await context.setOffline(true);
  const outcome = async (text, known) => {
    await page.locator('#file').setInputFiles(
      { name: 'proof.json', mimeType: 'application/json', buffer: Buffer.from(text) });
    await page.locator('#key').fill(known);
    await page.locator('main button[type=submit]').click();
    const said = page.locator('#outcome h2');
    await said.waitFor();
    return said.innerText();
  };
  try {
    assert.equal(await outcome(bundle, key), '证明成立');
    assert.equal(await page.locator('#outcome li').count(), JSON.parse(bundle).events.length);
    // It says whose history that is, and tells times as the device's own page does.
    const told = await page.locator('#outcome').textContent();
    const made = JSON.parse(bundle).events.map((e) => e.row && JSON.parse(e.row.text).row.commissioned)
      .find((row) => row);
    assert.ok(told.includes(`编号 ${JSON.parse(bundle).number} 的设备`), told);
    if (made?.sn) assert.ok(told.includes(`SN ${made.sn}`), told);
    // An IMEI as the label has it: with the digit that brings Luhn's sum to a multiple of ten.
    const imeis = (made?.identifiers ?? []).filter((one) => one.scheme === 'imei');
    assert.ok(imeis.length > 0, 'the genuine unit is a phone');
    for (const { value } of imeis) {
      const shown = new RegExp(`IMEI (${value}\\d)(?!\\d)`).exec(told)?.[1];
      assert.ok(shown, `${value} with its check digit in ${told}`);
      const sum = [...shown].reverse().map((digit, at) => (at % 2 ? 2 : 1) * digit)
        .reduce((all, n) => all + Math.floor(n / 10) + n % 10, 0);
      assert.equal(sum % 10, 0, shown);
    }
    const there = new Date(made.produced_at / 1000 + 8 * 3600e3).toISOString().slice(0, 16);
    assert.ok(told.includes(`${there.replace('T', ' ')}  生产`) && told.includes('北京时间'), told);
    assert.ok(!told.includes('UTC'), told);
    if (shots) await page.screenshot({ path: join(shots, 'history-proven.png'), fullPage: true });
    assert.deepEqual(await violations(page), []);
    assert.equal(await overflow(page), 0);
    assert.equal(await outcome(bundle, ''), '证明成立');
    // One character of a text, of a path, of the number; another key.
    const forged = JSON.parse(bundle);
    const last = forged.events.length - 1;
    const change = (edit) => {
      const copy = structuredClone(forged);
      edit(copy);
      return JSON.stringify(copy);
    };
    const other = (sign) => (sign === 'A' ? 'B' : 'A');
    const digit = (sign) => (sign === '0' ? '1' : '0');
    const cases = [
      change((b) => { b.events[last].text = b.events[last].text.replace('"actor":"', '"actor":"x'); }),
      change((b) => { b.events[0].path[0] = b.events[0].path[0].replace(/^./, other); }),
      change((b) => { b.events[0].row.blind = b.events[0].row.blind.replace(/^./, digit); }),
      change((b) => { b.number += 1; }),
      change((b) => { b.checkpoint = b.checkpoint.replace(/\n(\d+)\n/, '\n1$1\n'); }),
      change((b) => { b.extra = 1; }),
      bundle.slice(0, -3),
    ];
    const event = /条事件与日志不符/;
    const form = /不是一份完整的证明文件/;
    const reasons = [event, event, event, event, /签名与公钥不符/, form, form];
    for (const [at, text] of cases.entries()) {
      assert.equal(await outcome(text, key), '证明不成立', `case ${at}`);
      // It fails for what was changed, not for something on the way there.
      assert.match(await page.locator('#outcome p').innerText(), reasons[at], `case ${at}`);
    }
    const stranger = key.replace(/^[^+]+/, 'elsewhere.example/log');
    assert.equal(await outcome(bundle, stranger), '证明不成立');
    assert.deepEqual(complaints, []);
  } finally {
    await context.setOffline(false);
    await page.close();
  }
});

test('without a script, registering and reporting work', async (t) => {
  if (!links.register || !links.report) return t.skip('no such link');
  const plain = await open({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } });
  try {
    const page = await plain.newPage();
    await page.goto(address(links.register, 'zh-CN'));
    await page.locator('#phone').fill('1380013800');
    await page.locator('#purchased_on').fill('2026-01-02');
    const last = page.locator('input[name=proof]').last();
    await last.check();
    const named = await last.getAttribute('value');
    await page.locator(`#${named}`).fill('0000');
    for (const box of ['#consent', '#marketing', '#location', '#share_with_distributor']) {
      assert.equal(await page.locator(box).isChecked(), false, 'nothing is ticked beforehand');
    }
    await page.locator('#consent').check();
    await page.locator('main button[type=submit]').click();
    // Ten digits are no phone number: the form comes back, says so, and has lost nothing.
    await page.locator('[role=alert]').waitFor();
    assert.equal(await page.locator('#phone').inputValue(), '1380013800');
    assert.equal(await page.locator('#phone').getAttribute('aria-invalid'), 'true');
    if (shots) await page.screenshot({ path: join(shots, 'register-refused.png'), fullPage: true });

    await page.goto(address(links.report, 'zh-CN'));
    await page.locator('#text').fill('价格只有官方的一半，标签边缘有重复粘贴的痕迹。');
    await page.locator('#shop').fill('数码优品专营店');
    await page.locator('#place').fill('江苏省苏州市');
    await page.locator('main button[type=submit]').click();
    assert.equal((await page.locator('h1').innerText()).trim(), '举报已收到');
  } finally {
    await plain.close();
  }
});
