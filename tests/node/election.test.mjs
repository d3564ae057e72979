// The part that a tab's worker plays (js/src/worker/election.ts): its states one by one, and then random histories of many tabs.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'js', 'src', 'worker', 'election.ts')

let step, out
before(async () => {
  const { outputText } = ts.transpileModule(fs.readFileSync(source, 'utf8'), { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } })
  ;({ out, step } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`))
})

/** The states and deeds of a history. */
function history(...happenings) {
  let state = out
  const deeds = []
  for (const happening of happenings) {
    const [next, ...done] = step(state, typeof happening === 'string' ? { is: happening } : happening)
    state = next
    deeds.push(...done)
  }
  return { at: state.at, deeds: deeds.join(' ') }
}
const from = (leader, is) => ({ is, leader })
const followed = ['enter', 'taken', from('a', 'welcomed'), from('a', 'fits')]
const led = ['enter', 'granted', 'opened']

test('a tab alone opens the files and leads', () => {
  assert.deepEqual(history(...led), { at: 'leading', deeds: 'ask raise lead' })
})

test('a tab that finds the lock taken follows whoever has it, once its key is known to fit', () => {
  assert.deepEqual(history(...followed), { at: 'following', deeds: 'ask queue hello check follow' })
})

test('a key that does not fit ends it, and so does a leader that will not have it', () => {
  assert.deepEqual(history('enter', 'taken', from('a', 'welcomed'), from('a', 'misfits')), { at: 'ended', deeds: 'ask queue hello check quit unqueue fail' })
  assert.deepEqual(history('enter', 'taken', from('a', 'refused')), { at: 'ended', deeds: 'ask queue hello unqueue fail' })
})

test('a leader that does not answer ends an opening, and never a tab that follows', () => {
  assert.deepEqual(history('enter', 'taken', 'late'), { at: 'ended', deeds: 'ask queue hello unqueue fail' })
  assert.equal(history(...followed, 'late').at, 'following')
})

test('whoever gets the lock opens the files, whatever it was doing', () => {
  for (const before of [['enter', 'taken'], ['enter', 'taken', from('a', 'welcomed')], followed]) {
    assert.deepEqual(history(...before, 'granted', 'opened').at, 'leading')
  }
})

test('a new leader is greeted, and a leader that says so twice is not', () => {
  assert.equal(history(...followed, from('b', 'announced')).at, 'waiting')
  assert.equal(history(...followed, from('a', 'announced')).at, 'following')
  assert.equal(history(...followed, from('b', 'announced'), from('b', 'welcomed'), from('b', 'fits')).at, 'following')
})

test('an answer that comes too late, from a leader of before, changes nothing', () => {
  const moved = [...followed, from('b', 'announced'), from('b', 'welcomed')]
  assert.equal(history(...moved, from('a', 'fits')).at, 'checking')
  assert.equal(history(...moved, from('a', 'misfits')).at, 'checking')
})

test('a page that closes the database frees the lock', () => {
  assert.deepEqual(history(...led, 'left'), { at: 'ended', deeds: 'ask raise lead free' })
})

test('files that do not open free the lock', () => {
  assert.deepEqual(history('enter', 'granted', 'failed'), { at: 'ended', deeds: 'ask raise free fail' })
})

test('files that were opened to be read are opened again under the same lock', () => {
  assert.deepEqual(history(...led, 'upgrade', 'left', 'opened'), { at: 'leading', deeds: 'ask raise lead close raise lead' })
})

test('a lock that is granted to a tab that does not want it any more is freed', () => {
  assert.deepEqual(history('enter', 'taken', from('a', 'refused'), 'granted'), { at: 'ended', deeds: 'ask queue hello unqueue fail free' })
})

test('in random histories files are open only under the lock, one tab has it, and somebody leads in the end', () => {
  let seed = 1
  const random = (limit) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * limit)
  }
  for (let round = 0; round < 300; round += 1) {
    const tabs = Array.from({ length: 2 + random(4) }, (_, index) => ({ index, state: out, files: false, failed: 0, todo: [], dead: false }))
    let holder
    const queue = []
    const happen = (tab, happening) => {
      const [state, ...deeds] = step(tab.state, happening)
      tab.state = state
      for (const deed of deeds) perform(tab, deed)
    }
    const grant = (tab) => {
      holder = tab
      tab.todo.push({ is: 'granted' })
    }
    const release = (tab) => {
      if (holder !== tab) return
      holder = undefined
      if (queue.length > 0) grant(queue.shift())
    }
    /** What the browser does when a worker ends, however that comes. */
    const die = (tab) => {
      Object.assign(tab, { dead: true, files: false, todo: [] })
      if (queue.includes(tab)) queue.splice(queue.indexOf(tab), 1)
      release(tab)
    }
    const perform = (tab, deed) => {
      switch (deed) {
        case 'ask':
          if (holder === undefined) grant(tab)
          else tab.todo.push({ is: 'taken' })
          break
        case 'queue':
          queue.push(tab)
          if (holder === undefined) grant(queue.shift())
          break
        case 'unqueue':
          if (queue.includes(tab)) queue.splice(queue.indexOf(tab), 1)
          break
        case 'free':
          assert.ok(!tab.files, 'the lock was freed with open files')
          release(tab)
          break
        case 'raise':
          assert.equal(holder, tab, 'files were opened without the lock')
          tab.files = true
          tab.todo.push({ is: 'opened' })
          break
        case 'close':
          tab.files = false
          tab.todo.push({ is: 'left' })
          break
        case 'hello': {
          const leader = tabs.find(({ dead, state }) => !dead && state.at === 'leading')
          if (leader !== undefined) tab.todo.push(from(leader.index, 'welcomed'))
          break
        }
        case 'check':
          tab.todo.push(from(tab.state.leader, 'fits'))
          break
        case 'lead':
          for (const other of tabs) if (other !== tab && !other.dead) other.todo.push(from(tab.index, 'announced'))
          break
        case 'fail':
          tab.failed += 1
          break
      }
    }
    const settle = () => {
      for (let quiet = false; !quiet; ) {
        quiet = true
        for (const tab of tabs) {
          if (tab.todo.length > 0) {
            quiet = false
            happen(tab, tab.todo.shift())
          }
        }
      }
    }
    for (let turn = 0; turn < 60; turn += 1) {
      const tab = tabs[random(tabs.length)]
      if (tab.dead) continue
      if (tab.state.at === 'out') happen(tab, { is: 'enter' })
      else if (random(12) === 0) die(tab)
      else if (tab.state.at === 'leading' && random(5) === 0) happen(tab, { is: 'upgrade' })
      else if (tab.todo.length > 0) happen(tab, tab.todo.shift())
      assert.ok(tabs.filter(({ files }) => files).length <= 1, 'two tabs had the files open')
    }
    settle()
    const present = tabs.filter(({ dead, state }) => !dead && state.at !== 'out')
    const leaders = present.filter(({ state }) => state.at === 'leading')
    assert.equal(leaders.length, present.length > 0 ? 1 : 0, JSON.stringify(tabs.map(({ state }) => state)))
    assert.ok(present.every(({ state }) => state.at === 'leading' || state.at === 'following' || state.at === 'waiting'))
    assert.ok(tabs.every(({ failed }) => failed === 0))
  }
})
