// The workloads: what is asked of every contender, in the same words and with the same data.
//
// A workload is a generator that yields each call. Where calls answer at once it is driven without waiting (`drive`), and from the page with
// a wait for every answer (`driveAsync`); its text is the same.
//
// I1  Data come from a generator with a fixed seed: every contender, repetition and run gets the same rows and asks for the same keys.
// I2  Every workload returns a figure made of what it read or wrote, and the bench fails if two contenders differ in it.

/** Drives a workload whose calls answer at once. */
export function drive(work) {
  let step = work.next()
  while (!step.done) step = work.next(step.value)
  return step.value
}

/** Drives a workload whose calls answer with promises. */
export async function driveAsync(work) {
  let step = work.next()
  while (!step.done) step = work.next(await step.value)
  return step.value
}

/** Numbers from 0 to below `limit`, the same for the same seed (mulberry32). */
function randomNumbers(seed) {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

/** Some hundred made-up words: text that compresses about as what people write. */
const words = (() => {
  const next = randomNumbers(1)
  const syllables = ['ba', 'con', 'der', 'el', 'fin', 'gra', 'ho', 'in', 'ka', 'lum', 'me', 'nor', 'os', 'pre', 'ran', 'sti', 'tur', 'ul', 'ver', 'zen']
  return Array.from({ length: 600 }, () => Array.from({ length: 2 + next(3) }, () => syllables[next(syllables.length)]).join(''))
})()

function sentence(next, count) {
  return Array.from({ length: count }, () => words[next(words.length)]).join(' ')
}

/** Rows of the table `orders`: about 180 bytes of text each. */
export function orders(count, seed = 2) {
  const next = randomNumbers(seed)
  const states = ['open', 'paid', 'packed', 'sent', 'returned']
  return Array.from({ length: count }, (_, index) => [
    index + 1, 1 + next(5000), `2026-${String(1 + next(12)).padStart(2, '0')}-${String(1 + next(28)).padStart(2, '0')}`, states[next(states.length)], next(1_000_000) / 100, `${sentence(next, 16)}.`,
  ])
}

/** Rows of the table `event`, which has two indexes beside its key. */
function events(count) {
  const next = randomNumbers(3)
  return Array.from({ length: count }, () => [1 + next(5000), `2026-11-26T${String(next(86_400_000)).padStart(8, '0')}`, sentence(next, 12)])
}

export const schema = `
create table orders(id integer primary key, customer integer not null, day text not null, state text not null, total real not null, note text not null);
create table event(id integer primary key, customer integer not null, at text not null, body text not null);
create index event_customer on event(customer);
create index event_at on event(at);
create table balance(customer integer primary key, total real not null, orders integer not null);`

const insertOrder = 'insert into orders values (?, ?, ?, ?, ?, ?)'
const insertEvent = 'insert into event(customer, at, body) values (?, ?, ?)'
const oneOrder = 'select id, customer, day, state, total, note from orders where id = ?'

/**
 * Every workload: how many of what `ops` it does, what is made ready before its time begins, and the work itself. `full` and `quick` are its
 * sizes. They run in this order on one database.
 */
export const workloads = [
  {
    name: 'commits', title: 'single-row commits, two indexes', unit: 'commits', full: 1000, quick: 20, durable: true,
    prepare: (count) => events(count),
    *work(db, rows) {
      let changes = 0
      for (const row of rows) changes += yield db.run(insertEvent, row)
      return changes
    },
  },
  {
    name: 'bulk', title: 'bulk load in one transaction', unit: 'rows', full: 100_000, quick: 2000,
    prepare: (count) => orders(count),
    *work(db, rows) {
      yield db.many(insertOrder, rows)
      return rows.length
    },
  },
  {
    name: 'points', title: 'point reads, warm', unit: 'reads', full: 5000, quick: 100, needs: 'bulk', warm: true,
    prepare: (count, have) => keys(count, have, 4),
    *work(db, ids) {
      let sum = 0
      for (const id of ids) sum += (yield db.get(oneOrder, [id])).customer
      return sum
    },
  },
  {
    name: 'ranges', title: 'ranges of 100 rows', unit: 'ranges', full: 500, quick: 10, needs: 'bulk', warm: true,
    prepare: (count, have) => keys(count, have - 100, 5),
    *work(db, ids) {
      let sum = 0
      for (const id of ids) for (const row of yield db.all('select id, customer, day, state, total, note from orders where id between ? and ?', [id, id + 99])) sum += row.customer
      return sum
    },
  },
  {
    name: 'group', title: 'GROUP BY over all rows', unit: 'queries', full: 5, quick: 2, needs: 'bulk', warm: true,
    prepare: (count) => Array.from({ length: count }, (_, index) => index),
    *work(db, rounds) {
      let sum = 0
      for (const round of rounds) for (const row of yield db.all('select customer, count(*) as orders, sum(total) as total from orders where id > ? group by customer', [round])) sum += row.orders
      return sum
    },
  },
  {
    name: 'like', title: 'LIKE over all rows', unit: 'queries', full: 5, quick: 2, needs: 'bulk', warm: true,
    prepare: (count) => words.slice(0, count),
    *work(db, wanted) {
      let sum = 0
      for (const word of wanted) sum += (yield db.get('select count(*) as found from orders where note like ?', [`%${word}%`])).found
      return sum
    },
  },
  {
    name: 'mixed', title: 'transactions: two reads, two writes', unit: 'transactions', full: 300, quick: 10, needs: 'bulk', durable: true,
    prepare: (count, have) => keys(count, have, 6),
    *work(db, ids) {
      let sum = 0
      for (const id of ids) {
        const transaction = yield db.begin()
        const { customer, total } = yield transaction.get(oneOrder, [id])
        const balance = yield transaction.get('select total, orders from balance where customer = ?', [customer])
        yield transaction.run('update orders set state = ? where id = ?', ['sent', id])
        sum += yield transaction.run('insert into balance values (?, ?, ?) on conflict(customer) do update set total = excluded.total, orders = excluded.orders', [customer, (balance?.total ?? 0) + total, (balance?.orders ?? 0) + 1])
        yield transaction.commit()
      }
      return sum
    },
  },
  {
    name: 'cold', title: 'point reads after opening', unit: 'reads', full: 500, quick: 20, needs: 'bulk', reopens: true,
    prepare: (count, have) => keys(count, have, 7),
    *work(db, ids) {
      let sum = 0
      for (const id of ids) sum += (yield db.get(oneOrder, [id])).customer
      return sum
    },
  },
]

function keys(count, have, seed) {
  const next = randomNumbers(seed)
  return Array.from({ length: count }, () => 1 + next(have))
}

/** Memory for pages, for everybody what Coffer's default is. */
export const cachePragma = 'pragma cache_size = -32768'
