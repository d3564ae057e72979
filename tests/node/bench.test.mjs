// The parts of the bench that need no browser.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median } from '../../bench/browser/report.mjs'
import { drive, orders, workloads } from '../../bench/browser/work.js'

test('a median is the middle, or between the two in the middle', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 3, 2]), 2.5)
})

test('every contender is given the same rows', () => {
  assert.deepEqual(orders(50), orders(50))
  assert.notDeepEqual(orders(50, 1), orders(50, 2))
})

test('a workload says what it read', () => {
  const points = workloads.find(({ name }) => name === 'points')
  const asked = []
  const db = { get: (_, [id]) => (asked.push(id), { customer: id }) }
  const ids = points.prepare(10, 100)
  assert.equal(drive(points.work(db, ids)), ids.reduce((sum, id) => sum + id))
  assert.deepEqual(asked, ids)
})
