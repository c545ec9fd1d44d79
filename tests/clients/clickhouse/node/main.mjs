// What an analyst asks with @clickhouse/client.
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'

const [url, username, password] = process.argv.slice(2)
const client = createClient({ url, username, password, log: { level: ClickHouseLogLevel.OFF } })

async function rows(query, more = {}) {
  return (await client.query({ query, format: 'JSONEachRow', ...more })).json()
}

async function failure(query, more = {}) {
  try {
    await rows(query, more)
  } catch (error) {
    return error
  }
}

console.log((await client.ping()).success)
const [row] = await rows('SELECT n, name, at, tags, scores, toString(amount) AS amount, maybe, kind FROM facts')
console.log([row.n, row.name, row.at, row.tags.age, row.scores, row.amount, row.maybe === null, row.kind].join('|'))

let sum = 0
const answer = await client.query({ query: 'SELECT number FROM numbers(200000)', format: 'JSONEachRow' })
for await (const block of answer.stream()) for (const each of block) sum += Number(each.json().number)
console.log(sum)

const parameters = { query_params: { p: "O'Brien", at: new Date('2026-01-02T03:04:05.678Z') } }
console.log((await rows('SELECT {p: String} AS p FROM facts WHERE at > {at: DateTime64(3)}', parameters))[0].p)
console.log((await failure('SELECT * FROM no_such_table')).code)
console.log((await failure('SELECT number FROM numbers(100)', { clickhouse_settings: { max_result_rows: '10' } })).code)
console.log((await failure('SELECT 1', { clickhouse_settings: { max_execution_time: 0 } })).code)

const stop = new AbortController()
setTimeout(() => stop.abort(), 500)
console.log((await failure('SELECT count() FROM system.numbers', { abort_signal: stop.signal })).message)
await client.close()
