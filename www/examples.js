// What the demo's database holds and what its buttons ask.

/** Fills a new database, in a transaction of the caller's: orders made by SQLite itself, notes to search, places on a map. */
export const schema = `
create table customer (id integer primary key, name text not null, city text not null);
insert into customer (name, city) values
  ('Ada Moreno', 'Lisbon'), ('Bram de Vries', 'Utrecht'), ('Chiara Conti', 'Turin'), ('Dara Quinn', 'Cork'),
  ('Emil Novak', 'Brno'), ('Freya Lind', 'Malmo'), ('Goran Ilic', 'Novi Sad'), ('Hana Sato', 'Kobe');

create table purchase (id integer primary key, customer_id integer not null references customer, item text not null, cents integer not null, day text not null);
insert into purchase (customer_id, item, cents, day)
with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)
select 1 + (i * 7 + i / 11) % 8,
       json_extract('["lamp","desk","chair","shelf","rug","clock"]', '$[' || ((i * 5 + i / 7) % 6) || ']'),
       900 + (i * 7919) % 24100,
       date('2026-01-01', '+' || (i * 13 % 300) || ' days')
from n;
create index purchase_by_customer on purchase (customer_id, day);

create virtual table note using fts5 (title, body, tokenize = 'porter');
insert into note values
  ('Sealed segments', 'A sealed segment never changes, so readers need no locks and backups copy files.'),
  ('The log', 'Every commit is appended to the log in one write and flushed once.'),
  ('Keys', 'Changing the passphrase rewraps one key slot; no page is written again.'),
  ('Tabs', 'One worker owns the files. Other tabs send it their requests.'),
  ('Backups', 'An incremental backup is the list of segments the other side lacks.');

create virtual table place using rtree (id, west, east, south, north, +name);
insert into place values
  (1, -9.23, -9.09, 38.69, 38.80, 'Lisbon'), (2, 5.04, 5.19, 52.03, 52.14, 'Utrecht'), (3, 7.58, 7.77, 45.01, 45.14, 'Turin'),
  (4, -8.55, -8.39, 51.87, 51.93, 'Cork'), (5, 16.49, 16.72, 49.12, 49.29, 'Brno'), (6, 12.93, 13.10, 55.55, 55.63, 'Malmo');
`

export const examples = [
  {
    name: 'Join and group',
    sql: `select city, count(*) as orders, round(sum(cents) / 100.0, 2) as revenue, max(day) as latest
from purchase join customer on customer.id = customer_id
group by city
order by revenue desc`,
  },
  {
    name: 'Window functions',
    sql: `select substr(day, 1, 7) as month,
       sum(cents) / 100 as revenue,
       sum(sum(cents)) over (order by substr(day, 1, 7)) / 100 as so_far,
       sum(cents) / 100 - lag(sum(cents)) over (order by substr(day, 1, 7)) / 100 as change
from purchase
group by month`,
  },
  {
    name: 'Full-text search',
    sql: `select title, highlight(note, 1, '[', ']') as found, round(-rank, 3) as score
from note
where note match 'segment OR backup'
order by rank`,
  },
  {
    name: 'Map search',
    sql: `-- which cities lie within this box of longitude and latitude?
select name, west, south, east, north
from place
where west > -10 and east < 10 and south > 45 and north < 53`,
  },
  {
    name: 'JSON',
    sql: `select name, json_group_object(item, orders) as orders
from (select name, item, count(*) as orders from purchase join customer on customer.id = customer_id group by name, item)
group by name`,
  },
  {
    name: 'Write',
    sql: `-- run it twice, reload the page, or look from a second tab: it is there
insert into note (title, body) values ('Kept', 'Written at ' || datetime('now') || ' UTC')
returning title, body`,
  },
  {
    name: 'Storage',
    sql: `select name, count(*) as pages, sum(ncell) as cells, sum(pgsize) as bytes, round(100.0 * sum(payload) / sum(pgsize), 1) as percent_full
from dbstat
group by name
order by bytes desc`,
  },
]
