// The people who work here, in a real browser: setting up and signing up, signing in in one step and
// two, inviting, looking after one's own account.
//
//   PEOPLE_URL   a server with nothing in it, where brands may sign up
//   SET_UP_URL   the link it printed
//
// Chinese and English walk the same way; the first begins with the link, the second signs up. The
// person invited in the second has no script.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { heading, look, press, program, send, shots, watched } from './walk.mjs';

const origin = process.env.PEOPLE_URL;
const walks = {
  'zh-CN': {
    brand: ['CHENGYE', '澄野电子科技（苏州工业园区）股份有限公司'],
    owner: ['li.wei@example.cn', '李维', 'wu ge bu xiang gan de ci', 'huan yi ge chang de mi ma'],
    guest: ['wang.fang', '王芳'],
    titles: {
      start: '首次设置', account: '我的账号', signIn: '登录', code: '两步验证', recovery: '恢复码',
      invitation: '接受邀请',
    },
    said: { refused: '登录名或密码不对。', saved: '已保存。', left: '还剩 9 个恢复码' },
  },
  en: {
    brand: ['NORTHERN', 'Northern Lights Consumer Electronics and Household Appliances Holding'],
    owner: ['ada@example.com', 'Ada', 'four unrelated small words', 'another four small words'],
    guest: ['grace', 'Wilhelmina Featherstonehaugh-Konstantinopolitanskaya'],
    titles: {
      start: 'Bring your brand', account: 'My account', signIn: 'Sign in',
      code: 'Two-step verification', recovery: 'Recovery codes',
      invitation: 'Accept the invitation',
    },
    said: { refused: 'The sign-in name or the password is wrong.', saved: 'Saved.',
      left: 'Recovery codes left: 9' },
  },
};

let browser;
before(async () => {
  if (shots) mkdirSync(shots, { recursive: true });
  if (origin) browser = await chromium.launch(program);
});
after(() => browser?.close());

/** RFC 6238: six digits of HMAC-SHA-1, steps of 30 seconds. */
function password(key, steps) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...key].map((sign) => alphabet.indexOf(sign).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac('sha1', secret).update(step).digest();
  const word = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(word % 1_000_000).padStart(6, '0');
}

const fresh = async (lang, script = true) => watched(await browser.newContext({
  locale: lang, viewport: { width: 390, height: 844 }, javaScriptEnabled: script,
}), { script });
const at = (path) => new URL(path, origin).href;
const focused = (page, id) =>
  page.waitForFunction((wanted) => document.activeElement.id === wanted, id);
const fill = async (page, fields) => {
  for (const [id, value] of Object.entries(fields)) await page.locator(`#${id}`).fill(value);
};

async function signIn(page, name, words) {
  await page.goto(at('/sign-in'));
  await fill(page, { sign_in_name: name, password: words });
  await send(page, 'main form');
}

async function begin(page, lang) {
  const { brand, owner, titles } = walks[lang];
  const [code, name] = brand;
  const setsUp = lang === 'zh-CN';
  await page.goto(setsUp ? process.env.SET_UP_URL : at('/sign-up'));
  assert.equal(await heading(page), titles.start);
  await look(page, 'people-start', { lang });
  await fill(page, {
    brand_code: setsUp ? code : walks['zh-CN'].brand[0], brand_name: name, sign_in_name: owner[0],
    name: owner[1], password: setsUp ? 'short' : owner[2],
  });
  await send(page, 'main form');
  // A password that is too short; a brand that is there already. Nothing typed is lost but secrets.
  const wrong = setsUp ? 'password' : 'brand_code';
  await look(page, 'people-start-refused', { lang, status: 400 });
  assert.equal(await page.locator(`#${wrong}`).getAttribute('aria-invalid'), 'true');
  assert.equal(await page.locator('[aria-invalid]').count(), 1);
  await focused(page, wrong);
  assert.equal(await page.locator('#sign_in_name').inputValue(), owner[0]);
  assert.equal(await page.locator('#password').inputValue(), '');
  await fill(page, { brand_code: code, password: owner[2] });
  await send(page, 'main form');
  assert.equal(await heading(page), titles.account);
  // Who signed up by itself reads that it waits for the operator; who set up does not.
  assert.equal(await page.locator('#vouch-h').count(), setsUp ? 0 : 1);
  await look(page, 'people-account', { lang });
}

/** Turns the second factor on; gives its key and the recovery codes. */
async function secondFactor(page, lang) {
  const { owner, titles } = walks[lang];
  await page.locator('details:has(form[action="/account/totp"]) > summary').click();
  await fill(page, { confirm: owner[2] });
  await send(page, 'form[action="/account/totp"]');
  const key = await page.locator('.key').getAttribute('data-key');
  assert.match(key, /^[A-Z2-7]{32}$/);
  await look(page, 'people-factor', { lang });
  await fill(page, { code: '12345' });
  await send(page, 'form[action="/account/totp/confirm"]');
  await look(page, 'people-factor-refused', { lang, status: 400 });
  await focused(page, 'code');
  await fill(page, { code: password(key, 0) });
  await send(page, 'form[action="/account/totp/confirm"]');
  assert.equal(await heading(page), titles.recovery);
  await look(page, 'people-recovery', { lang });
  const codes = await page.locator('.codes li').allInnerTexts();
  assert.equal(new Set(codes).size, 10);
  await press(page, '.btn.p');
  assert.equal(await heading(page), titles.account);
  return { key, codes };
}

async function invite(page, lang) {
  const script = lang === 'zh-CN';
  const { brand, guest, titles } = walks[lang];
  const order = { party: brand[0], role: 'warehouse', name: guest[1] };
  const headers = { 'sec-fetch-site': 'same-origin' };
  const reply = await page.request.post(at('/api/v1/invitations'), { headers, data: order });
  assert.equal(reply.status(), 201, await reply.text());
  const { path } = await reply.json();
  const invited = await fresh(lang, script);
  await invited.goto(at(path));
  assert.equal(await heading(invited), titles.invitation);
  await look(invited, 'people-invitation', { lang });
  assert.equal(await invited.locator('#name').inputValue(), guest[1]);
  await fill(invited, { sign_in_name: guest[0], password: walks[lang].owner[2] });
  await send(invited, 'main form');
  assert.equal(await heading(invited), titles.account);
  await look(invited, 'people-account-invited', { lang });
  assert.equal(await invited.locator('a[href="/api/v1/audit"]').count(), 0, 'not for a warehouse');
  await send(invited, 'form[action="/sign-out"]');
  assert.equal(await heading(invited), titles.signIn);
  await invited.goto(at(path));
  await look(invited, 'people-link-over', { lang, status: 404 });
  assert.equal(await invited.locator('main form').count(), 0);
  await invited.context().close();
}

for (const [lang, { owner, titles, said }] of Object.entries(walks)) {
  test(`people at work, ${lang}`, async (t) => {
    if (!origin) return t.skip('no server for people');
    const page = await fresh(lang);
    await begin(page, lang);

    await send(page, 'form[action="/sign-out"]');
    assert.equal(await heading(page), titles.signIn);
    await focused(page, 'sign_in_name');
    await look(page, 'people-sign-in', { lang });
    await signIn(page, owner[0], 'not the password');
    assert.ok((await page.locator('[role=alert]').innerText()).includes(said.refused));
    assert.equal(await page.locator('#sign_in_name').inputValue(), owner[0]);
    await look(page, 'people-sign-in-refused', { lang, status: 401 });
    await signIn(page, owner[0], owner[2]);
    assert.equal(await heading(page), titles.account);

    const { key, codes } = await secondFactor(page, lang);
    await send(page, 'form[action="/sign-out"]');
    await signIn(page, owner[0], owner[2]);
    assert.equal(await heading(page), titles.code);
    await focused(page, 'code');
    await look(page, 'people-code', { lang });
    await fill(page, { code: '000000' });
    await send(page, 'main form');
    await look(page, 'people-code-refused', { lang, status: 401 });
    assert.equal(await page.locator('#code').getAttribute('aria-invalid'), 'true');
    await fill(page, { code: password(key, 1) });
    await send(page, 'main form');
    assert.equal(await heading(page), titles.account);

    await invite(page, lang);

    // Somewhere else, without the telephone.
    const elsewhere = await fresh(lang);
    await signIn(elsewhere, owner[0], owner[2]);
    await fill(elsewhere, { code: codes[0] });
    await send(elsewhere, 'main form');
    assert.equal(await heading(elsewhere), titles.account);
    await page.goto(at('/account'));
    assert.ok((await page.locator('main').innerText()).includes(said.left), 'a code was used up');
    assert.equal(await page.locator('[aria-labelledby=sessions-h] li').count(), 2);
    await look(page, 'people-account-full', { lang });
    await send(page, 'form[action="/account/session"]');
    assert.ok((await page.locator('[role=status]').first().innerText()).includes(said.saved));
    assert.equal(await page.locator('[aria-labelledby=sessions-h] li').count(), 1);
    await look(page, 'people-account-done', { lang });
    await elsewhere.goto(at('/account'));
    assert.equal(await heading(elsewhere), titles.signIn, 'it was ended');
    await elsewhere.context().close();

    await page.goto(at('/account'));
    await page.locator('[aria-labelledby=password-h] summary').click();
    await fill(page, { present: 'not the password', next: owner[3] });
    await send(page, 'form[action="/account/password"]');
    await look(page, 'people-password-refused', { lang, status: 400 });
    await focused(page, 'present');
    // The other language is the page itself, not the form that was sent.
    assert.match(await page.locator('.lang').getAttribute('href'), /^\/account\?lang=/);
    await fill(page, { present: owner[2], next: owner[3] });
    await send(page, 'form[action="/account/password"]');
    assert.equal(await heading(page), titles.account);
    await send(page, 'form[action="/sign-out"]');
    await signIn(page, owner[0], owner[3]);
    assert.equal(await heading(page), titles.code, 'the new one is good');
    await page.context().close();
  });
}
